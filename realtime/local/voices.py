"""Which espeak-ng voice speaks: GA voice names, the language, and the speed."""

import re
from dataclasses import dataclass

# GA names only say "another voice"; each gets a variant of its own, alike in no other way.
_VARIANTS = {
    "alloy": ("f2", 50),
    "ash": ("m3", 45),
    "ballad": ("m7", 55),
    "cedar": ("m1", 42),
    "coral": ("f4", 55),
    "echo": ("m4", 50),
    "marin": ("f3", 52),
    "sage": ("f1", 48),
    "shimmer": ("f5", 60),
    "verse": ("m2", 50),
}
# Names espeak-ng 1.52 accepts (it refuses `zh`, `en-gb` and `fr-fr`).
_LANGUAGES = {
    "arabic": "ar",
    "cantonese": "yue",
    "chinese": "cmn",
    "english": "en-us",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "mandarin": "cmn",
    "portuguese": "pt-br",
    "russian": "ru",
    "spanish": "es",
}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("cmn", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_ASKED = re.compile(
    rf"\b(?:speak|answer|reply|respond|talk)\b[^.]*?\b({'|'.join(_LANGUAGES)})\b", re.IGNORECASE
)
NORMAL_RATE = 170
SLOWEST_RATE = 80
# Measured: 0.28 s per word at 175 words per minute, 0.59 s at 80, 32 ms more per gap step.
_WORD_S, _SLOW_WORD_S, _GAP_S = 0.28, 0.59, 0.0325


@dataclass(frozen=True, slots=True)
class Voice:
    """`espeak` is the name for espeak-ng; rate in words per minute, gap in its own steps."""

    name: str
    espeak: str
    rate: int
    gap: int
    pitch: int
    speed: float


def language_of(text: str, instructions: str = "") -> str:
    """The script of the text decides; a Latin text follows "speak German" and the like."""
    for language, letters in _SCRIPTS:
        if letters.search(text):
            return language
    asked = _ASKED.search(instructions)
    return _LANGUAGES[asked.group(1).lower()] if asked else "en-us"


def voice(name: str, language: str, speed: float = 1.0) -> Voice:
    """`name` is a GA voice, `speed` 0.25 to 1.5."""
    variant, pitch = _VARIANTS.get(name, ("f3", 50))
    rate, gap = round(NORMAL_RATE * speed), 0
    if rate < SLOWEST_RATE:
        rate = SLOWEST_RATE
        gap = max(0, round((_WORD_S / speed - _SLOW_WORD_S) / _GAP_S))
    return Voice(name, f"{language}+{variant}", rate, gap, pitch, speed)
