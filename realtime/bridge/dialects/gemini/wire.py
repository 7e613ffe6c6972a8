"""Messages to Gemini, as text frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ...audio import encode_base64
from ...events import Event
from .setup import takes_turns


def message_of(name: str, content: Mapping[str, Any]) -> str:
    """A message with one field."""
    return orjson.dumps({name: content}).decode()


def audio_of(pcm: bytes) -> str:
    """Microphone audio at 16 kHz."""
    data = encode_base64(pcm)
    return f'{{"realtimeInput":{{"audio":{{"data":"{data}","mimeType":"audio/pcm;rate=16000"}}}}}}'


def text_of(model: str, words: str) -> str:
    """Typed text that is to be answered, in the form that this model takes."""
    if not takes_turns(model):
        return message_of("realtimeInput", {"text": words})
    turns = [{"role": "user", "parts": [{"text": words}]}]
    return message_of("clientContent", {"turns": turns, "turnComplete": True})


def function_response(call: str, name: str, item: Mapping[str, Any]) -> Event:
    """The output of a function, under Gemini's own id of the call."""
    return {"id": call, "name": name, "response": _result(item.get("output"))}


def _result(output: object) -> Event:
    try:
        result = orjson.loads(output) if isinstance(output, str) else output
    except ValueError:
        result = output
    return result if isinstance(result, dict) else {"output": result}
