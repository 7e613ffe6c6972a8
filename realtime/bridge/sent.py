"""Remembers a client's messages, so that none gets into the conversation twice."""

from __future__ import annotations

from hashlib import sha256

import orjson

from .events import Event, Problem

REMEMBERED = 512


class Sent:
    """The newest messages, by their items' ids."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, bytes]] = {}  # event ids and digests, oldest first

    def is_new(self, event_id: str, item: Event) -> bool:
        """Whether a message is not yet part of the conversation: a client that is not sure sends it
        again, and not every provider would notice. Raises `Problem` if another message has its
        id."""
        digest = sha256(orjson.dumps(item["content"])).digest()
        if (known := self._known.get(item["id"])) is not None:
            if known[1] != digest:
                taken = "There is another item of this id."
                raise Problem("item_create_duplicate_item_id", taken, "item.id")
            return False
        self._known[item["id"]] = event_id, digest
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True

    def refused(self, event_id: str | None) -> None:
        """The provider refused the message of this event."""
        for item_id, (known, _) in self._known.items():
            if known == event_id:
                return self.forget(item_id)

    def forget(self, item_id: str) -> None:
        """The conversation does not contain this item, or not any more."""
        self._known.pop(item_id, None)
