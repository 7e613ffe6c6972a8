"""Recognises events that come twice."""

from __future__ import annotations

from ..events import Event
from ..ids import new_id
from ..writer import Frame

REMEMBERED = 40


class Repeats:
    """The newest events of one session."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}  # oldest first

    def seen(self, event: Event, frame: Frame) -> bool:
        """Whether this event came before, in the very same frame. An event without an id gets one,
        and never came before."""
        event_id = event.get("event_id")
        if not isinstance(event_id, str) or not event_id:
            event["event_id"] = new_id("event")
            return False
        return self.came(frame)

    def came(self, frame: Frame) -> bool:
        """Whether this very frame, of an event with an id, came before."""
        # The id alone is not enough: not every provider's event ids are unique. A hash is kept
        # because it is small, and hashing an answer's audio takes half a microsecond.
        mark = hash(frame)
        if mark in self._known:
            return True
        self._known[mark] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return False
