"""Converts audio between sample rates, piece by piece. PCM16 little-endian, one channel."""

from __future__ import annotations

from fractions import Fraction

import numpy
import soxr

from .audio import SAMPLE_BYTES

QUALITY = "LQ"
"""Measured on 20 ms frames: QQ lets frequencies above the new band alias; HQ and MQ hold back up to
37 ms (16 kHz) or 75 ms (8 kHz); LQ holds back 20 and 40 ms with the same signal-to-noise ratio (80
dB), aliases at -82 dB, and loses 2 dB at 6.4 of 8 kHz. All cost about 10 us a frame."""


class Resampler:
    """One stream. Feed it pieces of any size; the result does not depend on where they are cut.

    The first sample out belongs to the first sample in, and after `flush` the output is as long as
    the input (rounded to the nearest sample), so a position in one is the same time in the other.
    After `flush` a new stream begins.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._ratio = Fraction(to_rate, from_rate)
        self._stream = (
            soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality=QUALITY)
            if from_rate != to_rate
            else None
        )
        self._odd = b""
        self._taken = self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Take the next piece, which may end within a sample; returns the output that is ready.

        A few milliseconds stay inside for later pieces.
        """
        pcm = self._odd + pcm if self._odd else pcm
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        self._odd, pcm = pcm[whole:], pcm[:whole]
        if self._stream is None or not pcm:
            return pcm
        self._taken += len(pcm) // SAMPLE_BYTES
        out = self._run(pcm, last=False)
        self._given += len(out) // SAMPLE_BYTES
        return out

    def flush(self) -> bytes:
        """End the stream; returns the rest of the output."""
        self._odd = b""
        if self._stream is None or not self._taken:
            return b""
        missing = (round(self._taken * self._ratio) - self._given) * SAMPLE_BYTES
        out = self._run(b"", last=True)
        self._stream.clear()
        self._taken = self._given = 0
        return out[: max(missing, 0)].ljust(max(missing, 0), b"\0")

    def _run(self, pcm: bytes, *, last: bool) -> bytes:
        assert self._stream is not None
        samples = numpy.frombuffer(pcm, "<i2")
        out: bytes = self._stream.resample_chunk(samples, last=last).astype("<i2").tobytes()
        return out
