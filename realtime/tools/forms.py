"""How admins say which functions an account's calls may use."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from realtime.models import AccountSettings
from realtime.tools.choice import usable


class AccountSettingsForm(forms.ModelForm):
    """Stores which functions were switched off, so that a new one is on until somebody says no."""

    tools = forms.MultipleChoiceField(
        label=_("functions the assistant may use"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("In calls with a model that can call functions."),
    )

    class Meta:
        model = AccountSettings
        fields = ["account", "own_providers", "default_model"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account = self.instance.account if self.instance.account_id else None
        tools, off = usable(account), self.instance.tools_off
        self.known = [tool.name for tool in tools]
        if "tools" not in self.fields:
            return  # for those who may only look
        field: Any = self.fields["tools"]
        field.choices = [
            choice
            for group, members in groupby(tools, key=lambda tool: tool.group)
            for choice in _choices(group, [(tool.name, tool.label) for tool in members])
        ]
        self.initial.setdefault("tools", [name for name in self.known if name not in off])

    def clean(self) -> dict[str, Any] | None:
        on, before = self.cleaned_data.get("tools", []), self.instance.tools_off
        # What is not offered right now stays off for when it is again.
        others = [name for name in before if name not in self.known]
        self.instance.tools_off = [name for name in self.known if name not in on] + others
        return super().clean()


def _choices(group: str, members: list[tuple[str, Any]]) -> list[Any]:
    return [(group, members)] if group else members
