"""The items of one call and their order in the conversation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chats.models import Message
from realtime.keeping.tracks import Track


@dataclass(slots=True)
class Item:
    """One message while the call lives."""

    item_id: str
    role: str
    kind: str
    position: float
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = Message.Status.IN_PROGRESS
    # The text so far; once the answer was cut, the part that was heard.
    text: str = ""
    unheard: str = ""
    # The parts of an answer's text, by content index.
    parts: dict[int, str] = field(default_factory=dict)
    # Playback position the browser reported last, in ms; None before the first report.
    played_ms: int | None = None
    # Where the answer was cut, in ms; None when it was not.
    cut_ms: int | None = None
    # How much of a turn's track belongs to it; None for all of it.
    own_ms: int | None = None
    # The provider will send no more audio or text for it.
    complete: bool = False
    # It was removed from the conversation.
    removed: bool = False
    # Its audio was handed to the encoder.
    recorded: bool = False
    track: Track | None = None
    recording: dict[str, Any] | None = None
    # What the person attached, as pages show it.
    attachments: list[dict[str, Any]] = field(default_factory=list)
    # What the message of a function call keeps of it.
    tool: dict[str, Any] | None = None
    # Its row is about to be written, with everything that comes until then.
    growing: bool = False
    # The columns of its row as the database has them; None before the first write.
    kept: dict[str, Any] | None = None

    @property
    def total_ms(self) -> int:
        """How much audio of it has come."""
        return self.track.duration_ms if self.track else 0


class Items:
    """Items by id, in the order that `previous_item_id` gives them."""

    def __init__(self, last_position: float) -> None:
        self._by_id: dict[str, Item] = {}
        # Ids of items that were removed.
        self.removed: set[str] = set()
        # Item ids in the order of the conversation.
        self._order: list[str] = []
        # The position of the newest message of the conversation.
        self._last_position = last_position

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._by_id.values()))

    def get(self, item_id: str | None) -> Item | None:
        """The item, if it is known."""
        return self._by_id.get(item_id) if item_id else None

    def add(self, item_id: str, role: str, kind: str, after: str | None) -> Item:
        """Make an item, after the one named if that is known, otherwise at the end."""
        item = Item(item_id, str(role), str(kind), self._place(item_id, after))
        self._by_id[item_id] = item
        return item

    def remove(self, item: Item) -> None:
        """Remove an item; it does not come back."""
        del self._by_id[item.item_id]
        self._order.remove(item.item_id)
        self.removed.add(item.item_id)

    def move(self, item: Item, after: str | None) -> bool:
        """Move a known item after the one named; False if it was there already, or that is
        unknown."""
        if after is None or after not in self._by_id or after == self._before(item.item_id):
            return False
        self._order.remove(item.item_id)
        item.position = self._place(item.item_id, after)
        return True

    def _place(self, item_id: str, after: str | None) -> float:
        """Put the id into the order; returns the position it gets."""
        if after is not None and after in self._by_id and after != self._order[-1]:
            index = self._order.index(after) + 1
            low = self._by_id[after].position
            high = self._by_id[self._order[index]].position
            self._order.insert(index, item_id)
            return (low + high) / 2
        self._order.append(item_id)
        self._last_position += 1.0
        return self._last_position

    def _before(self, item_id: str) -> str | None:
        index = self._order.index(item_id)
        return self._order[index - 1] if index else None
