"""What a voice model can do, as an admin writes it down and as the options of a call offer it.

    {
      "turn_detection": ["server_vad", "semantic_vad", "none"],   # none: hold or tap to talk
      "turn_settings": ["threshold"],    # of turn detection; absent: what its dialect has
      "text": true,                      # can answer in writing
      "images": true,                    # can be shown pictures
      "tools": true,                     # can call functions
      "formats": ["audio/pcm"],          # of audio: "audio/pcm", "audio/pcmu", "audio/pcma"
      "instructions": true,              # follows instructions
      "noise_reduction": ["near_field", "far_field"],
      "speed": [0.25, 1.5],              # least and most
      "transcription_models": ["name"],  # besides the model's own
      "languages": ["en", "de"],         # that may be named as a hint
      "max_output_tokens": 4096          # the most an answer can have
    }

What is absent is not offered. Voices are a field of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.bridge.dialects import Traits

TURNS = ("server_vad", "semantic_vad", "none")
TURN_SETTINGS = (
    "threshold",
    "prefix_padding_ms",
    "silence_duration_ms",
    "eagerness",
    "idle_timeout_ms",
    "interrupt_response",
)
# Dialects that can express all of them; others know the usual ones.
WHOLE_TURN_SETTINGS = ("openai_ga", "azure_ga")
USUAL_TURN_SETTINGS = TURN_SETTINGS[:4]
NOISE = ("near_field", "far_field")
FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")
MAX_LISTED = 200
MAX_NAME = 64


def usual_features() -> dict[str, Any]:
    """What nearly every realtime model can do."""
    return {"turn_detection": ["server_vad", "none"], "text": True, "instructions": True}


def embedded_features() -> dict[str, Any]:
    """What the embedded provider can do."""
    return {
        "turn_detection": ["server_vad", "semantic_vad", "none"],
        "text": True,
        "instructions": True,
        "formats": list(FORMATS),
        "speed": [0.25, 1.5],
        "max_output_tokens": 4096,
    }


def turn_settings(features: dict[str, Any], dialect: str) -> list[str]:
    """What of turn detection can be adjusted, by the names of a session's `turn_detection`."""
    whole = TURN_SETTINGS if dialect in WHOLE_TURN_SETTINGS else USUAL_TURN_SETTINGS
    return list(features.get("turn_settings", whole))


def within(features: Mapping[str, Any], traits: Traits) -> dict[str, Any]:
    """Return the features that a dialect can ask for."""
    lacking = {
        name
        for name in ("text", "images", "tools", "instructions", "noise_reduction", "speed")
        if not getattr(traits, name)
    }
    if not traits.transcription:
        lacking |= {"transcription_models", "languages"}
    return {name: value for name, value in features.items() if name not in lacking}


def check_features(features: object) -> str | None:
    """Return the name of the first feature that is unknown or malformed, or None."""
    if not isinstance(features, dict):
        return "features"
    for name, value in features.items():
        if name not in CHECKS or not CHECKS[name](value):
            return str(name)[:MAX_NAME]
    return None


def _switch(value: object) -> bool:
    return isinstance(value, bool)


def _names(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_LISTED
        and all(isinstance(each, str) and 0 < len(each) <= MAX_NAME for each in value)
    )


def _some_of(known: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: _names(value) and set(value) <= set(known)


def _speed(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in value):
        return False
    return bool(0.25 <= value[0] <= 1 <= value[1] <= 1.5)


def _tokens(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4096


CHECKS: dict[str, Callable[[Any], bool]] = {
    "turn_detection": _some_of(TURNS),
    "turn_settings": _some_of(TURN_SETTINGS),
    "text": _switch,
    "images": _switch,
    "tools": _switch,
    "instructions": _switch,
    "formats": _some_of(FORMATS),
    "noise_reduction": _some_of(NOISE),
    "speed": _speed,
    "transcription_models": _names,
    "languages": _names,
    "max_output_tokens": _tokens,
}
