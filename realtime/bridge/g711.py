"""G.711: 8 kHz telephone audio, one byte a sample, to and from PCM16 little-endian.

Tables are built from ITU-T G.711's definition of the two laws; a sample gets the nearest code.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

RATE = 8_000
LAWS = ("audio/pcmu", "audio/pcma")
"""GA's names for mu-law and A-law."""


def _ulaw(code: int) -> int:
    code ^= 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size


def _alaw(code: int) -> int:
    code ^= 0x55
    segment, step = code >> 4 & 7, ((code & 0x0F) << 4) + 8
    size = step if segment == 0 else step + 0x100 << segment - 1
    return size if code & 0x80 else -size


def _codes(values: NDArray[numpy.int16]) -> NDArray[numpy.uint8]:
    """The nearest code for each of the 65 536 samples, by the sample's unsigned value."""
    order = numpy.argsort(values, kind="stable")
    heights = values[order].astype(float)
    samples = numpy.arange(65_536).astype(numpy.uint16).view(numpy.int16)
    return order[numpy.searchsorted((heights[1:] + heights[:-1]) / 2, samples)].astype(numpy.uint8)


_VALUES = {
    "audio/pcmu": numpy.array([_ulaw(code) for code in range(256)], dtype=numpy.int16),
    "audio/pcma": numpy.array([_alaw(code) for code in range(256)], dtype=numpy.int16),
}
_CODES = {law: _codes(values) for law, values in _VALUES.items()}


def decode(data: bytes, law: str) -> bytes:
    """Decode bytes of a law to PCM16. Raises `KeyError` for an unknown law."""
    out: bytes = _VALUES[law][numpy.frombuffer(data, numpy.uint8)].astype("<i2").tobytes()
    return out


def encode(pcm: bytes, law: str) -> bytes:
    """Encode whole PCM16 samples as bytes of a law. Raises `KeyError` for an unknown law."""
    out: bytes = _CODES[law][numpy.frombuffer(pcm, "<u2")].tobytes()
    return out
