"""Microphone audio and events that another upstream session is still to be given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .audio import BYTES_PER_SECOND
from .events import Event
from .limits import Limits

IN_MEMORY_BYTES = BYTES_PER_SECOND // 4
"""What somebody else keeps need not be kept here too. Should they have lost it, this is left."""


class Waiting:
    """What a browser sends while no provider is attached: audio and events in order, bounded; the
    oldest audio goes first."""

    def __init__(self, limits: Limits) -> None:
        self._most_audio = int(limits.buffered_seconds * BYTES_PER_SECOND)
        self._most_events = limits.buffered_events
        self._kept: list[bytes | Event] = []
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

    def drop(self, kind: str) -> None:
        """Keep no event of this type any more."""
        kept = [each for each in self._kept if isinstance(each, bytes) or each["type"] != kind]
        self._events -= len(self._kept) - len(kept)
        self._kept = kept

    def take(self) -> list[bytes | Event]:
        """Everything kept, oldest first; nothing is kept afterwards."""
        kept, self._kept = self._kept, []
        self._audio = self._events = 0
        return kept

    def _drop_oldest_audio(self) -> None:
        for index, each in enumerate(self._kept):
            if isinstance(each, bytes):
                self._audio -= len(each)
                del self._kept[index]
                return


Recall = Callable[[int, int], bytes]
"""Gives microphone audio that was sent before: so many bytes from this byte of the call on, or
fewer when they are gone."""


class Tail:
    """The newest microphone audio of a turn that is not over: a provider that is lost takes it
    along, so the next one hears it again. Keeps references, and no more than `seconds` of them."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self._in_memory = 0
        self._begins = 0  # the byte of the call that the turn begins at
        self.size = 0
        """Bytes there are, here or to be recalled."""
        self.recall: Recall | None = None
        """Where somebody else keeps what was sent: then only the newest is kept here."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def add(self, pcm: bytes, seconds: float) -> None:
        """Keep audio that was sent."""
        self._kept.append(pcm)
        self._in_memory += len(pcm)
        most = int(seconds * BYTES_PER_SECOND)
        self.size = min(self.size + len(pcm), most)
        here = most if self.recall is None else min(most, IN_MEMORY_BYTES)
        while self._in_memory > here:
            self._in_memory -= len(self._kept.popleft())
        if self.recall is None or self.size < self._in_memory:
            self.size = self._in_memory

    def begins(self, start: int) -> None:
        """The turn under way begins at this byte of the call; what came before is kept by nobody
        else."""
        self._begins = start

    def gather(self, end: int) -> None:
        """Have all of it here. `end`: how many bytes were sent in the whole call."""
        start = max(end - self.size, self._begins)
        missing = end - self._in_memory - start
        if missing > 0 and self.recall is not None:
            pcm = self.recall(start, missing)
            if len(pcm) == missing:
                pieces = range(0, missing, BYTES_PER_SECOND)
                self._kept.extendleft(pcm[at : at + BYTES_PER_SECOND] for at in reversed(pieces))
                self._in_memory += missing
        self.size = self._in_memory

    def clear(self) -> None:
        """The turn is over."""
        self._kept.clear()
        self._in_memory = self._begins = self.size = 0
