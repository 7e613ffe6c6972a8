"""What clients may put into `session.update` and `response.create`, field by field."""

from typing import Any

from realtime.local import checks as c
from realtime.local.errors import Refused, invalid

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
INSTRUCTIONS_LIMIT = 200_000
TOKENS_LIMIT = 4096

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


def _tokens(value: Any, path: str) -> Any:
    try:
        return c.either(c.integer(1, TOKENS_LIMIT), c.one_of("inf"))(value, path)
    except Refused:
        raise invalid(path, f"must be from 1 to {TOKENS_LIMIT} or 'inf'.") from None


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
session_update = c.fields(
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
response_create = c.fields(
    {
        **_shared,
        "conversation": c.one_of("auto", "none"),
        "input": c.list_of(lambda value, path: value, most=1000),
        "metadata": c.nullable(c.string_map(16, 64, 512)),
        "audio": c.fields({"output": c.fields({"format": _format, "voice": _voice})}),
    }
)
