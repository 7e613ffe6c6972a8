"""The content parts of an answer's item as they arrive, and the events that open and end them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..events import Event
from ..ids import new_id
from .base import AUDIO_DELTA

TRANSCRIPT = "response.output_audio_transcript"
TEXT = "response.output_text"
AUDIO_DONE = "response.output_audio.done"


@dataclass(slots=True)
class Part:
    """One content part of an answer's item."""

    kind: str
    text: str = ""
    sounded: bool = False
    ended: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Made:
    """One item of an answer under way."""

    item: Event
    index: int
    parts: dict[int, Part] = field(default_factory=dict)
    said: bool = False
    """Whether all arguments of a function call have come."""
    over: bool = False


def follow(part: Part, event: Event) -> None:
    kind = event["type"]
    if kind == AUDIO_DELTA:
        part.sounded = True
    elif kind.endswith(".delta"):
        part.text += event["delta"]
    elif kind.endswith(".done"):
        part.ended.add(kind)
        part.text = event.get("transcript") or event.get("text") or part.text


def end_part(event: Event, part: Part) -> list[Event]:
    """The events that end a part, except those that have come already."""
    out, ends = [], list[tuple[str, Event]]()
    if part.kind == "text":
        ends.append((f"{TEXT}.done", {"text": part.text}))
    else:
        if part.sounded:
            ends.append((AUDIO_DONE, {}))
        ends.append((f"{TRANSCRIPT}.done", {"transcript": part.text}))
    for kind, fields in ends:
        if kind not in part.ended and (part.text or kind == AUDIO_DONE):
            out.append(invent(kind, **_place(event), **fields))
        part.ended.add(kind)
    if "response.content_part.done" not in part.ended:
        out.append(part_event("response.content_part.done", event, part))
        part.ended.add("response.content_part.done")
    return out


def whole(item: Event, made: Made) -> Event:
    """The item with the text and kinds of its parts as they came: some providers describe a spoken
    item as a written one."""
    if item.get("type") != "message" or not made.parts:
        return item
    content = []
    for _, part in sorted(made.parts.items()):
        spoken = part.kind == "audio"
        kind, name = ("output_audio", "transcript") if spoken else ("output_text", "text")
        content.append({"type": kind, name: part.text})
    return item | {"content": content}


def words_at(item: Event, index: int) -> str:
    """The text of this part in the item as the provider sent it."""
    content = item["content"] if item.get("type") == "message" else []
    part = content[index] if index < len(content) else {}
    return str(part.get("transcript") or part.get("text") or "")


def part_event(kind: str, event: Event, part: Part) -> Event:
    name = "transcript" if part.kind == "audio" else "text"
    words = part.text if kind.endswith(".done") else ""
    return invent(kind, **_place(event), part={"type": part.kind, name: words})


def _place(event: Event) -> Event:
    names = ("response_id", "item_id", "output_index", "content_index")
    return {name: event[name] for name in names}


def invent(kind: str, **fields: object) -> Event:
    return {"type": kind, "event_id": new_id("event"), **fields}
