"""Form fields that tidy what is pasted into them, and explain what they cannot tidy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from realtime.providers import tidy

PROBLEMS = {
    "word": _("Use plain letters, digits and signs only: no spaces, line breaks or accents."),
    "key": _(
        "A key has no spaces, line breaks or accented letters. Copy it again, and nothing else."
    ),
    "masked": _(
        "This is a shortened key, as services show it. Copy the whole key where it was created."
    ),
    "spaces": _("An address has no spaces in it."),
    "address": _("This is not an address. Write it like wss://api.example.com/v1/realtime."),
    "scheme": _("Begin the address with wss:// or https://, such as wss://api.example.com/v1."),
    "user": _("Leave out the user name and password before the @; keys have a field of their own."),
    "fragment": _("Leave out the # and what comes after it."),
    "pair": _("Line %(what)s: write a name, a colon and a value, such as “X-Team: blue”."),
    "pair_name": _("Line %(what)s: a name has only letters, digits and hyphens."),
    "pair_value": _("“%(what)s”: the value is empty, too long or has accented letters."),
    "reserved": _("“%(what)s” is sent by this site itself. Leave it out."),
    "twice": _("“%(what)s” is there twice. Keep one of them."),
    "dots": _("“%(what)s” has dots for a value, but none is stored. Enter the value."),
    "many": _("That is too much. Leave some out."),
}


def explained(problem: tidy.Untidy) -> forms.ValidationError:
    """What to tell the person who wrote it."""
    return forms.ValidationError(
        PROBLEMS[problem.code], code=problem.code, params={"what": problem.what}
    )


class TidyField(forms.CharField):
    """Text without what pasting adds to it; inner spaces are collapsed."""

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value) or ""
        return " ".join(tidy.tidied(text).split())


class WordField(forms.CharField):
    """One name that fits a header or an address."""

    def to_python(self, value: Any) -> str:
        try:
            return tidy.tidied_word(super().to_python(value) or "")
        except tidy.Untidy as problem:
            raise explained(problem) from None


class PairsField(forms.CharField):
    """Lines of names and values; values are never shown back."""

    def __init__(self, *, separators: str = ":", **options: Any) -> None:
        rows = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
        super().__init__(required=False, strip=False, widget=rows, **options)
        self.separators = separators

    def bound_data(self, data: Any, initial: Any) -> str:
        return tidy.names_of(data or "", self.separators)


class AddressField(forms.CharField):
    """An address, which is shown back without the parameters that were pasted with it."""

    def bound_data(self, data: Any, initial: Any) -> str:
        return tidy.address_of(data or "")


class ListField(forms.CharField):
    """Names separated by commas or line breaks, as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        text: str = super().to_python(value) or ""
        # JSON lists and Chinese commas are understood too.
        parts = tidy.tidied(text).strip("[]").replace("\n", ",").replace("、", ",").split(",")
        return list(dict.fromkeys(name for part in parts if (name := tidy.tidied(part))))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(initial or [], data)

    def validate(self, value: Any) -> None:
        forms.Field.validate(self, value)

    def run_validators(self, value: Any) -> None:
        for name in value:
            super().run_validators(name)
        if len(value) > 200 or any(len(name) > 64 for name in value):
            raise forms.ValidationError(_("At most 200 names of 64 letters each."))
