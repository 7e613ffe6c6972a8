"""The session object: its defaults, and what `session.update` and `response.create` may say."""

import copy
from typing import Any

from realtime.local import checks as c
from realtime.local.errors import Refused, missing

Config = dict[str, Any]

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
DEFAULT_MODEL = "nextvoice-demo"
INSTRUCTIONS_LIMIT = 200_000
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
# How long a pause must be before the turn ends, for each eagerness.
EAGERNESS_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}

_format = c.tagged(
    "type",
    {
        "audio/pcm": c.fields({"type": c.one_of("audio/pcm"), "rate": c.one_of(24000)}),
        "audio/pcmu": c.fields({"type": c.one_of("audio/pcmu")}),
        "audio/pcma": c.fields({"type": c.one_of("audio/pcma")}),
    },
)
_turn_detection = c.tagged(
    "type",
    {
        "server_vad": c.fields(
            {
                "type": c.one_of("server_vad"),
                "threshold": c.number(0.0, 1.0),
                "prefix_padding_ms": c.integer(0, 5000),
                "silence_duration_ms": c.integer(100, 10_000),
                "idle_timeout_ms": c.nullable(c.integer(5000, 30_000)),
                "create_response": c.boolean,
                "interrupt_response": c.boolean,
            }
        ),
        "semantic_vad": c.fields(
            {
                "type": c.one_of("semantic_vad"),
                "eagerness": c.one_of("low", "medium", "high", "auto"),
                "create_response": c.boolean,
                "interrupt_response": c.boolean,
            }
        ),
    },
)
_transcription = c.fields(
    {
        "model": c.text(200),
        "language": c.nullable(c.text(16)),
        "languages": c.list_of(c.text(16), most=32),
        "prompt": c.nullable(c.text(10_000)),
        "keywords": c.list_of(c.text(200), most=1000),
        "delay": c.one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
_tool = c.tagged(
    "type",
    {
        "function": c.fields(
            {
                "type": c.one_of("function"),
                "name": c.text(64, least=1),
                "description": c.nullable(c.text(20_000)),
                "parameters": c.nullable(c.free_object(1000)),
                "strict": c.nullable(c.boolean),
            },
            required=("name",),
        )
    },
)
_tool_choice = c.either(
    c.tagged(
        "type",
        {
            "function": c.fields(
                {"type": c.one_of("function"), "name": c.text(64, least=1)}, required=("name",)
            )
        },
    ),
    c.one_of("none", "auto", "required"),
)
_tokens = c.either(c.integer(1, 4096), c.one_of("inf"))
_truncation = c.either(
    c.one_of("auto", "disabled"),
    c.fields(
        {
            "type": c.one_of("retention_ratio"),
            "retention_ratio": c.number(0.0, 1.0),
            "token_limits": c.fields({"post_instructions": c.integer(0, 1_000_000)}),
        },
        required=("type", "retention_ratio"),
    ),
)
_tracing = c.either(
    c.one_of("auto"),
    c.fields(
        {"workflow_name": c.text(200), "group_id": c.text(200), "metadata": c.free_object(64)}
    ),
)
_prompt = c.fields(
    {
        "id": c.text(200, least=1),
        "version": c.nullable(c.text(200)),
        "variables": c.nullable(c.free_object(1000)),
    },
    required=("id",),
)


def _modalities(value: Any, path: str) -> Any:
    c.list_of(c.one_of("text", "audio"), most=2)(value, path)
    if len(value) != 1:
        raise Refused(
            f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio'].",
            code="invalid_value",
            param=path,
        )
    return value


def _voice(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        raise Refused("Custom voices are not available here.", code="invalid_value", param=path)
    return c.one_of(*VOICES)(value, path)


_output = {"format": _format, "voice": _voice, "speed": c.number(0.25, 1.5)}
_shared: dict[str, c.Check] = {
    "output_modalities": _modalities,
    "instructions": c.text(INSTRUCTIONS_LIMIT),
    "tools": c.list_of(_tool, most=128),
    "tool_choice": _tool_choice,
    "parallel_tool_calls": c.boolean,
    "reasoning": c.nullable(
        c.fields({"effort": c.one_of("minimal", "low", "medium", "high", "xhigh")})
    ),
    "max_output_tokens": _tokens,
    "prompt": c.nullable(_prompt),
}
_session = c.fields(
    {
        **_shared,
        "type": c.one_of("realtime"),
        "model": c.text(200),
        "truncation": _truncation,
        "tracing": c.nullable(_tracing),
        "include": c.nullable(
            c.list_of(c.one_of("item.input_audio_transcription.logprobs"), most=1)
        ),
        "audio": c.fields(
            {
                "input": c.fields(
                    {
                        "format": _format,
                        "noise_reduction": c.nullable(
                            c.fields(
                                {
                                    "type": c.one_of("near_field", "far_field"),
                                    "strength": c.number(0.0, 1.0),
                                },
                                required=("type",),
                            )
                        ),
                        "transcription": c.nullable(_transcription),
                        "turn_detection": c.nullable(_turn_detection),
                    }
                ),
                "output": c.fields(_output),
            }
        ),
    },
    required=("type",),
)
_response = c.fields(
    {
        **_shared,
        "conversation": c.one_of("auto", "none"),
        "input": c.list_of(lambda value, path: value, most=1000),
        "metadata": c.nullable(c.string_map(16, 64, 512)),
        "audio": c.fields({"output": c.fields({"format": _format, "voice": _voice})}),
    }
)


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
    _session(wanted, "session")
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
    wanted = {} if wanted is None else _response(wanted, "response")
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


def silence_ms(detection: Config) -> int:
    if detection["type"] == "semantic_vad":
        return EAGERNESS_SILENCE_MS[detection["eagerness"]]
    return int(detection["silence_duration_ms"])
