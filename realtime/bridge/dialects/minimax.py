"""MiniMax Realtime: a part of the beta API, without turn detection and tools. Experimental.

What a person said comes in the item itself and not as a transcription event. The context may hold
only one spoken item, so before the next one is spoken the last is replaced by its text.
Source: platform.minimaxi.com/document/Realtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import orjson

from ..events import Event
from ..ids import new_id
from ..words import gettext_noop as _
from ..writer import Frame
from .kept import TRANSCRIBED
from .openai_beta import Beta
from .tidy import text_or
from .traits import Traits

ITEM_EVENTS = ("conversation.item.created", "conversation.item.added")


class MiniMax(Beta):
    """MiniMax's realtime models."""

    name: ClassVar[str] = "minimax"
    path: ClassVar[tuple[str, str]] = ("/ws/v1", "/realtime")
    traits: ClassVar[Traits] = Traits(
        label="MiniMax",
        url_hint="wss://api.minimax.chat/ws/v1/realtime",
        auth="Authorization: Bearer KEY",
        turn_detection=(),
        transcription=False,
        tools=False,
        truncate=False,
        retrieve=False,
        usage="tokens in all, time of recognition, characters spoken",
        note=_("Experimental. Pauses in speech are found by this site, not by the provider."),
    )

    def __init__(self) -> None:
        super().__init__()
        self._spoken: tuple[str, str] | None = None  # the newest spoken item, and its text
        self._written: dict[str, str] = {}  # spoken items, and the text items that replaced them
        self._hidden: set[str] = set()  # both of these: their events are not passed on

    def session(self, session: Mapping[str, Any]) -> Event:
        return _both(super().session(session))

    def response(self, response: Mapping[str, Any]) -> Event:
        return _both(super().response(response))

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        return [*self._exchange(), *super().audio(pcm)] if self._spoken else super().audio(pcm)

    def told(self, event: Event) -> Iterable[Event]:
        for name in ("item_id", "previous_item_id"):
            if event.get(name) in self._written:
                event[name] = self._written[event[name]]
        return super().told(event)

    def _exchange(self) -> list[Frame]:
        (item_id, words), self._spoken = self._spoken or ("", ""), None
        copy = new_id("item")
        self._written[item_id] = copy
        self._hidden |= {copy, item_id}
        item = {
            "id": copy,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_text", "text": words}],
        }
        events: list[Event] = [
            {"type": "conversation.item.create", "previous_item_id": item_id, "item": item},
            {"type": "conversation.item.delete", "item_id": item_id},
        ]
        return [orjson.dumps({"event_id": new_id("event"), **each}).decode() for each in events]

    def translated(self, event: Event) -> Iterable[Event]:
        kind, response = event["type"], event.get("response")
        going = isinstance(response, dict) and response.get("status") == "in_progress"
        if kind == "response.done" and going:
            event["type"] = "response.created"  # as in its documentation
        if self._is_hidden(event):
            return
        spoken = _spoken(event.get("item")) if kind in ITEM_EVENTS else None
        yield from super().translated(event)
        if spoken is not None:
            self._spoken = spoken
            item_id, words = spoken
            names = {"item_id": item_id, "content_index": 0, "transcript": words}
            yield {"type": TRANSCRIBED, "event_id": new_id("event"), **names}

    def _is_hidden(self, event: Event) -> bool:
        """Whether an event is about the replacement of an item, which nobody else knows of. A later
        deletion of the replacement gets the id of the spoken item, and is not hidden."""
        item, item_id = event.get("item"), event.get("item_id")
        if event["type"] in ITEM_EVENTS:
            return isinstance(item, dict) and text_or(item.get("id"), "") in self._hidden
        if event["type"] != "conversation.item.deleted" or item_id not in self._hidden:
            return False
        theirs = {copy: item_id for item_id, copy in self._written.items()}
        event["item_id"] = theirs.get(item_id, item_id)
        return item_id in self._written


def _both(flat: Event) -> Event:
    if flat.get("modalities") == ["audio", "text"]:
        flat["modalities"] = ["text", "audio"]
    return flat


def _spoken(item: object) -> tuple[str, str] | None:
    """The id and the transcript of a spoken item."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return None
    content = item.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "input_audio":
            words = part.get("transcript")
            return (item["id"], words) if isinstance(words, str) else None
    return None
