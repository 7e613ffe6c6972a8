"""What is shown of a model: what it offers in a few words, until when, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from realtime.models import VoiceModel

VOICES_NAMED = 3


@dataclass(frozen=True)
class Card:
    """What a page shows of a model, in the person's language. `ends`: "ended", "ending" or ""."""

    id: str
    name: str
    provider: str
    chips: list[str]
    cost: str
    ends: str
    end_words: str


def card(model: VoiceModel) -> Card:
    """What a page shows of `model`."""
    return Card(
        id=str(model.pk),
        name=str(model),
        provider=model.provider.name,
        chips=chips(model),
        cost=cost_words(model),
        ends=model.end_state(),
        end_words=end_words(model),
    )


def cost_words(model: VoiceModel) -> str:
    """What a minute costs, about."""
    return _("not priced yet")


def end_words(model: VoiceModel) -> str:
    """Say that the model was or soon will be switched off; "" when there is nothing to say."""
    state = model.end_state()
    if model.ends is None or not state:
        return ""
    day = {"date": date_format(model.ends)}
    if state == "ended":
        return _("switched off by the provider on %(date)s") % day
    return _("will be switched off on %(date)s") % day


def chips(model: VoiceModel) -> list[str]:
    """What the model offers, a few words each."""
    features: dict[str, Any] = model.features
    found = [_voices(model.voices)] if model.voices else []
    if features.get("text"):
        found.append(_("speaks and writes"))
    else:
        found.append(_("speaks"))
    if features.get("images"):
        found.append(_("sees pictures"))
    if features.get("tools"):
        found.append(_("uses tools"))
    if count := len(features.get("languages", [])):
        found.append(
            ngettext("%(count)d language", "%(count)d languages", count) % {"count": count}
        )
    if "semantic_vad" in features.get("turn_detection", []):
        found.append(_("waits for the end of a sentence"))
    if model.context_tokens:
        found.append(_("remembers %(size)s tokens") % {"size": _size(model.context_tokens)})
    return found


def _voices(voices: list[str]) -> str:
    if len(voices) <= VOICES_NAMED:
        return ", ".join(voices)
    return ngettext("%(count)d voice", "%(count)d voices", len(voices)) % {"count": len(voices)}


def _size(tokens: int) -> str:
    return f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)
