"""What strict clients require of server events.

Every event must be valid by the GA types of the official `openai` package, and must have what
`@openai/agents-realtime` needs, which ignores it otherwise.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

from realtime.bridge.dialects.shapes import EVENTS

TYPES: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
IDS = ("event_id", "response_id", "item_id", "call_id")
INDEXES = ("output_index", "content_index")
STATUSES = ("completed", "incomplete", "in_progress")
CONTENT = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}


def problems(event: Mapping[str, Any]) -> list[str]:
    """Everything that a strict client would not accept in one event; audio may be bytes."""
    wire = {**event}
    if isinstance(wire.get("delta"), bytes):
        wire["delta"] = base64.b64encode(wire["delta"]).decode()
    return [f"{event['type']}: {problem}" for problem in _problems(wire)]


def _problems(event: dict[str, Any]) -> Iterator[str]:
    try:
        TYPES.validate_python(event)
    except ValidationError as error:
        yield str(error)
    shape = EVENTS[event["type"]]
    for name in ("event_id", *shape.need, *shape.fill):
        if name not in event:
            yield f"no {name}"
        elif not _fits(name, event[name]):
            yield f"{name} is {event[name]!r}"
    if isinstance(event.get("item"), dict):
        yield from _item(event["item"])
    if isinstance(event.get("response"), dict):
        yield from _response(event["response"])
    yield from _special(event)


def _fits(name: str, value: object) -> bool:
    if name in INDEXES:
        return type(value) is int
    return name not in IDS or (isinstance(value, str) and value != "")


def _item(item: dict[str, Any]) -> Iterator[str]:
    if item.get("status", "completed") not in STATUSES:
        yield f"item status {item['status']!r}"
    if item.get("type") != "message":
        return
    for part in item["content"]:
        if part["type"] not in CONTENT[item["role"]]:
            yield f"{item['role']} has {part['type']}"
        if part["type"] == "input_audio" and "transcript" not in part:
            yield "input_audio has no transcript key"
        if "audio" in part:
            yield "an item carries audio"


def _response(response: dict[str, Any]) -> Iterator[str]:
    if not response.get("id"):
        yield "the response has no id"
    if response.get("status") not in (*STATUSES, "cancelled", "failed"):
        yield f"response status {response.get('status')!r}"
    for item in response.get("output", ()):
        yield from _item(item)


def _special(event: dict[str, Any]) -> Iterator[str]:
    kind, usage = event["type"], event.get("usage")
    if kind == "rate_limits.updated":
        names = {limit["name"] for limit in event["rate_limits"]}
        yield from (f"limit {name}" for name in names - {"requests", "tokens"})
    if kind.endswith("transcription.failed") and None in event["error"].values():
        yield "the error has a null"
    if kind.endswith("transcription.completed"):
        assert isinstance(usage, dict)
        details = usage.get("input_token_details", {})
        if usage["type"] == "tokens" and not {"text_tokens", "audio_tokens"} <= set(details):
            yield "usage has no details"


def whole(events: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the answers in a stream: each event of an item's life must come once."""
    kinds: dict[str, list[str]] = {}
    for event in events:
        item = event.get("item")
        item_id = item["id"] if isinstance(item, dict) else event.get("item_id")
        if item_id is not None:
            kinds.setdefault(item_id, []).append(event["type"])
    found = []
    for response in (e["response"] for e in events if e["type"] == "response.done"):
        for item in response["output"]:
            found += [
                f"{item['id']}: {kind} {kinds.get(item['id'], []).count(kind)} times"
                for kind in _needed(item)
                if kinds.get(item["id"], []).count(kind) != 1
            ]
    return found


def _needed(item: dict[str, Any]) -> tuple[str, ...]:
    always = (
        "response.output_item.added",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.done",
    )
    parts = ("response.content_part.added", "response.content_part.done")
    return always + (parts if item["type"] == "message" else ())
