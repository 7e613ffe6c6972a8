"""What a Gemini session is sent when it opens: its setup, which never changes, and its history.

Sources: google-genai 3.4.0 types.py and _live_converters.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ...events import Event
from ..target import Target

SERVICE = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"

DEFAULT_VAD = {"type": "server_vad"}
LEAF = ("turn_detection", "transcription", "format", "noise_reduction")
"""Settings that are replaced as a whole."""


def address(target: Target) -> str:
    """The URL to connect to, which never contains the key."""
    parts = urlsplit(target.url)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    path = parts.path
    if path in ("", "/"):
        path = SERVICE.format(target.api_version or "v1beta")
    query = urlencode(dict(parse_qsl(parts.query)) | dict(target.query))
    return urlunsplit((scheme, parts.netloc, path, query, parts.fragment))


def credentials(target: Target) -> Mapping[str, str]:
    """The header with the key, which may be an ephemeral token."""
    if target.key.startswith("auth_tokens/"):
        return {"Authorization": f"Token {target.key}"}
    return {"x-goog-api-key": target.key} if target.key else {}


def model_path(model: str) -> str:
    """`gemini-3.8-live` as `models/gemini-3.8-live`; a path stays as it is."""
    return model if "/" in model else f"models/{model}"


def takes_turns(model: str) -> bool:
    """Whether `clientContent` may come at any time, as before Gemini 3, and not only as history."""
    return "gemini-2." in model or "gemini-live-2." in model


def setup_of(model: str, session: Mapping[str, Any]) -> Event:
    """The setup message's content for a GA session.

    Answers are always asked for as audio: no Live model takes TEXT (pydantic-ai #8393). The text of
    an answer is its transcription.
    """
    audio = session.get("audio") or {}
    audio_in, audio_out = audio.get("input") or {}, audio.get("output") or {}
    setup: Event = {
        "model": model_path(model),
        "generationConfig": _generation(model, session, audio_out),
        "realtimeInputConfig": _realtime_input(audio_in.get("turn_detection", DEFAULT_VAD)),
        "inputAudioTranscription": _transcription(audio_in.get("transcription")),
        "outputAudioTranscription": {},
        "contextWindowCompression": {"slidingWindow": {}},
    }
    if instructions := session.get("instructions"):
        setup["systemInstruction"] = {"parts": [{"text": instructions}], "role": "user"}
    if declared := list(_declarations(model, session)):
        setup["tools"] = [{"functionDeclarations": declared}]
    return setup


def merged(session: Mapping[str, Any], part: Mapping[str, Any]) -> Event:
    """A GA session after a `session.update` of this part."""
    both = dict(session)
    for name, value in part.items():
        under = both.get(name)
        inner = name not in LEAF and isinstance(value, Mapping) and isinstance(under, Mapping)
        both[name] = merged(under, value) if inner else value  # type: ignore[arg-type]
    return both


def turns_of(history: Sequence[Mapping[str, Any]]) -> list[Event]:
    """GA message items as Gemini's turns. There is no system role: the user's is used for it."""
    turns = []
    for item in history:
        parts = [{"text": text} for text in _texts(item)]
        if parts and item.get("type") == "message":
            role = "model" if item.get("role") == "assistant" else "user"
            turns.append({"role": role, "parts": parts})
    return turns


def words_of(item: Mapping[str, Any]) -> str:
    """The text of a GA message item."""
    return "\n".join(_texts(item))


def images_of(item: Mapping[str, Any]) -> Iterable[Event]:
    """The images of a GA message item, given there as data URIs, as Gemini's blobs."""
    for part in item.get("content") or ():
        head, comma, data = str(part.get("image_url") or "").partition(";base64,")
        if part.get("type") == "input_image" and comma and head.startswith("data:"):
            yield {"data": data, "mimeType": head.removeprefix("data:")}


def _texts(item: Mapping[str, Any]) -> list[str]:
    parts = (part.get("text") or part.get("transcript") for part in item.get("content") or ())
    return [text for text in parts if isinstance(text, str) and text]


def _generation(model: str, session: Mapping[str, Any], audio_out: Mapping[str, Any]) -> Event:
    config: Event = {"responseModalities": ["AUDIO"]}
    if voice := audio_out.get("voice"):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    if type(most := session.get("max_output_tokens")) is int:
        config["maxOutputTokens"] = most
    if _thinks(model):
        reasoning = session.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
        level = "HIGH" if effort in ("medium", "high", "xhigh") else "LOW"
        config["thinkingConfig"] = {"thinkingLevel": level}
    return config


def _thinks(model: str) -> bool:
    """Whether the model has to be told how much to think, and does not wait for its functions."""
    return "extended-thinking" in model


def _realtime_input(detection: Mapping[str, Any] | None) -> Event:
    if detection is None:
        return {"automaticActivityDetection": {"disabled": True}}
    automatic: Event = {"disabled": False}
    for ours, theirs in (
        ("prefix_padding_ms", "prefixPaddingMs"),
        ("silence_duration_ms", "silenceDurationMs"),
    ):
        if detection.get(ours) is not None:
            automatic[theirs] = detection[ours]
    if isinstance(threshold := detection.get("threshold"), int | float):
        level = "LOW" if threshold > 0.6 else "HIGH"
        automatic["startOfSpeechSensitivity"] = f"START_SENSITIVITY_{level}"
    if detection.get("eagerness") in ("low", "high"):
        automatic["endOfSpeechSensitivity"] = f"END_SENSITIVITY_{detection['eagerness'].upper()}"
    stays = detection.get("interrupt_response") is False
    handling = "NO_INTERRUPTION" if stays else "START_OF_ACTIVITY_INTERRUPTS"
    return {"automaticActivityDetection": automatic, "activityHandling": handling}


def _transcription(wanted: object) -> Event:
    language = wanted.get("language") if isinstance(wanted, dict) else None
    return {"languageCodes": [language]} if language else {}


def _declarations(model: str, session: Mapping[str, Any]) -> Iterable[Event]:
    if session.get("tool_choice") == "none":
        return
    for tool in session.get("tools") or ():
        if tool.get("type") != "function":
            continue
        declared: Event = {"name": tool["name"], "description": tool.get("description") or ""}
        if tool.get("parameters"):
            declared["parametersJsonSchema"] = tool["parameters"]
        if _thinks(model):
            declared["behavior"] = "NON_BLOCKING"
        yield declared
