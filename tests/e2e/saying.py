"""A fake microphone that a test controls: see `microphone.js`."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path

from playwright.sync_api import Page

from tests.site import AUDIO

MICROPHONE = (Path(__file__).parent / "microphone.js").read_text()


def phrase(recording: str, begin: float, end: float) -> str:
    """A part of a recording, in seconds, as a base64 WAV file for `microphone.js`."""
    with wave.open(str(AUDIO / recording), "rb") as source, io.BytesIO() as file:
        source.setpos(int(begin * source.getframerate()))
        frames = source.readframes(int((end - begin) * source.getframerate()))
        with wave.open(file, "wb") as made:
            made.setparams(source.getparams())
            made.writeframes(frames)
        return base64.b64encode(file.getvalue()).decode()


SUM = phrase("sum.wav", 1.3, 3.4)
STOP = phrase("story_then_interrupt.wav", 8.5, 10.8)


def say(page: Page, words: str) -> None:
    page.evaluate("(wav) => window.say(wav)", words)
