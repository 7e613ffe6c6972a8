"""The input audio buffer and the turn detection over it.

All times are ms since the first audio of the session, counted in audio, never by a clock.
"""

from collections import deque
from collections.abc import Iterator

from realtime.hearing import vad as v
from realtime.hearing.turns import Started, Stopped, TurnDetector
from realtime.local.audio import BYTES_PER_MS, RATE, resampler
from realtime.local.errors import Refused

BUFFER_LIMIT_MS = 300_000
# The recogniser needs a little audio before the first sound, whatever the padding is.
PREROLL_MS = 450


class Mic:
    """Audio in; `Started`, `Stopped` and 16 kHz frames for the recogniser out."""

    def __init__(self, pool: v.VadPool) -> None:
        self._pool = pool
        self._vad: v.Vad | None = None
        self.detector: TurnDetector | None = None
        self._buffer = bytearray()
        self._start_ms = 0.0
        self._down = resampler(RATE, v.RATE)
        self._rest = bytearray()
        self._heard_ms = 0.0
        self._preroll: deque[bytes] = deque(maxlen=int(PREROLL_MS / v.FRAME_MS))

    @property
    def end_ms(self) -> int:
        """How much audio the session has received, in ms."""
        return int(self._start_ms + self.buffered_ms)

    @property
    def buffered_ms(self) -> float:
        return len(self._buffer) / BYTES_PER_MS

    def detect(self, detector: TurnDetector | None) -> None:
        """Use another turn detector; None means the client commits."""
        if detector is not None and self._vad is None:
            self._vad = self._pool.take()
        elif detector is None:
            self._return_vad()
        if detector is not None and self.detector is not None:
            detector.carry_on(self.detector)
        self.detector = detector

    def close(self) -> None:
        self._return_vad()

    def _return_vad(self) -> None:
        if self._vad is not None:
            self._pool.give(self._vad)
            self._vad = None

    def feed(self, pcm: bytes) -> Iterator[Started | Stopped | bytes]:
        """PCM16 at 24 kHz; yields in order what it contains."""
        self._buffer += pcm
        self._rest += self._down.feed(pcm)
        while len(self._rest) >= v.FRAME_BYTES:
            frame = bytes(self._rest[: v.FRAME_BYTES])
            del self._rest[: v.FRAME_BYTES]
            self._heard_ms += v.FRAME_MS
            yield from self._frame(frame)
        self._forget_silence()

    def check_room(self, size: int) -> None:
        """Raises Refused when `size` more bytes would make the buffer too long."""
        if (len(self._buffer) + size) / BYTES_PER_MS > BUFFER_LIMIT_MS:
            raise Refused(
                f"The input audio buffer is full: it holds at most {BUFFER_LIMIT_MS // 1000} s.",
                code="input_audio_buffer_full",
                param="audio",
            )

    def tail(self) -> bytes:
        """The last 16 kHz audio that did not fill a frame yet."""
        rest = bytes(self._rest) + self._down.flush()
        self._rest.clear()
        return rest

    def _frame(self, frame: bytes) -> Iterator[Started | Stopped | bytes]:
        if self.detector is None or self._vad is None:
            yield frame
            return
        change = self.detector.feed(self._vad.probability(frame), self._heard_ms, v.FRAME_MS)
        if isinstance(change, Started):
            at_ms = max(change.at_ms, int(self._start_ms))
            yield Started(at_ms)
            yield b"".join(self._preroll) + frame
        elif isinstance(change, Stopped):
            yield frame
            yield change
        elif self.detector.speaking:
            yield frame
        self._preroll.append(frame)

    def _forget_silence(self) -> None:
        """Before speech only the padding has to be kept, so an open mic stays small."""
        if self.detector is None or self.detector.speaking:
            return
        keep_ms = self.detector.prefix_ms + 1000
        excess = int(self.buffered_ms - keep_ms)
        if excess > 0:
            self._drop(excess)

    def _drop(self, ms: int) -> None:
        size = min(ms * BYTES_PER_MS, len(self._buffer))
        del self._buffer[:size]
        self._start_ms += size / BYTES_PER_MS

    def take(self, from_ms: int | None = None, to_ms: int | None = None) -> bytes:
        """Cut the audio up to `to_ms` (default: all) off the buffer; return it from `from_ms`."""
        if from_ms is not None and from_ms > self._start_ms:
            self._drop(int(from_ms - self._start_ms))
        size = len(self._buffer)
        if to_ms is not None:
            size = min(size, max(0, int(to_ms - self._start_ms)) * BYTES_PER_MS)
        pcm = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._start_ms += size / BYTES_PER_MS
        return pcm

    def clear(self) -> None:
        self.take()
        self.tail()
        self._heard_ms = self._start_ms
        self._preroll.clear()
        if self.detector is not None:
            self.detector.reset()
        if self._vad is not None:
            self._vad.reset()
