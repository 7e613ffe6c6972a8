"""Audio formats of the wire: PCM16 at 24 kHz, mu-law and A-law at 8 kHz; and resampling.

All samples are mono, PCM16 little-endian.
"""

import array
import base64
import binascii
import sys
from typing import Any, Protocol

from realtime.local.errors import Refused, wrong_type

RATE = 24_000
BYTES_PER_MS = RATE * 2 // 1000
APPEND_LIMIT = 15 * 1024 * 1024


def _samples(pcm: bytes) -> "array.array[int]":
    samples = array.array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: "array.array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _ulaw_value(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw_value(code: int) -> int:
    code ^= 0x55
    segment, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _encoder(values: list[int]) -> bytes:
    """For each sample >> 2 (as 14 unsigned bits), the code whose value is nearest."""
    ordered = sorted(range(256), key=lambda code: values[code])
    table = bytearray(1 << 14)
    place = 0
    for short in range(-8192, 8192):
        sample = short * 4
        while place < 255 and (
            abs(values[ordered[place + 1]] - sample) <= abs(values[ordered[place]] - sample)
        ):
            place += 1
        table[short & 0x3FFF] = ordered[place]
    return bytes(table)


_VALUES = {
    "audio/pcmu": [_ulaw_value(code) for code in range(256)],
    "audio/pcma": [_alaw_value(code) for code in range(256)],
}
_CODES = {name: _encoder(values) for name, values in _VALUES.items()}


def g711_decode(data: bytes, kind: str) -> bytes:
    """`kind` is `audio/pcmu` or `audio/pcma`; returns PCM16 at 8 kHz."""
    values = _VALUES[kind]
    return _bytes(array.array("h", [values[code] for code in data]))


def g711_encode(pcm: bytes, kind: str) -> bytes:
    codes = _CODES[kind]
    return bytes([codes[(sample >> 2) & 0x3FFF] for sample in _samples(pcm)])


class Resampler(Protocol):
    def feed(self, pcm: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class _Same:
    def feed(self, pcm: bytes) -> bytes:
        return pcm

    def flush(self) -> bytes:
        return b""


class LinearResampler:
    """Straight-line interpolation: the fallback where soxr is not installed."""

    def __init__(self, source: int, target: int) -> None:
        # Positions count in target-ths of a source sample, so that nothing is rounded away.
        self._source, self._target = source, target
        self._place = 0
        self._rest = array.array("h")

    def feed(self, pcm: bytes) -> bytes:
        self._rest.extend(_samples(pcm))
        samples, place, out = self._rest, self._place, array.array("h")
        last = (len(samples) - 1) * self._target
        while place < last:
            left, part = divmod(place, self._target)
            rise = (samples[left + 1] - samples[left]) * part // self._target
            out.append(samples[left] + rise)
            place += self._source
        used = min(place // self._target, len(samples))
        del samples[:used]
        self._place = place - used * self._target
        return _bytes(out)

    def flush(self) -> bytes:
        rest, self._rest, self._place = self._rest, array.array("h"), 0
        return _bytes(rest[:1])


class _SoxrResampler:
    def __init__(self, source: int, target: int) -> None:
        import numpy
        import soxr

        self._numpy = numpy
        self._stream = soxr.ResampleStream(source, target, 1, dtype="int16", quality="MQ")

    def feed(self, pcm: bytes) -> bytes:
        return self._run(pcm, last=False)

    def flush(self) -> bytes:
        out = self._run(b"", last=True)
        self._stream.clear()
        return out

    def _run(self, pcm: bytes, *, last: bool) -> bytes:
        samples = self._numpy.frombuffer(pcm, "<i2")
        done: bytes = self._stream.resample_chunk(samples, last=last).astype("<i2").tobytes()
        return done


def resampler(source: int, target: int) -> Resampler:
    """A streaming resampler from `source` to `target` Hz; soxr when installed."""
    if source == target:
        return _Same()
    try:
        return _SoxrResampler(source, target)
    except ImportError:
        return LinearResampler(source, target)


class Decoder:
    """Wire audio of one input format -> PCM16 at 24 kHz, streaming."""

    def __init__(self, audio_format: dict[str, Any]) -> None:
        self.kind: str = audio_format["type"]
        self._resampler = resampler(RATE if self.kind == "audio/pcm" else 8000, RATE)

    def decode(self, value: Any, param: str = "audio") -> bytes:
        """`value` is the base64 text of the event; raises Refused naming `param`."""
        data = decode_base64(value, param)
        if self.kind != "audio/pcm":
            return self._resampler.feed(g711_decode(data, self.kind))
        if len(data) % 2:
            raise Refused(
                f"Invalid '{param}': 16-bit PCM needs an even number of bytes, got {len(data)}.",
                code="invalid_value",
                param=param,
            )
        return data

    def flush(self) -> bytes:
        """The last audio that a stream still holds back."""
        return self._resampler.flush()


class Encoder:
    """PCM16 at 24 kHz -> base64 of one output format, streaming."""

    def __init__(self, audio_format: dict[str, Any]) -> None:
        self.kind: str = audio_format["type"]
        self._resampler = resampler(RATE, RATE if self.kind == "audio/pcm" else 8000)

    def encode(self, pcm: bytes) -> str:
        return self._text(self._resampler.feed(pcm))

    def flush(self) -> str:
        return self._text(self._resampler.flush())

    def _text(self, pcm: bytes) -> str:
        data = pcm if self.kind == "audio/pcm" else g711_encode(pcm, self.kind)
        return base64.b64encode(data).decode("ascii")


def decode_base64(value: Any, param: str) -> bytes:
    if not isinstance(value, str):
        raise wrong_type(param, "a base64 string", value)
    if len(value) > APPEND_LIMIT:
        raise Refused(
            f"Invalid '{param}': at most 15 MiB of audio per event.",
            code="string_above_max_length",
            param=param,
        )
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(
            f"Invalid '{param}': expected base64-encoded audio bytes.",
            code="invalid_value",
            param=param,
        ) from None
