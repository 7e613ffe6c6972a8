"""The person's audio, and the turns cut out of it."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from realtime.bridge.audio import BYTES_PER_SECOND, bytes_to_ms, ms_to_bytes
from realtime.bridge.limits import Limits
from realtime.bridge.session import VAD_NUMBERS
from realtime.keeping.tracks import Track

# Providers announce that speech has started once they are sure of it, and date it back by their
# prefix padding. How late they are sure, and their padding where they do not say.
LATE_MS = 2000
PADDING_MS = 1000
# How much of an interrupted turn is given to the next session again.
REPEATED = int(Limits().recalled_seconds * BYTES_PER_SECOND)
# Another provider may hear the beginning of the same turn this much later; audio that is this far
# ahead of its time may contain some of the next turn.
NEARLY_MS = 500
# So much is kept for a provider that does not say when somebody begins to speak.
UNTOLD = ms_to_bytes(30_000)
# What is so much more quiet than the loudest of it, before a turn, is not of the turn.
QUIET = 1 / 16
# Of so many samples one is looked at: half a minute of them all would take 18 ms of every call.
LOOK = 16


class Microphone:
    """Hears everything and keeps what belongs to a turn.

    With turn detection, a turn begins where the provider says. Without it (`manual`), a turn is
    everything since the last commit or clear.
    """

    def __init__(self, new_track: Callable[[], Track]) -> None:
        self._new_track = new_track
        # The newest audio, and the position of its first byte in all audio that was sent.
        self._newest: deque[bytes] = deque()
        self._from = self._size = 0
        # How much of it is kept while nobody speaks: so much, and as much as came faster than real
        # time, as after a break: a provider is sure of speech in that no sooner.
        self._pre_roll = ms_to_bytes(LATE_MS + PADDING_MS)
        self._ahead = self._heard_at = 0.0
        self.wanted: Callable[[], int] = lambda: 0
        """How many of the bytes sent last may be asked for by `recall`."""
        # The turn that is being spoken, when speech has started.
        self._turn: Track | None = None
        self._began = 0  # the byte its audio begins at, or that of the turn by hand
        # The previous turn, and the byte at which its audio begins.
        self._before: tuple[Track, int] | None = None
        self._whole = False  # the previous turn was committed
        self._ended = math.inf  # the byte that the newest turn ended at, when it is known
        self._over = 0  # the byte that the newest commit came at
        self._untold = False  # a turn was committed though nobody was said to speak
        self._manual = False
        self._manual_track: Track | None = None
        self._again: Track | None = None  # the turn before, where the newest by hand is that again

    def hear(self, pcm: bytes, start_sample: int) -> None:
        """Take audio that begins at `start_sample` of all that was sent."""
        if start_sample * 2 != self._from + self._size:
            self._newest.clear()
            self._from, self._size = start_sample * 2, 0
        self._newest.append(pcm)
        self._size += len(pcm)
        now = monotonic()
        left = self._ahead - (now - self._heard_at) * BYTES_PER_SECOND
        self._ahead, self._heard_at = max(0.0, left) + len(pcm), now
        if self._manual:
            if self._manual_track is None:
                self._manual_track = self._new_track()
                self._began = start_sample * 2
            self._manual_track.append(pcm)
        elif self._turn is not None:
            self._turn.append(pcm)
        # While somebody speaks, what came before is in the turn's file.
        speaks = self._turn is not None or self._manual
        most = 0 if speaks else max(self._back, self.wanted())
        while len(self._newest) > 1 and self._size - len(self._newest[0]) >= most:
            gone = len(self._newest.popleft())
            self._from += gone
            self._size -= gone

    @property
    def _back(self) -> int:
        """How many bytes back a turn may begin."""
        return self._pre_roll + min(int(self._ahead), REPEATED) + (UNTOLD if self._untold else 0)

    def detect(self, turns: Mapping[str, Any] | None) -> None:
        """Follow the session's turn detection: None, if turns are committed by hand."""
        manual = turns is None
        least, most = VAD_NUMBERS["prefix_padding_ms"]
        padding = (turns or {}).get("prefix_padding_ms")
        if not isinstance(padding, int) or not least <= padding <= most:
            padding = PADDING_MS
        self._pre_roll = ms_to_bytes(LATE_MS + padding)
        if manual and not self._manual:
            self._manual_track = None
        self._manual = manual

    def begin(self, start_ms: int) -> Track:
        """Speech started at `start_ms` of all audio sent; returns the turn's growing track."""
        self.stop(self._turn)
        start = ms_to_bytes(start_ms)
        earlier = self._earlier(start)
        audio, first = earlier + b"".join(self._newest), self._from - len(earlier)
        skip = min(max(0, start - first), len(audio))
        self._turn, self._began = self._new_track(), first + skip
        self._ended, self._untold = math.inf, False
        self._turn.append(memoryview(audio)[skip:])
        return self._turn

    def _earlier(self, start: int) -> bytes:
        """The previous turn's audio from byte `start` on, up to where `_newest` begins."""
        if self._before is None or start >= self._from:
            return b""
        track, began = self._before
        most = self._back + (0 if self._whole else REPEATED)
        start = max(start, began, self._from + self._size - most)
        count = self._from - start
        pcm = track.read(start - began, count) if count > 0 else b""
        return pcm if len(pcm) == count else b""

    def recall(self, start: int, count: int) -> bytes:
        """`count` bytes from byte `start` of all that was sent: of the turn being spoken or, if
        there is none, of the newest audio and of a turn that broke off. Fewer, or none, if they are
        not all there."""
        track = self._manual_track if self._manual else self._turn
        if track is None:
            # Of a turn that was committed only the audio after its end is given again.
            gone = self._whole and start < self._ended
            earlier = b"" if gone else self._earlier(start)
            at = start - (self._from - len(earlier))
            return (earlier + b"".join(self._newest))[at : at + count] if at >= 0 else b""
        if start < self._began:
            return b""
        return track.read(start - self._began, count)

    @property
    def repeated(self) -> Track | None:
        """The previous turn, if the newest one begins where that did, and so contains it."""
        if self._manual:
            return self._again
        if self._before is None or self._turn is None or self._whole:
            return None
        track, began = self._before
        return track if self._began < began + min(track.size, ms_to_bytes(NEARLY_MS)) else None

    def own_ms(self, track: Track | None, end_ms: int) -> int | None:
        """How many ms of the turn's track belong to the turn, which ended at `end_ms`, if the track
        also has later audio, which came faster than real time. None: all of it."""
        if track is self._turn:
            self._ended = ms_to_bytes(end_ms)
        own = ms_to_bytes(end_ms) - self._began
        ahead = self._ahead > ms_to_bytes(NEARLY_MS)
        if track is None or track is not self._turn or not ahead or not 0 < own < track.size:
            return None
        return bytes_to_ms(own)

    def stop(self, track: Track | None) -> None:
        """The turn of this track is over."""
        if track is not None and track is self._turn:
            self._before = (track, self._began)
            self._turn, self._whole = None, False

    def commit(self, track: Track | None) -> None:
        """The turn of this track is over, and no other session is given it again."""
        self._over = self._from + self._size
        self.stop(track)
        if self._before is not None and self._before[0] is track:
            self._whole = True

    def uncommit(self, track: Track | None) -> None:
        """Nothing came of the turn of this track: another session may be given it again."""
        if track is not None and self._before is not None and self._before[0] is track:
            self._whole = False

    def take_manual(self) -> Track | None:
        """The turn committed by hand, if turn detection is off and there is one."""
        if not self._manual:
            return None
        taken, self._manual_track = self._manual_track, None
        if taken is not None:
            again = not self._whole and self._before is not None and self._before[1] == self._began
            self._again = self._before[0] if again and self._before is not None else None
            self._before = taken, self._began
        return taken

    def take_untold(self) -> Track | None:
        """The turn committed though nobody was said to speak, if there is anything of it: what was
        heard last, from where it is loud. The next one will be kept for longer."""
        if self._manual:
            return None
        self._untold = True
        pieces = list(self._newest)
        first = self._from
        while pieces and first < self._over:
            first += len(pieces.pop(0))
        loud = [max(array("h", piece)[::LOOK], default=0) for piece in pieces]
        least = QUIET * max(loud, default=0)
        heard = [n for n, level in enumerate(loud) if level > least]
        if not heard:
            return None
        track = self._new_track()
        for piece in pieces[max(0, heard[0] - 1) :]:
            track.append(piece)
        return track

    def clear(self) -> None:
        """Forget what was said since the last commit."""
        if self._manual_track is not None:
            self._manual_track.discard()
            self._manual_track = None
