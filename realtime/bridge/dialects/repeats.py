"""Telling an event that came twice from a new one."""

from __future__ import annotations

from ..events import Event
from ..ids import new_id

REMEMBERED = 40


class Repeats:
    """The newest events of one session."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}  # oldest first

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
        self._known[mark] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return False
