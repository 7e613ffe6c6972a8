"""Makes the microphone recordings beside this file; needs `flite`, numpy and soxr.

    python tests/audio/make.py

Each is 48 kHz mono PCM16: faint noise, the phrases, faint noise (a real room is never silent).
"""

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import soxr

RATE = 48_000
NOISE = 6.0
PEAK = 14_000
# File -> seconds of quiet and phrases, in order.
RECORDINGS: dict[str, list[float | str]] = {
    "hello_what_time.wav": [1.5, "Hello, what time is it?", 3.0],
    "sum.wav": [1.5, "What is two plus three?", 3.0],
    "story_then_interrupt.wav": [1.5, "Tell me a story.", 6.0, "Stop, what time is it?", 3.0],
}


def spoken(text: str, voice: str = "slt") -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
        with wave.open(file.name) as stream:
            rate = stream.getframerate()
            samples = np.frombuffer(stream.readframes(stream.getnframes()), "<i2")
    speech = soxr.resample(samples.astype(np.float64), rate, RATE)
    return speech * (PEAK / np.abs(speech).max())


def recording(parts: list[float | str]) -> bytes:
    pieces = [spoken(p) if isinstance(p, str) else np.zeros(int(p * RATE)) for p in parts]
    sound = np.concatenate(pieces)
    sound += np.random.default_rng(7).normal(0, NOISE, len(sound))
    return np.clip(sound.round(), -32768, 32767).astype("<i2").tobytes()


def main() -> None:
    for name, parts in RECORDINGS.items():
        with wave.open(str(Path(__file__).with_name(name)), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(RATE)
            stream.writeframes(recording(parts))


if __name__ == "__main__":
    main()
