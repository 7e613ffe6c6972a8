"""The newest of a conversation's items by their ids, within a limit of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .events import Event

MOST_LETTERS = 8_000_000
"""Characters of all items together: an image has as many as a hundred thousand words, and a program
may show one per second."""


class Newest:
    """At most `most` items with `MOST_LETTERS` characters; a single item may have more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: dict[str, tuple[Event, int]] = {}  # with their sizes, oldest first
        self._letters = 0

    def get(self, item_id: str) -> Event | None:
        """The item, if it is still kept."""
        found = self._items.get(item_id)
        return found[0] if found is not None else None

    def put(self, item_id: str, item: Event) -> None:
        """Keep an item, in the place of one that has this id already."""
        size = _letters(item)
        self._letters += size - self._items.get(item_id, (item, 0))[1]
        self._items[item_id] = item, size
        while len(self._items) > 1 and self._is_full:
            self.pop(next(iter(self._items)))

    @property
    def _is_full(self) -> bool:
        return len(self._items) > self._most or self._letters > MOST_LETTERS

    def pop(self, item_id: str) -> None:
        """Drop an item."""
        self._letters -= self._items.pop(item_id, ({}, 0))[1]


def _letters(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_letters, value.values()))
    if isinstance(value, list):
        return sum(map(_letters, value))
    return len(value) if isinstance(value, str) else 0
