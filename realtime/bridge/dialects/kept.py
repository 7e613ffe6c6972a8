"""Items kept to answer `conversation.item.retrieve` where the provider does not."""

from __future__ import annotations

from collections import OrderedDict

from ..events import Event

KEPT = 1_000
"""So many, the newest."""
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


class Kept:
    """The items of one session as last told, with the words of spoken ones."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Event] = OrderedDict()

    def get(self, item_id: object) -> Event | None:
        """A copy of the item, or None."""
        item = self._items.get(item_id) if isinstance(item_id, str) else None
        return None if item is None else dict(item)

    def follow(self, event: Event) -> None:
        """Take what a GA event, complete, tells of an item."""
        if isinstance(item := event.get("item"), dict):
            self._items[item["id"]] = {**self._items.get(item["id"], {}), **item}
            if len(self._items) > KEPT:
                self._items.popitem(last=False)
        elif event["type"] == TRANSCRIBED and event["item_id"] in self._items:
            part = {"type": "input_audio", "transcript": event["transcript"]}
            self._items[event["item_id"]] |= {"content": [part]}
        elif event["type"] == "conversation.item.deleted":
            self._items.pop(event["item_id"], None)
