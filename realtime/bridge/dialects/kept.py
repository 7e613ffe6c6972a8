"""Keeps items to answer `conversation.item.retrieve` if the provider cannot."""

from __future__ import annotations

from ..events import Event
from ..newest import Newest

KEPT = 1_000
"""How many items are kept, the newest."""
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


class Kept:
    """The items of one session as they stand, with the transcripts of spoken ones."""

    def __init__(self) -> None:
        self._items = Newest(KEPT)

    def get(self, item_id: object) -> Event | None:
        """A copy of the item, or None."""
        item = self._items.get(item_id) if isinstance(item_id, str) else None
        return None if item is None else dict(item)

    def follow(self, event: Event) -> None:
        """Take what a complete GA event tells about an item."""
        if isinstance(item := event.get("item"), dict):
            self._items.put(item["id"], {**(self._items.get(item["id"]) or {}), **item})
        elif event["type"] == TRANSCRIBED and (item := self._items.get(event["item_id"])):
            part = {"type": "input_audio", "transcript": event["transcript"]}
            self._items.put(event["item_id"], item | {"content": [part]})
        elif event["type"] == "conversation.item.deleted":
            self._items.pop(event["item_id"])
