"""Reduces a GA configuration to what a dialect's providers support; the form is still GA's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events import Event
from .sound import PCM
from .traits import Traits

COMMON = ("type", "output_modalities", "instructions", "max_output_tokens", "audio")
TOOLS = ("tools", "tool_choice")


def fit_session(session: Mapping[str, Any], traits: Traits) -> Event:
    """A whole or partial session without what the provider would refuse.

    Semantic turn detection becomes server VAD, an unknown format PCM.
    """
    if traits.further == ("*",):
        names = set(session)
    else:
        names = {*COMMON, *traits.further, *(TOOLS if traits.tools else ())}
    if not traits.instructions:
        names.discard("instructions")
    if not traits.text:
        names.discard("output_modalities")
    fitted = {name: value for name, value in session.items() if name in names}
    if isinstance(audio := session.get("audio"), Mapping):
        fitted["audio"] = _audio(audio, traits)
    return fitted


def fit_response(response: Mapping[str, Any], traits: Traits) -> Event:
    """The same for the body of a `response.create`."""
    fitted = dict(response)
    if not traits.text:
        fitted.pop("output_modalities", None)
    if not traits.tools:
        for name in TOOLS:
            fitted.pop(name, None)
    if isinstance(audio := response.get("audio"), Mapping):
        fitted["audio"] = _audio(audio, traits)
    return fitted


def _audio(audio: Mapping[str, Any], traits: Traits) -> Event:
    sides = {
        side: dict(audio[side])
        for side in ("input", "output")
        if isinstance(audio.get(side), Mapping)
    }
    for inner in sides.values():
        form = inner.get("format")
        if isinstance(form, Mapping) and form.get("type") not in traits.formats:
            inner["format"] = {"type": PCM, "rate": 24_000}
    ears, mouth = sides.get("input", {}), sides.get("output", {})
    if not traits.noise_reduction:
        ears.pop("noise_reduction", None)
    if not traits.transcription:
        ears.pop("transcription", None)
    if not traits.speed:
        mouth.pop("speed", None)
    if "turn_detection" in ears:
        if traits.own_turns:
            del ears["turn_detection"]
        elif isinstance(turns := ears["turn_detection"], Mapping):
            ears["turn_detection"] = _turns(turns, traits)
    return sides


def _turns(turns: Mapping[str, Any], traits: Traits) -> Event:
    fitted = dict(turns)
    if fitted.get("type") not in traits.turn_detection:
        fitted["type"] = traits.turn_detection[0]
    if fitted["type"] != "semantic_vad":
        fitted.pop("eagerness", None)
    if "idle_timeout_ms" not in traits.further and traits.further != ("*",):
        fitted.pop("idle_timeout_ms", None)
    return fitted
