"""Microphone audio and events that wait to be given to another upstream session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .audio import BYTES_PER_SECOND
from .events import Event
from .limits import Limits

PIECE = BYTES_PER_SECOND
"""Bytes per frame when audio is given again."""


class Waiting:
    """What a browser sends while no provider is attached: audio and events in order, bounded; the
    oldest audio is dropped first."""

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
"""Returns microphone audio that was sent: from this byte of the call on, this many bytes, or fewer
if some are gone."""


class Tail:
    """The newest microphone audio of the turn under way, at most `most()` bytes: it is lost with
    an upstream session, so the next one is given it again. With a `recall`, audio is only counted
    here, and fetched when needed."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._kept: deque[bytes] = deque()
        self._begins: int | None = None  # the byte of the call that the turn begins at
        self._ends = 0  # the same of its end, as far as it is known
        self.size = 0
        """Bytes sent since the previous turn was over; without `recall`, those still kept here."""
        self.recall: Recall | None = None
        """Fetches sent audio from whoever else keeps it, if anybody does."""
        self.commit: Event | None = None
        """The page's commit that ends the turn; the provider may not have received it."""
        self.asked = b""
        """The turn before, while nothing has come of it but that it is over."""
        self._asked_until = 0  # the byte of the call that it ends at
        self._asked_by: Event | None = None  # the page's commit, if it said that it ended
        self.asks_again = False
        """Whether that turn is given again."""
        self._was_asked = False  # the turn under way was over once before

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def add(self, pcm: bytes) -> None:
        """Keep audio that was sent."""
        if self.commit is not None:
            self.clear()  # the next turn begins
        self.size += len(pcm)
        if self.recall is None:
            self._kept.append(pcm)
            most = self._most()
            while self.size > most:
                self.size -= len(self._kept.popleft())

    @property
    def wanted(self) -> int:
        """How many of the bytes sent last would be given to another session."""
        return min(self.size, self._most())

    def begins(self, start: int, now: int) -> None:
        """The turn under way begins at this byte of the call; `recall` has nothing from before it.
        `now`: how many bytes were sent in the whole call."""
        self._begins = start
        if self.recall is not None and now - start <= self.size + PIECE:
            # It may have begun a moment before the previous turn's end was reported.
            self.size = max(self.size, now - start)

    def ends(self, end: int) -> None:
        """The turn under way ended at this byte of the call, and audio after it is already sent."""
        self._ends = end

    def over(self, now: int) -> None:
        """The turn is over. `now`: how many bytes were sent in the whole call."""
        begins, ends, commit = self._begins, self._ends, self.commit
        again = self._was_asked
        if commit is not None and self.size <= self._most():
            begins = now - self.size
        if begins is None or not begins < ends <= now:
            ends = now
        # Perhaps the provider breaks at it: once is enough.
        asked = b"" if begins is None or again else self._held(begins, ends, now)
        self.clear(now - ends)
        self.asked, self._asked_until, self._asked_by = asked, ends, commit

    def _held(self, start: int, end: int, now: int) -> bytes:
        """What was sent from one byte of the call to another, but for half a second that nobody
        spoke yet; nothing when it is not all here."""
        first = now - self.size
        if start < first - PIECE // 2:
            return b""
        start = max(start, first)
        if self.recall is not None:
            pcm = self.recall(start, end - start)
            return pcm if len(pcm) == end - start else b""
        return b"".join(self._kept)[start - first : end - first]

    def gather(self, end: int) -> None:
        """Fetch the audio if `recall` has it. `end`: how many bytes were sent in the whole call."""
        self.asks_again = False
        if self.recall is None:
            return
        start = max(end - self.wanted, self._begins or 0)
        pcm = self.recall(start, end - start)
        if len(pcm) < end - start:
            pcm = b""  # some of it is gone
        self._kept.clear()
        self._kept.extend(_pieces(pcm))
        self.size = len(pcm)

    def ask_again(self, end: int) -> bool:
        """Have the turn before as well; False when something is missing between it and the rest.
        `end`: how many bytes were sent in the whole call."""
        joins = self._asked_until == end - self.size and not (self._asked_by and self.size)
        self.asks_again = joins and bool(self.asked)
        if self.asks_again:
            self._was_asked = True
            self.commit = self._asked_by
            self._kept.extendleft(reversed(_pieces(self.asked)))
            self.size += len(self.asked)
        self.asked = b""
        return self.asks_again

    def clear(self, rest: int = 0) -> None:
        """The turn is over: drop all that was sent except about the last `rest` bytes."""
        self._begins, self._ends = None, 0
        self.commit = None
        self.asked, self.asks_again, self._was_asked = b"", False, False
        if self.recall is not None:
            self._kept.clear()
            self.size = min(self.size, rest)
        while self._kept and self.size > rest:
            piece = self._kept.popleft()
            self.size -= len(piece)
            if self.size < rest:
                self._kept.appendleft(piece[self.size - rest :])
                self.size = rest


def _pieces(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + PIECE] for at in range(0, len(pcm), PIECE)]
