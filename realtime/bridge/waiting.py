"""What a browser sends while no provider is attached."""

from __future__ import annotations

from collections import deque

from .audio import BYTES_PER_SECOND
from .events import Event
from .limits import Limits


class Waiting:
    """Keeps audio and events in order, bounded; the oldest audio goes first."""

    def __init__(self, limits: Limits) -> None:
        self._most_audio = int(limits.buffered_seconds * BYTES_PER_SECOND)
        self._most_events = limits.buffered_events
        self._kept: deque[bytes | Event] = deque()
        self._audio = 0
        self._events = 0

    def add_audio(self, pcm: bytes) -> bool:
        """Keep audio; False when older audio was dropped for it."""
        self._kept.append(pcm)
        self._audio += len(pcm)
        whole = True
        while self._audio > self._most_audio:
            whole = False
            self._drop_oldest_audio()
        return whole

    def add_event(self, event: Event) -> bool:
        """Keep an event; False when there is no room, and it was not kept."""
        if self._events >= self._most_events:
            return False
        self._kept.append(event)
        self._events += 1
        return True

    def take(self) -> list[bytes | Event]:
        """Everything kept, oldest first; nothing is kept afterwards."""
        kept = list(self._kept)
        self._kept.clear()
        self._audio = self._events = 0
        return kept

    def _drop_oldest_audio(self) -> None:
        for index, each in enumerate(self._kept):
            if isinstance(each, bytes):
                self._audio -= len(each)
                del self._kept[index]
                return
