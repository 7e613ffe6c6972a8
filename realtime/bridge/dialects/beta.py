"""Translates between OpenAI's beta API and GA. Pure functions.

| beta | GA |
|---|---|
| modalities ["audio","text"] | output_modalities ["audio"] |
| voice, speed, output_audio_format | audio.output.voice, speed, format |
| input_audio_format, _transcription, _noise_reduction | audio.input.format, transcription, ... |
| turn_detection | audio.input.turn_detection |
| max_response_output_tokens | max_output_tokens |
| tool_choice "name" | {"type": "function", "name": name} |
| temperature | - |
| - | include, prompt, reasoning, truncation, parallel_tool_calls, tracing, idle_timeout_ms |

Source: openai-python, types/realtime and types/beta/realtime. Input may be of any shape; nothing
raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events import Event
from .sound import PCM

EVENT_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}
"""The beta's names of server events and GA's. `conversation.item.created` is not among them: it
differs in more than its name."""

FORMATS = {"g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
BETA_FORMATS = {PCM: "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
VAD_KINDS = ("server_vad", "semantic_vad")
VAD_FIELDS = (
    "type",
    "threshold",
    "prefix_padding_ms",
    "silence_duration_ms",
    "eagerness",
    "create_response",
    "interrupt_response",
    "idle_timeout_ms",
)
PLACES: dict[str, tuple[str, ...]] = {
    "instructions": ("instructions",),
    "tools": ("tools",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Fields with the same values in both, and where GA has them."""

WORDS = ("auto", "none", "required")
NOISE = ("near_field", "far_field")
TRANSCRIPTION = ("model", "language", "prompt")


# To the provider


def session_to_beta(session: Mapping[str, Any]) -> Event:
    """A whole or partial GA session in the beta's flat form."""
    flat: Event = {}
    for name, path in PLACES.items():
        value = _at(session, path)
        if value is not _MISSING:
            flat[name] = value
    transcription = flat.get("input_audio_transcription")
    if isinstance(transcription, Mapping):
        kept = {name: transcription[name] for name in TRANSCRIPTION if name in transcription}
        flat["input_audio_transcription"] = kept
    for side in ("input", "output"):
        form = _at(session, ("audio", side, "format", "type"))
        if form in BETA_FORMATS:
            flat[f"{side}_audio_format"] = BETA_FORMATS[form]
    flat |= _common_to_beta(session)
    if "max_output_tokens" in session:
        flat["max_response_output_tokens"] = session["max_output_tokens"]
    return flat


def response_to_beta(response: Mapping[str, Any]) -> Event:
    """The body of a GA `response.create` in the beta's flat form."""
    names = ("instructions", "tools", "conversation", "metadata")
    flat = {name: response[name] for name in names if name in response}
    if isinstance(items := response.get("input"), list):
        flat["input"] = [item_to_beta(item) for item in items]
    flat |= _common_to_beta(response)
    if "max_output_tokens" in response:
        flat["max_response_output_tokens"] = response["max_output_tokens"]
    if (voice := _at(response, ("audio", "output", "voice"))) is not _MISSING:
        flat["voice"] = voice
    form = _at(response, ("audio", "output", "format", "type"))
    if form in BETA_FORMATS:
        flat["output_audio_format"] = BETA_FORMATS[form]
    return flat


def item_to_beta(item: Mapping[str, Any]) -> Event:
    """A GA item in the beta's form: only an assistant's content differs."""
    names = {"output_text": "text", "output_audio": "audio"}
    return _with_content(item, names)


def _common_to_beta(body: Mapping[str, Any]) -> Event:
    flat: Event = {}
    if (modalities := body.get("output_modalities")) is not None:
        flat["modalities"] = ["text"] if modalities == ["text"] else ["audio", "text"]
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        flat["tool_choice"] = choice.get("name", "auto")
    elif isinstance(choice, str):
        flat["tool_choice"] = choice
    return flat


# From the provider


def session_to_ga(session: Mapping[str, Any]) -> Event:
    """A provider's session in GA's nested form; fields that are GA's already are kept."""
    nested: Event = {"type": "realtime", "object": "realtime.session"}
    for name in ("id", "model", "expires_at", "audio", "output_modalities", "max_output_tokens"):
        if session.get(name) is not None:
            nested[name] = session[name]
    for name, path in PLACES.items():
        if name in session:
            _put(nested, path, session[name])
    for side in ("input", "output"):
        form = session.get(f"{side}_audio_format")
        if isinstance(form, str):
            _put(nested, ("audio", side, "format"), {"type": FORMATS.get(form, PCM)})
    nested |= _common_to_ga(session)
    return _tidy_session(nested)


def response_to_ga(response: Mapping[str, Any]) -> Event:
    """A provider's response in GA's form."""
    flat = ("modalities", "voice", "output_audio_format", "temperature")
    nested = {name: value for name, value in response.items() if name not in flat}
    if isinstance(response.get("voice"), str | Mapping):
        _put(nested, ("audio", "output", "voice"), _voice(response["voice"]))
    if isinstance(form := response.get("output_audio_format"), str):
        _put(nested, ("audio", "output", "format"), {"type": FORMATS.get(form, PCM)})
    nested |= _common_to_ga(response)
    if isinstance(output := response.get("output"), list):
        nested["output"] = [item_to_ga(item) for item in output]
    return nested


def item_to_ga(item: object) -> Any:
    """A provider's item in GA's form; anything but an object is returned unchanged."""
    if not isinstance(item, Mapping):
        return item
    converted = _with_content(item, {"text": "output_text", "audio": "output_audio"})
    content = converted.get("content")
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        spoken = part.get("type") in ("output_audio", "input_audio")
        if spoken and not part.get("transcript") and isinstance(part.get("text"), str):
            part["transcript"] = part["text"]  # as Qwen and StepFun have it
        if spoken:
            part.pop("text", None)
    return converted


def _common_to_ga(body: Mapping[str, Any]) -> Event:
    nested: Event = {}
    modalities = body.get("modalities")
    if isinstance(modalities, list):
        nested["output_modalities"] = ["audio"] if "audio" in modalities else ["text"]
    for name in ("max_response_output_tokens", "max_output_tokens"):
        most = body.get(name)
        if isinstance(most, str) and most.isascii() and most.isdigit():
            most = int(most[:9])
        if most == "inf" or (type(most) is int and most > 0):
            nested["max_output_tokens"] = most
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        known = choice in WORDS
        nested["tool_choice"] = choice if known else {"type": "function", "name": choice}
    elif isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
        nested["tool_choice"] = {"type": "function", "name": choice["name"]}
    return nested


def _tidy_session(session: Event) -> Event:
    """Remove values that GA's types do not allow."""
    if not isinstance(session.get("audio", {}), dict):
        del session["audio"]
    if session.get("output_modalities") not in (["audio"], ["text"]):
        session.pop("output_modalities", None)
    for name, wanted in (("instructions", str), ("id", str), ("model", str)):
        if name in session and not isinstance(session[name], wanted):
            del session[name]
    session["tools"] = [t for t in map(_tool, _list(session.get("tools"))) if t is not None]
    for side in ("input", "output"):
        inner = _at(session, ("audio", side))
        if isinstance(inner, dict):
            _tidy_side(inner)
    return session


def _tidy_side(side: Event) -> None:
    if "voice" in side and (voice := _voice(side.pop("voice"))) is not None:
        side["voice"] = voice
    speed = side.get("speed", 1.0)
    if not isinstance(speed, int | float) or isinstance(speed, bool):
        del side["speed"]
    if "turn_detection" in side:
        side["turn_detection"] = _turns(side["turn_detection"])
    if "transcription" in side:
        heard = _object(side["transcription"])
        kept = {name: heard[name] for name in TRANSCRIPTION if isinstance(heard.get(name), str)}
        side["transcription"] = kept or None
    if "noise_reduction" in side:
        kind = _object(side["noise_reduction"]).get("type")
        side["noise_reduction"] = {"type": kind} if kind in NOISE else None


def _turns(turns: object) -> Event | None:
    if not isinstance(turns, Mapping) or turns.get("type") not in VAD_KINDS:
        return None
    return {name: turns[name] for name in VAD_FIELDS if turns.get(name) is not None}


def _tool(tool: object) -> Event | None:
    """A tool in GA's flat form: some providers nest a function's fields under `function`."""
    if not isinstance(tool, Mapping):
        return None
    inner = tool.get("function")
    flat = {**inner, "type": "function"} if isinstance(inner, Mapping) else dict(tool)
    return flat if flat.get("type") == "mcp" or isinstance(flat.get("name"), str) else None


def _voice(voice: object) -> str | None:
    if isinstance(voice, Mapping):
        voice = voice.get("name") or voice.get("id")
    return voice if isinstance(voice, str) else None


def _with_content(item: Mapping[str, Any], names: Mapping[str, str]) -> Event:
    converted = dict(item)
    content = item.get("content")
    if isinstance(content, list) and item.get("role", "assistant") == "assistant":
        converted["content"] = [
            {**part, "type": names.get(str(part.get("type")), part.get("type"))}
            if isinstance(part, Mapping)
            else part
            for part in content
        ]
    return converted


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_MISSING = object()


def _at(outer: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(outer, Mapping) or name not in outer:
            return _MISSING
        outer = outer[name]
    return outer


def _put(outer: Event, path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for name in above:
        inner = outer.get(name)
        outer[name] = dict(inner) if isinstance(inner, Mapping) else {}
        outer = outer[name]
    outer[last] = value
