"""Microphone audio and events that another upstream session is still to be given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .audio import BYTES_PER_SECOND
from .events import Event
from .limits import Limits


class Waiting:
    """What a browser sends while no provider is attached: audio and events in order, bounded; the
    oldest audio goes first."""

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


class Tail:
    """The newest microphone audio of a turn that is not over: a provider that is lost takes it
    along, so the next one hears it again. Keeps references, and no more than `seconds` of them."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self.size = 0
        """Bytes kept."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def add(self, pcm: bytes, seconds: float) -> None:
        """Keep audio that was sent."""
        self._kept.append(pcm)
        self.size += len(pcm)
        while self.size > seconds * BYTES_PER_SECOND:
            self.size -= len(self._kept.popleft())

    def clear(self) -> None:
        """The turn is over."""
        self._kept.clear()
        self.size = 0
