"""PCM16 mono 24 kHz to MP3 that every current browser seeks in exactly.

Constant bitrate makes seeking exact and a cut file playable. The first frame is a Xing "Info"
header: without it WebKit reports a duration of 0. It carries the frame count, and the encoder's
delay and padding so that players which trim them give the length to the sample.
"""

import struct

import lameenc

RATE = 24000
BITRATE = 48
SAMPLES_PER_FRAME = 576  # MPEG-2 layer III
FRAME_BYTES = 72 * BITRATE * 1000 // RATE
_SIDE_INFO = 9  # mono, MPEG-2
_ENCODER_DELAY = 576


def encode(pcm: bytes) -> bytes:
    """Return `pcm` (signed 16-bit little-endian, mono, 24 kHz) as one MP3 file."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_bit_rate(BITRATE)
    encoder.set_in_sample_rate(RATE)
    encoder.set_out_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_quality(5)
    body = bytes(encoder.encode(pcm)) + bytes(encoder.flush())
    return _info_frame(body, len(pcm) // 2) + body


def _info_frame(body: bytes, samples: int) -> bytes:
    """A silent frame that tells players how long the rest is."""
    frames = len(body) // FRAME_BYTES
    padding = max(0, frames * SAMPLES_PER_FRAME - samples - _ENCODER_DELAY)
    # Bits 12 each: samples to skip at the start and at the end.
    trim = (_ENCODER_DELAY << 12 | min(padding, 0xFFF)).to_bytes(3, "big")
    lame = b"LAME3.100" + bytes(12) + trim + bytes(12)
    info = b"Info" + struct.pack(">III", 3, frames, len(body) + FRAME_BYTES) + lame
    return (body[:4] + bytes(_SIDE_INFO) + info).ljust(FRAME_BYTES, b"\0")
