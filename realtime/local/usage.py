"""Token counts the way OpenAI bills them: 1 token per 100 ms heard, 1 per 50 ms spoken."""

import math
from dataclasses import dataclass
from typing import Any

from realtime.local.conversation import Item


@dataclass(frozen=True, slots=True)
class Tokens:
    text: int = 0
    audio: int = 0
    image: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.text + other.text, self.audio + other.audio, self.image + other.image)

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image


Counted = tuple[str, Tokens]

IMAGE_TOKENS = 765


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


def heard_tokens(ms: float) -> int:
    return math.ceil(ms / 100)


def spoken_tokens(ms: float) -> int:
    return math.ceil(ms / 50)


def item_tokens(item: Item) -> Tokens:
    """What an item costs as input of a response."""
    total = Tokens(text_tokens(item.name + item.arguments + item.output))
    for part in item.parts:
        if part.kind == "input_audio":
            total += Tokens(audio=heard_tokens(part.ms))
        elif part.kind == "output_audio":
            total += Tokens(text=text_tokens(part.text or ""), audio=spoken_tokens(part.ms))
        elif part.kind == "input_image":
            total += Tokens(image=IMAGE_TOKENS)
        else:
            total += Tokens(text=text_tokens(part.text or ""))
    return total


def counted(preamble: str, items: list[Item]) -> list[Counted]:
    """The prompt as (identity, tokens) in order: instructions and tools first, then items."""
    return [(preamble, Tokens(text_tokens(preamble)))] + [
        (item.id, item_tokens(item)) for item in items
    ]


def cached(before: list[Counted], now: list[Counted]) -> Tokens:
    """Tokens of the longest common start: what an earlier response had already read."""
    total = Tokens()
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        total += new[1]
    return total


def usage(prompt: list[Counted], known: Tokens, out: Tokens) -> dict[str, Any]:
    """The `usage` object of response.done."""
    read = sum((tokens for _, tokens in prompt), Tokens())
    return {
        "total_tokens": read.total + out.total,
        "input_tokens": read.total,
        "output_tokens": out.total,
        "input_token_details": {
            "text_tokens": read.text,
            "audio_tokens": read.audio,
            "image_tokens": read.image,
            "cached_tokens": known.total,
            "cached_tokens_details": {
                "text_tokens": known.text,
                "audio_tokens": known.audio,
                "image_tokens": known.image,
            },
        },
        "output_token_details": {"text_tokens": out.text, "audio_tokens": out.audio},
    }
