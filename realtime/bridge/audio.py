"""Audio in the bridge: signed 16 bit little-endian PCM, one channel, 24 000 samples a second."""

from __future__ import annotations

import pybase64

RATE = 24_000
"""Samples per second."""
SAMPLE_BYTES = 2
BYTES_PER_SECOND = RATE * SAMPLE_BYTES
BYTES_PER_MS = BYTES_PER_SECOND // 1000


def bytes_to_ms(count: int) -> int:
    """Whole milliseconds held by `count` bytes, rounded down."""
    return count // BYTES_PER_MS


def ms_to_bytes(ms: int) -> int:
    """Bytes of `ms` milliseconds; always a whole number of samples."""
    return ms * BYTES_PER_MS


def bytes_to_samples(count: int) -> int:
    """Whole samples held by `count` bytes."""
    return count // SAMPLE_BYTES


def samples_to_ms(samples: int) -> int:
    """Whole milliseconds of `samples` samples, rounded down."""
    return samples * 1000 // RATE


# The library is seven times as fast as Python's own, and the audio of every call passes here.


def decode_base64(text: str) -> bytes:
    """Strict base64 to bytes. Raises `ValueError` on a foreign character or wrong padding."""
    return pybase64.b64decode(text, validate=True)


def encode_base64(data: bytes) -> str:
    """Bytes to base64 in one line."""
    return pybase64.b64encode_as_string(data)
