"""The form of a new token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models import User
from realtime.models import ApiToken, VoiceModel

DAYS = [
    ("30", _("in 30 days")),
    ("90", _("in 90 days")),
    ("365", _("in a year")),
    ("", _("never")),
]


class TokenForm(forms.Form):
    """What a new token may do, and for how long."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What it is for. Conversations made with it show this name."),
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "off", "placeholder": _("Kitchen robot")}
        ),
    )
    days = forms.ChoiceField(
        label=_("Expires"),
        choices=DAYS,
        initial="90",
        required=False,
        widget=forms.Select(attrs={"class": "select"}),
    )
    model = forms.ModelChoiceField(
        label=_("Models"),
        queryset=VoiceModel.objects.none(),
        required=False,
        empty_label=_("All you can use"),
        widget=forms.Select(attrs={"class": "select"}),
    )
    record = forms.BooleanField(
        label=_("Keep what is said"),
        required=False,
        initial=True,
        help_text=_(
            "Among your conversations, with words and audio. Off: nothing that is said is kept. "
            "What calls cost is counted either way."
        ),
    )

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._person = person
        models: Any = self.fields["model"]
        models.queryset = VoiceModel.objects.available_to(person)

    def make(self) -> tuple[ApiToken, str]:
        """The token, and its text, which can be seen only this once."""
        data = self.cleaned_data
        return ApiToken.objects.make(
            self._person,
            data["name"],
            model=data["model"],
            record=data["record"],
            expires=expiry(data["days"]),
        )


def expiry(days: str | int | None) -> datetime | None:
    """When a token that is valid for so many days expires; None: never."""
    return timezone.now() + timedelta(days=int(days)) if days else None
