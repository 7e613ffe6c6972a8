"""Audio frames that carry the time they were sent, so that each one tells its own delay."""

import struct
import time

FRAME_SECONDS = 0.04
FRAME_BYTES = 1920  # 40 ms of PCM16 at 24 kHz


def stamped() -> bytes:
    """One frame of quiet audio whose first eight bytes are now, in ns of the machine's clock."""
    return struct.pack("<q", time.monotonic_ns()) + bytes(FRAME_BYTES - 8)


def age_ms(frame: bytes) -> float:
    """How long ago `frame` was stamped, in milliseconds."""
    return (time.monotonic_ns() - int(struct.unpack_from("<q", frame)[0])) / 1e6
