"""Estimates of what an answer used, when its provider does not say, from its audio and text.

Pure. Assumes OpenAI's tokens: one per 100 ms of audio in, one per 50 ms of audio out, one per four
characters of text; and that the whole conversation is read again for each answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from realtime.money.usage import Counts

LETTERS_PER_TOKEN = 4
READ_MS = 100
MADE_MS = 50
BYTES_PER_MS = 48


def text_tokens(letters: int) -> int:
    """Tokens of so much text."""
    return -(-letters // LETTERS_PER_TOKEN)


def read_tokens(ms: int) -> int:
    """Tokens of so much audio that is listened to."""
    return -(-ms // READ_MS)


def made_tokens(ms: int) -> int:
    """Tokens of so much audio that is spoken."""
    return -(-ms // MADE_MS)


@dataclass(slots=True)
class Context:
    """What a model reads for an answer, as far as it is known."""

    text: int = 0
    audio: int = 0
    cached: Counts = field(default_factory=Counts)  # of the last answer with reported usage
    heard_ms: int = 0  # of the person's last turn
    made: Counts = field(default_factory=Counts)  # by the last answer

    def says(self, letters: int) -> None:
        """So much text was added."""
        self.text += text_tokens(letters)

    def takes(self, item: Mapping[str, Any]) -> None:
        """This GA item was added."""
        parts = item.get("content")
        texts = [
            part.get("text") or part.get("transcript") or ""
            for part in (parts if isinstance(parts, list) else [])
            if isinstance(part, Mapping)
        ]
        texts += [item.get("arguments") or "", item.get("output") or ""]
        self.says(sum(len(text) for text in texts if isinstance(text, str)))

    def hears(self, ms: int) -> None:
        """So much of a person's speech was added."""
        self.audio += read_tokens(ms)
        self.heard_ms = ms

    def told(self, counts: Counts) -> None:
        """What an answer really read and made: the next one reads it again, and makes as much."""
        made = Counts(text_out=counts.text_out, audio_out=counts.audio_out)
        self.made = made if counts.text_out or counts.audio_out else self.made
        if counts.tokens_in:
            self.text = counts.text_in + counts.text_out + counts.other_in + counts.other_out
            self.audio = counts.audio_in + counts.audio_out
            self.cached = counts

    def starts_again(self) -> None:
        """Another session was told the conversation, as text."""
        self.text += self.audio // 2
        self.audio = 0
        self.cached = Counts()

    def ahead(self) -> Counts:
        """Roughly what the next turn uses: everything is read again, and people say, and are
        answered, as much as the last time."""
        return self.read() + Counts(audio_in=read_tokens(self.heard_ms)) + self.made

    def read(self) -> Counts:
        """What an answer that begins now reads."""
        return Counts(
            text_in=self.text,
            text_cached=min(self.text, self.cached.text_cached),
            audio_in=self.audio,
            audio_cached=min(self.audio, self.cached.audio_cached),
        )


@dataclass(slots=True)
class Answer:
    """An answer under way: what it read, and what was received of it. `owed`: its ledger row in
    case this process dies; only its counts change."""

    key: str
    read: Counts
    audio_bytes: int = 0
    letters: int = 0
    owed: dict[str, Any] = field(default_factory=dict)

    @property
    def audio_ms(self) -> int:
        return self.audio_bytes // BYTES_PER_MS

    def counts(self) -> Counts:
        """What it used so far."""
        made = Counts(text_out=text_tokens(self.letters), audio_out=made_tokens(self.audio_ms))
        return self.read + made


@dataclass(slots=True)
class Turn:
    """A person's turn that is to be transcribed, once it is `committed`."""

    started_ms: int | None = None
    ms: int = 0
    committed: bool = False

    def counts(self, words: str = "") -> Counts:
        """What transcribing it used: tokens and time; the price says which of them count."""
        return Counts(
            audio_in=read_tokens(self.ms),
            text_out=text_tokens(len(words)),
            seconds=Decimal(self.ms) / 1000,
        )
