"""The conversation's items as the provider orders them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Item:
    """What a call knows of one conversation item. Audio is counted per content index."""

    id: str
    previous_item_id: str | None = None
    role: str | None = None
    received: dict[int, int] = field(default_factory=dict)
    """Bytes of answer audio received."""
    truncated_ms: dict[int, int] = field(default_factory=dict)
    """Where the answer was cut, once it was."""
    heard_ms: dict[int, int] = field(default_factory=dict)
    """How much has left the speaker."""
    odd_byte: dict[int, bytes] = field(default_factory=dict)
    """Half a sample, left over when a provider cuts frames within samples."""
    broken: bool = False
    """Its session broke while it was playing; where it was cut may not be known yet."""
    placed: bool = False
    deleted: bool = False


class Items:
    """Items in `previous_item_id` order, whatever order the events arrived in.

    Each item comes after the one it follows. If several follow the same one, the later arrival was
    inserted in between and goes first. An item without a predecessor goes last.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._followers: dict[str | None, list[str]] = {None: []}

    def get(self, item_id: str) -> Item | None:
        """The item, or None when unknown or deleted."""
        item = self._items.get(item_id)
        return None if item is None or item.deleted else item

    def is_deleted(self, item_id: str) -> bool:
        """Whether the item existed and was deleted."""
        item = self._items.get(item_id)
        return item is not None and item.deleted

    def is_placed(self, item_id: str | None) -> bool:
        """Whether the provider has given the item its place."""
        return item_id in self._items and self._items[item_id].placed

    def ids(self) -> Iterable[str]:
        """Ids of all items that ever existed, and of those that were only named as predecessors."""
        return filter(None, (*self._items, *self._followers))

    def touch(self, item_id: str) -> Item:
        """The item, created when it is first named; an item that was only named has no place
        yet."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = Item(item_id)
        return item

    def place(self, item_id: str, previous_item_id: str | None) -> Item:
        """Give an item its place. The first placement wins: repeats change nothing."""
        item = self.touch(item_id)
        if not item.placed and previous_item_id != item_id:
            item.placed = True
            item.previous_item_id = previous_item_id
            self._followers.setdefault(previous_item_id, []).append(item_id)
        return item

    def delete(self, item_id: str) -> None:
        """Forget an item; what follows it stays where it is."""
        self.touch(item_id).deleted = True

    def order(self) -> list[str]:
        """Ids of the placed items, first to last. Items whose predecessor never came are last."""
        seen: set[str] = set()
        ids = list(self._walk(self._followers[None], seen))
        placed = [item for item in self._items.values() if item.placed]
        lost = [item.id for item in placed if not self.is_placed(item.previous_item_id)]
        ids.extend(self._walk(lost, seen))
        # The rest follow each other in a circle, and are listed all the same.
        ids.extend(self._walk([item.id for item in placed], seen))
        return [item_id for item_id in ids if not self._items[item_id].deleted]

    def _walk(self, roots: list[str], seen: set[str]) -> Iterator[str]:
        waiting = list(reversed(roots))
        while waiting:
            item_id = waiting.pop()
            if item_id in seen:
                continue
            seen.add(item_id)
            yield item_id
            # The stack reverses the order of arrival, which is what an insertion means.
            waiting.extend(self._followers.get(item_id, ()))
