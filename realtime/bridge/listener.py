"""Our own turn detection: which audio of a call's microphone is part of a turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..hearing.turns import Started, Stopped, TurnDetector, detector_for
from ..hearing.vad import FRAME_BYTES, FRAME_MS, RATE, Vad
from .audio import RATE as MIC_RATE
from .audio import bytes_to_samples, ms_to_bytes, samples_to_ms
from .resample import Resampler

STEP = ms_to_bytes(40)
SLACK_MS = 500
"""Audio kept beyond the prefix padding, because detecting speech takes a moment."""


class Listener:
    """Finds turns in PCM16 at 24 kHz. Times are in ms on the call's timeline; `start` is the sample
    at which the first audio begins."""

    def __init__(self, vad: Vad, start: int, detection: Mapping[str, Any]) -> None:
        self._vad = vad
        self._vad.reset()
        self._detector: TurnDetector = detector_for(detection)
        self._down = Resampler(MIC_RATE, RATE)
        self._rest = b""
        self._end_ms = start * 1000 / MIC_RATE  # of what the detector has heard
        self._recent = bytearray()  # not sent, but perhaps the beginning of a turn
        self._recent_from = start

    @property
    def speaking(self) -> bool:
        """Whether a turn is under way."""
        return self._detector.speaking

    def configure(self, detection: Mapping[str, Any]) -> None:
        """Use other settings; a turn under way goes on."""
        earlier, self._detector = self._detector, detector_for(detection)
        self._detector.carry_on(earlier)

    def hear(self, pcm: bytes) -> Iterator[Started | Stopped | bytes]:
        """Yield the audio of turns, which is to be sent, and their starts and stops, in order."""
        for at in range(0, len(pcm), STEP):
            yield from self._step(pcm[at : at + STEP])

    def end_turn(self) -> None:
        """End the turn under way, for another reason than silence."""
        self._detector.reset()
        self._vad.reset()

    def _step(self, pcm: bytes) -> Iterator[Started | Stopped | bytes]:
        if self._detector.speaking:
            yield pcm
            self._recent_from += bytes_to_samples(len(pcm))
        else:
            self._recent += pcm
        change = self._change(pcm)
        if isinstance(change, Started):
            yield from self._begin(change.at_ms)
        elif change is not None:
            yield change
        self._forget()

    def _change(self, pcm: bytes) -> Started | Stopped | None:
        """The start or stop found in this step: one at most, as a step is shorter than any turn."""
        found = None
        self._rest += self._down.feed(pcm)
        while len(self._rest) >= FRAME_BYTES:
            frame, self._rest = self._rest[:FRAME_BYTES], self._rest[FRAME_BYTES:]
            self._end_ms += FRAME_MS
            likely = self._vad.probability(frame)
            found = self._detector.feed(likely, self._end_ms, FRAME_MS) or found
        return found

    def _begin(self, at_ms: int) -> Iterator[Started | bytes]:
        at_ms = max(at_ms, samples_to_ms(self._recent_from))
        skip = ms_to_bytes(at_ms) - self._recent_from * 2
        recent = bytes(self._recent[max(0, skip) :])
        self._recent_from += bytes_to_samples(len(self._recent))
        self._recent.clear()
        yield Started(at_ms)
        yield recent

    def _forget(self) -> None:
        most = ms_to_bytes(self._detector.prefix_ms + SLACK_MS)
        if (excess := len(self._recent) - most) > 0:
            del self._recent[:excess]
            self._recent_from += bytes_to_samples(excess)
