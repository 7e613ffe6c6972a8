"""The committed microphone recordings, at the rates the tests need."""

import wave
from pathlib import Path

from realtime.local.audio import RATE, resampler

AUDIO = Path(__file__).resolve().parents[1] / "audio"


def _converted(name: str, rate: int) -> bytes:
    with wave.open(str(AUDIO / name)) as stream:
        convert = resampler(stream.getframerate(), rate)
        return convert.feed(stream.readframes(stream.getnframes())) + convert.flush()


def microphone(name: str) -> bytes:
    """PCM16 at 24 kHz, with its quiet start and end."""
    return _converted(name, RATE)


def phrase_16k(name: str) -> bytes:
    """PCM16 at 16 kHz, as the recogniser gets it: the phrase with 0.3 s of quiet around it."""
    pcm = _converted(name, 16_000)
    return pcm[int(1.2 * 32_000) : len(pcm) - int(2.7 * 32_000)]
