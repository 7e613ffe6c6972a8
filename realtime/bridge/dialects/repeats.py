"""Telling an event that came twice from a new one."""

from __future__ import annotations

from collections import deque

from ..events import Event
from ..ids import new_id

REMEMBERED = 64


class Repeats:
    """The newest events of one session."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._order: deque[int] = deque()

    def seen(self, event: Event, size: int) -> bool:
        """Whether this event came before; one without an id, which gets one, never did."""
        event_id = event.get("event_id")
        if not isinstance(event_id, str) or not event_id:
            event["event_id"] = new_id("event")
            return False
        # Type and size are compared too: not every provider counts its events well. Of each a hash
        # is kept, which takes a fifth of the memory.
        mark = hash((event_id, event["type"], size))
        if mark in self._known:
            return True
        self._known.add(mark)
        self._order.append(mark)
        if len(self._order) > REMEMBERED:
            self._known.discard(self._order.popleft())
        return False
