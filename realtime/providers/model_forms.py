"""The forms for a provider's models: one for admins, and one with fewer fields for own keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from realtime.features import NOISE, TURNS
from realtime.fields import ListField, TidyField, WordField
from realtime.models import VoiceModel
from realtime.providers.describe import end_words

TURN_LABELS = {
    "server_vad": _("Answers when one pauses"),
    "semantic_vad": _("Answers when a sentence is finished"),
    "none": _("Hold to talk"),
}
NOISE_LABELS = {
    "near_field": _("Headset or phone at the ear"),
    "far_field": _("Laptop or room microphone"),
}
ABILITIES = {
    "text": _("Answer in writing"),
    "instructions": _("Follow instructions"),
    "images": _("Look at pictures"),
    "tools": _("Call functions"),
}


class VoiceModelForm(forms.ModelForm):
    """A model and its features, as fields instead of the JSON that is stored."""

    name = WordField(
        label=_("Name"),
        max_length=120,
        help_text=_("As the provider spells it, such as gpt-realtime-2.1."),
    )
    label = TidyField(
        label=_("Shown as"), required=False, max_length=120, help_text=_("Empty: the name.")
    )
    voices = ListField(
        label=_("Voices"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=_("Separated by commas, the default first. Empty: the provider's own."),
    )
    transcription_model = WordField(
        label=_("Writes down what people say"),
        required=False,
        max_length=120,
        help_text=_("Name of the transcription model; empty turns it off."),
    )
    transcription_models = ListField(label=_("Or, as people choose"), required=False)
    languages = ListField(
        label=_("Languages"),
        required=False,
        help_text=_("Codes people can name as a hint, such as en, de, zh."),
    )
    turn_detection = forms.MultipleChoiceField(
        label=_("Taking turns"),
        required=False,
        choices=[(kind, TURN_LABELS[kind]) for kind in TURNS],
        widget=forms.CheckboxSelectMultiple,
    )
    abilities = forms.MultipleChoiceField(
        label=_("It can"),
        required=False,
        choices=list(ABILITIES.items()),
        widget=forms.CheckboxSelectMultiple,
    )
    noise_reduction = forms.MultipleChoiceField(
        label=_("Reduces noise of"),
        required=False,
        choices=[(kind, NOISE_LABELS[kind]) for kind in NOISE],
        widget=forms.CheckboxSelectMultiple,
    )
    slowest = forms.FloatField(
        label=_("Slowest speed"), required=False, min_value=0.25, max_value=1
    )
    fastest = forms.FloatField(label=_("Fastest speed"), required=False, min_value=1, max_value=1.5)
    max_output_tokens = forms.IntegerField(
        label=_("Longest answer (tokens)"), required=False, min_value=1, max_value=4096
    )
    ends = forms.DateField(
        label=_("End date"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("When the provider switches it off, if that is known."),
    )

    field_order = [
        "name",
        "label",
        "enabled",
        "voices",
        "turn_detection",
        "abilities",
        "noise_reduction",
        "transcription_model",
        "transcription_models",
        "languages",
        "slowest",
        "fastest",
        "max_output_tokens",
        "context_tokens",
        "ends",
        "instructions",
    ]
    LISTS = ("turn_detection", "noise_reduction", "transcription_models", "languages")

    class Meta:
        model = VoiceModel
        fields = [
            "name",
            "label",
            "voices",
            "transcription_model",
            "instructions",
            "context_tokens",
            "ends",
            "default",
            "enabled",
        ]
        widgets = {"instructions": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        features = self.instance.features
        for name in self.LISTS:
            self.initial.setdefault(name, features.get(name, []))
        self.initial.setdefault("abilities", [each for each in ABILITIES if features.get(each)])
        self.initial.setdefault("max_output_tokens", features.get("max_output_tokens"))
        if words := end_words(self.instance):
            self.fields["name"].help_text = capfirst(words) + "."
        slowest, fastest = features.get("speed", (None, None))
        self.initial.setdefault("slowest", slowest)
        self.initial.setdefault("fastest", fastest)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if (data.get("slowest") is None) != (data.get("fastest") is None):
            self.add_error("fastest", _("Enter both speeds, or neither."))
        return data

    def _post_clean(self) -> None:
        self.instance.features = self._features()
        super()._post_clean()  # type: ignore[misc]

    def _features(self) -> dict[str, Any]:
        """The features according to the fields; features without a field stay as they are."""
        data = self.cleaned_data
        about = {*self.LISTS, *ABILITIES, "speed", "max_output_tokens"}
        kept = {name: each for name, each in self.instance.features.items() if name not in about}
        lists = {name: data[name] for name in self.LISTS if data.get(name)}
        abilities = {name: True for name in data.get("abilities", [])}
        numbers: dict[str, Any] = {}
        if data.get("slowest") and data.get("fastest"):
            numbers["speed"] = [data["slowest"], data["fastest"]]
        if data.get("max_output_tokens"):
            numbers["max_output_tokens"] = data["max_output_tokens"]
        return kept | lists | abilities | numbers


class OwnModelForm(VoiceModelForm):
    """A model of somebody's own provider. Its default is chosen elsewhere."""

    class Meta(VoiceModelForm.Meta):
        fields = [name for name in VoiceModelForm.Meta.fields if name != "default"]


class ModelSet(forms.BaseInlineFormSet):
    """The models of a provider."""

    def add_fields(self, form: Any, index: Any) -> None:
        # Django gives a new parent another id when it is saved; but the key was sealed for this
        # one.
        pk = self.instance.pk
        super().add_fields(form, index)
        self.instance.pk = pk
