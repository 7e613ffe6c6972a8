"""How admins say which functions an account's calls may use."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from realtime.models import AccountSettings
from realtime.tools.registry import TOOLS


def _choices() -> list[tuple[str, Any]]:
    return [(tool.name, tool.label) for tool in TOOLS.values()]


class AccountSettingsForm(forms.ModelForm):
    """What is kept is what was switched off: a new function is on until somebody says no."""

    tools = forms.MultipleChoiceField(
        label=_("functions the assistant may use"),
        choices=_choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("In calls with a model that can call functions."),
    )

    class Meta:
        model = AccountSettings
        fields = ["account", "own_providers", "default_model"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        off = self.instance.tools_off
        self.initial.setdefault("tools", [name for name in TOOLS if name not in off])

    def clean(self) -> dict[str, Any] | None:
        on = self.cleaned_data.get("tools", [])
        self.instance.tools_off = [name for name in TOOLS if name not in on]
        return super().clean()
