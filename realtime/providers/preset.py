"""What a preset is: a known service and its models, ready to fill a form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from realtime.bridge.dialects import DIALECTS
from realtime.features import within


@dataclass(frozen=True)
class PresetModel:
    """A model of a service, for a VoiceModel. `usual`: ticked when the service is chosen."""

    name: str
    label: str = ""
    voices: tuple[str, ...] = ()
    transcription_model: str = ""
    context_tokens: int | None = None
    ends: date | None = None
    usual: bool = False
    features: dict[str, Any] = field(default_factory=dict)

    def fields(self, dialect: str) -> dict[str, Any]:
        """The fields of a VoiceModel, with the features that the dialect can express."""
        values = asdict(self)
        del values["usual"]
        features = within(self.features, DIALECTS[dialect].traits)
        return values | {"voices": list(self.voices), "features": features}


@dataclass(frozen=True)
class Preset:
    """A known service. `replace` names the part of `url` that everybody has their own value for."""

    id: str
    label: Any
    dialect: str
    url: str
    note: Any = ""
    replace: str = ""
    needs_key: bool = True
    api_version: str = ""
    inside: bool = False
    """Usually on this machine or in the own network: for admins only."""
    models: tuple[PresetModel, ...] = ()

    def initial(self) -> dict[str, Any]:
        """What the form is filled with."""
        return {
            "preset": self.id,
            "name": str(self.label),
            "dialect": self.dialect,
            "url": self.url,
            "api_version": self.api_version,
            "allow_private": self.inside,
            "models_of_preset": [self.value(model) for model in self.models if model.usual],
        }

    def value(self, model: PresetModel) -> str:
        """The value of one of its models in a form."""
        return f"{self.id}/{model.name}"

    def choices(self) -> list[tuple[str, str]]:
        """Its models as choices."""
        return [(self.value(model), model.label or model.name) for model in self.models]

    def for_page(self) -> dict[str, Any]:
        """The data with which the page fills the form: `initial` and what it shows beside."""
        return self.initial() | {
            "note": str(self.note),
            "replace": self.replace,
            "needs_key": self.needs_key,
            "models": [[value, str(label)] for value, label in self.choices()],
        }
