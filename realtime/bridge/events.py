"""What a browser may send in a text frame, and how a wrong one is answered.

`parse` either returns the event or raises `Problem`, which `error_event` turns into a GA `error`.
Fields are checked as far as the call relies on them; the provider checks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from .audio import SAMPLE_BYTES, decode_base64
from .ids import new_id

MAX_FRAME = 262_144
MAX_DEPTH = 16
MAX_ID = 256
MAX_TYPED = 32_000
MAX_AUDIO_FRAME = 65_536
MAX_MS = 24 * 3600 * 1000
MAX_FRAMES = 1 << 40

Event = dict[str, Any]
"""A GA or `nextvoice.*` event."""


class Problem(Exception):
    """One thing wrong with one frame. `param` is the path of the field at fault."""

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


def error_event(
    code: str | None,
    message: str,
    param: str | None = None,
    client_event_id: str | None = None,
) -> Event:
    """A GA `error` event. `client_event_id`: the `event_id` of the client event it is about."""
    return {
        "type": "error",
        "event_id": new_id("event"),
        "error": {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": client_event_id,
        },
    }


def problem_event(problem: Problem) -> Event:
    """The GA `error` event for a problem."""
    return error_event(problem.code, problem.message, problem.param, problem.event_id)


def parse(
    text: str,
    checks: Mapping[str, Callable[[Event], None]] | None = None,
    *,
    most: int = MAX_FRAME,
    deepest: int = MAX_DEPTH,
) -> Event:
    """One text frame of a client as a checked event. Raises `Problem`.

    `checks`: the types of events it may send, with the check of their fields; by default, a page's.
    A frame may have `most` characters and be nested `deepest` levels deep. The audio of an
    `input_audio_buffer.append` comes back as PCM bytes.
    """
    if len(text) > most:
        raise Problem("frame_too_large", f"A text frame may have {most} characters.")
    try:
        event = orjson.loads(text)
    except ValueError:
        raise Problem("invalid_json", "The frame is not valid JSON.") from None
    if not isinstance(event, dict):
        raise Problem("invalid_frame", "The frame is not a JSON object.")
    event_id = event.get("event_id")
    if event_id is not None and not is_id(event_id):
        raise Problem("invalid_value", "The event_id must be a short string.", "event_id")
    try:
        _check(event, CLIENT_EVENTS if checks is None else checks, deepest)
    except Problem as problem:
        problem.event_id = event_id
        raise
    return event


def _check(event: Event, checks: Mapping[str, Callable[[Event], None]], deepest: int) -> None:
    kind = event.get("type")
    if kind is None:
        raise Problem("missing_required_parameter", "The frame has no type.", "type")
    if not isinstance(kind, str):
        raise Problem("invalid_type", "The type must be a string.", "type")
    check = checks.get(kind)
    if check is None:
        raise Problem("unknown_event", f"There is no event {kind[:64]!r} to send here.", "type")
    if _depth(event, deepest) > deepest:
        raise Problem("invalid_json", f"The frame is nested deeper than {deepest}.")
    check(event)


def check_pcm(pcm: bytes, param: str | None = None) -> None:
    """Raise `Problem` unless these bytes are a usable piece of PCM16."""
    if not pcm:
        raise Problem("invalid_audio", "The audio is empty.", param)
    if len(pcm) % SAMPLE_BYTES:
        raise Problem("invalid_audio", "PCM16 audio has an even number of bytes.", param)
    if len(pcm) > MAX_AUDIO_FRAME:
        raise Problem(
            "frame_too_large", f"One piece of audio may have {MAX_AUDIO_FRAME} bytes.", param
        )


def _nothing(event: Event) -> None:
    pass


def _append(event: Event) -> None:
    audio = need(event, "audio", str)
    try:
        event["audio"] = decode_base64(audio)
    except ValueError:
        raise Problem("invalid_audio", "The audio is not valid base64.", "audio") from None
    check_pcm(event["audio"], "audio")


def _approve(event: Event) -> None:
    if not is_id(need(event, "call_id", str)):
        raise Problem("invalid_value", "The call_id must be a function call's id.", "call_id")
    need(event, "approve", bool)
    if event.get("remember") is not None:
        need(event, "remember", bool)


def _session_update(event: Event) -> None:
    need(event, "session", dict)


def _item_create(event: Event) -> None:
    item = need(event, "item", dict)
    if item.get("type") != "message" or item.get("role") != "user":
        raise Problem("invalid_value", "Only user messages can be created here.", "item.type")
    if item.get("id") is not None and not is_id(item["id"]):
        raise Problem("invalid_value", "The item's id must be a short string.", "item.id")
    if item.get("status") is not None and item["status"] != "completed":
        raise Problem("invalid_value", "The item's status can only be completed.", "item.status")
    check_previous(event)
    content = item.get("content")
    if not isinstance(content, list) or not 1 <= len(content) <= MAX_DEPTH:
        raise Problem("invalid_value", "The item needs a list of content.", "item.content")
    for index, part in enumerate(content):
        _check_part(part, f"item.content[{index}]")


def check_previous(event: Event) -> None:
    """Raise `Problem` unless `previous_item_id` is absent or an id."""
    previous = event.get("previous_item_id")
    if previous is not None and not is_id(previous):
        raise Problem("invalid_value", "previous_item_id must be an item's id.", "previous_item_id")


def _check_part(part: object, path: str) -> None:
    if not isinstance(part, dict) or part.get("type") != "input_text":
        raise Problem("invalid_value", "Only input_text can be sent here.", f"{path}.type")
    text = part.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Problem("missing_required_parameter", "The text is empty.", f"{path}.text")
    if len(text) > MAX_TYPED:
        raise Problem(
            "string_above_max_length", f"A text may have {MAX_TYPED} characters.", f"{path}.text"
        )


def check_place(event: Event) -> None:
    """Raise `Problem` unless the event names a place in an item's audio."""
    check_item_id(event)
    event["content_index"] = count(event, "content_index", 0, MAX_DEPTH)
    event["audio_end_ms"] = count(event, "audio_end_ms", None, MAX_MS)


def _received(event: Event) -> None:
    count(event, "received", None, MAX_FRAMES)


def check_item_id(event: Event) -> None:
    """Raise `Problem` unless the event names an item."""
    if not is_id(need(event, "item_id", str)):
        raise Problem("invalid_value", "The item_id must be an item's id.", "item_id")


def _response_create(event: Event) -> None:
    response = event.get("response")
    if response is None:
        return
    if not isinstance(response, dict):
        raise Problem("invalid_type", "The response must be an object.", "response")
    for name, value in response.items():
        if name != "output_modalities":
            raise Problem("not_allowed", "This cannot be set here.", f"response.{name[:64]}")
        check_modalities(value, "response.output_modalities")


def check_modalities(value: object, param: str) -> None:
    """Raise `Problem` unless `value` is `["audio"]` or `["text"]`."""
    if value not in (["audio"], ["text"]):
        raise Problem("invalid_value", 'Expected ["audio"] or ["text"].', param)


def check_cancel(event: Event) -> None:
    """Raise `Problem` unless the event names a response, or none."""
    if event.get("response_id") is not None:
        need(event, "response_id", str)


def need(event: Mapping[str, Any], name: str, wanted: type) -> Any:
    """The field `name` of this type. Raises `Problem` when it is missing or another type."""
    value = event.get(name)
    if value is None:
        raise Problem("missing_required_parameter", f"The field {name} is missing.", name)
    if not isinstance(value, wanted):
        raise Problem("invalid_type", f"The field {name} has the wrong type.", name)
    return value


def count(event: Mapping[str, Any], name: str, default: int | None, most: int) -> int:
    """The field `name` as a whole number from 0 to `most`. Raises `Problem`."""
    value = event.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise Problem("invalid_value", f"The field {name} must be a count.", name)
    return value


def is_id(value: object) -> bool:
    """Whether this can be the id of an item or an event."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()


def _depth(value: object, enough: int) -> int:
    level, depth = [value], 0
    while level and depth <= enough:
        depth += 1
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = inner
    return depth


CLIENT_EVENTS: dict[str, Callable[[Event], None]] = {
    "session.update": _session_update,
    "input_audio_buffer.append": _append,
    "input_audio_buffer.commit": _nothing,
    "input_audio_buffer.clear": _nothing,
    "conversation.item.create": _item_create,
    "conversation.item.truncate": check_place,
    "conversation.item.delete": check_item_id,
    "response.create": _response_create,
    "response.cancel": check_cancel,
    "nextvoice.start": _nothing,
    "nextvoice.resume": _nothing,
    "nextvoice.approve": _approve,
    "nextvoice.played": check_place,
    "nextvoice.received": _received,
    "nextvoice.hang_up": _nothing,
}
"""Every event a browser may send, with the check of its fields."""
