"""Models by the names that programs use."""

from __future__ import annotations

from collections import Counter
from typing import Any

from realtime.api.keys import Key
from realtime.api.shapes import no_model
from realtime.models import VoiceModel
from realtime.providers.availability import default_model


def models_of(key: Key) -> dict[str, VoiceModel]:
    """What the key may use, by name: the model's own, or `provider/name` where two share one."""
    found = list(VoiceModel.objects.available_to(key.token.user))
    if key.token.model_id is not None:
        found = [model for model in found if model.pk == key.token.model_id]
    shared = Counter(model.name for model in found)
    return {_name(model, shared[model.name] > 1): model for model in found}


def model_of(key: Key, name: str | None) -> tuple[str, VoiceModel]:
    """The model of this name, or the default one, and its name. Raises `ApiError`."""
    models = models_of(key)
    if not name:
        usual = key.token.model or default_model(key.token.user, key.token.user.own_account)
        for known, model in models.items():
            if model == usual:
                return known, model
        raise no_model("")
    if name in models:
        return name, models[name]
    for known, model in models.items():
        if name == _name(model, True):
            return known, model
    raise no_model(name)


def described(name: str, model: VoiceModel) -> dict[str, Any]:
    """A model as `GET /v1/models` shows it."""
    return {
        "id": name,
        "object": "model",
        "created": int(model.provider.created.timestamp()),
        "owned_by": model.provider.name,
    }


def _name(model: VoiceModel, with_provider: bool) -> str:
    return f"{model.provider.name}/{model.name}" if with_provider else model.name
