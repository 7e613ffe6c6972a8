"""The session object: its defaults, and what `session.update` and `response.create` may say."""

import copy
from typing import Any

from realtime.local.errors import Refused, missing
from realtime.local.shapes import response_create, session_update

Config = dict[str, Any]

DEFAULT_MODEL = "nextvoice-demo"
DEFAULT_INSTRUCTIONS = "You are the built-in demonstration voice of NextVoice. Be short and honest."

_SERVER_VAD: Config = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Config = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def new_session(session_id: str, model: str, expires_at: int) -> Config:
    """The session as it is before the first `session.update`."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model or DEFAULT_MODEL,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "marin",
                "speed": 1.0,
            },
        },
    }


def updated(session: Config, wanted: Any, *, voice_fixed: bool) -> Config:
    """A new session object with the wanted changes; raises Refused and changes nothing."""
    if wanted is None:
        raise missing("session")
    session_update(wanted, "session")
    if wanted.get("model", session["model"]) != session["model"]:
        raise Refused(
            "The model cannot be changed during a session.",
            code="invalid_value",
            param="session.model",
        )
    result = copy.deepcopy(session)
    changes = copy.deepcopy(wanted)
    audio = changes.pop("audio", {})
    result.update(changes)
    _merge_input(result["audio"]["input"], audio.get("input", {}))
    output = audio.get("output", {})
    voice = result["audio"]["output"]["voice"]
    if voice_fixed and output.get("voice", voice) != voice:
        raise Refused(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="session.audio.output.voice",
        )
    result["audio"]["output"].update({**output, **_full_format(output)})
    return result


def _merge_input(current: Config, changes: Config) -> None:
    changes = {**changes, **_full_format(changes)}
    detection = changes.get("turn_detection")
    if detection:
        base = _SERVER_VAD if detection["type"] == "server_vad" else _SEMANTIC_VAD
        old = current["turn_detection"]
        if old and old["type"] == detection["type"]:
            base = old
        changes["turn_detection"] = {**base, **detection}
    if changes.get("transcription"):
        changes["transcription"] = {
            "model": DEFAULT_MODEL,
            "language": None,
            "prompt": None,
            **changes["transcription"],
        }
    current.update(changes)


def _full_format(changes: Config) -> Config:
    wanted = changes.get("format")
    if wanted and wanted["type"] == "audio/pcm":
        return {"format": {"type": "audio/pcm", "rate": 24000}}
    return {}


def response_options(session: Config, wanted: Any, *, voice_fixed: bool) -> Config:
    """What one response uses: the session's values under those of `response.create`."""
    wanted = {} if wanted is None else response_create(wanted, "response")
    output = dict(session["audio"]["output"])
    asked = wanted.get("audio", {}).get("output", {})
    if voice_fixed and asked.get("voice", output["voice"]) != output["voice"]:
        raise Refused(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="response.audio.output.voice",
        )
    output.update({**asked, **_full_format(asked)})
    names = ("instructions", "tools", "tool_choice", "max_output_tokens", "output_modalities")
    return {
        **{name: session[name] for name in names},
        **{name: wanted[name] for name in names if name in wanted},
        "conversation": wanted.get("conversation", "auto"),
        "input": wanted.get("input"),
        "metadata": wanted.get("metadata"),
        "output": output,
    }
