"""Makes one answer: pieces from the brain, clause by clause to the mouth, paced to the client."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from realtime.local.audio import BYTES_PER_MS
from realtime.local.brain import Brain, BrainFailed, CallArguments, CallBegun, Piece, Prompt, Said
from realtime.local.clauses import ClauseCutter, plain
from realtime.local.conversation import Word
from realtime.local.mouth import Mouth, MouthFailed
from realtime.local.responses import ResponseWriter
from realtime.local.voices import language_of, voice

log = logging.getLogger(__name__)

CHUNK_MS = 100
# A few words at a time, all characters kept.
_WORDS = re.compile(r"\s*(?:\S+\s*){1,4}|\s+")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much faster than real time audio is sent; factor 0 = at once."""

    head_start_ms: float = 1000.0
    factor: float = 4.0


class Full(Exception):
    """max_output_tokens is reached."""


class Reply:
    """One run of one response; `run` ends by itself or is cancelled from outside."""

    def __init__(
        self,
        writer: ResponseWriter,
        brain: Brain,
        mouth: Mouth,
        pace: Pace,
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self.writer = writer
        self.first_audio_at: float | None = None
        self._brain, self._mouth, self._pace, self._room = brain, mouth, pace, room
        self._cutter = ClauseCutter()
        self._instructions = ""

    async def run(self, prepare: Callable[[], Awaitable[Prompt]]) -> None:
        writer = self.writer
        try:
            prompt = await prepare()
            if self._brain.follows_instructions:
                self._instructions = prompt.instructions
            async with contextlib.aclosing(_closing(self._brain.answer(prompt))) as pieces:
                async for piece in pieces:
                    await self._take(piece)
            await self._say_pieces(self._cutter.rest())
            if writer.empty:
                raise BrainFailed("The answer was empty.", "empty_answer")
            writer.finish("completed")
        except Full:
            writer.finish("incomplete", reason="max_output_tokens")
        except BrainFailed as problem:
            log.warning("no answer: %s", problem)
            self._fail(problem.kind, problem.code, str(problem))
        except MouthFailed as problem:
            log.warning("no speech: %s", problem)
            self._fail("server_error", problem.code, str(problem))
        except Exception:
            log.exception("a response failed")
            self._fail("server_error", "internal_error", "The server had an internal problem.")

    def _fail(self, kind: str, code: str, message: str) -> None:
        self.writer.finish("failed", error={"type": kind, "code": code, "message": message})

    async def _take(self, piece: Piece) -> None:
        if isinstance(piece, Said):
            if not self.writer.spoken:
                await self._write(piece.text)
            else:
                await self._say_pieces(self._cutter.feed(piece.text))
        elif isinstance(piece, CallBegun):
            await self._say_pieces(self._cutter.rest())
            self.writer.call(piece.call_id, piece.name)
        elif isinstance(piece, CallArguments):
            self.writer.arguments(piece.text)
        if self.writer.full:
            raise Full
        await self._room()

    async def _write(self, text: str) -> None:
        for words in _WORDS.findall(text):
            await self._room()
            self.writer.say_text(words)
            if self.writer.full:
                raise Full

    async def _say_pieces(self, texts: list[str]) -> None:
        for text in texts:
            await self._say(text)

    async def _say(self, text: str) -> None:
        text = plain(text)
        if not any(letter.isalnum() for letter in text):
            return
        output = self.writer.options["output"]
        chosen = voice(output["voice"], language_of(text, self._instructions), output["speed"])
        speech = await self._mouth.say(text, chosen)
        base_ms = round(self.writer.message_ms)
        words = [Word(w.text, base_ms + w.start_ms, base_ms + w.end_ms) for w in speech.words]
        size = CHUNK_MS * BYTES_PER_MS
        for start in range(0, len(speech.pcm), size):
            await self._wait_turn()
            end_ms = base_ms + (start + size) / BYTES_PER_MS
            last = start + size >= len(speech.pcm)
            count = sum(last or word.start_ms < end_ms for word in words)
            self.writer.say_audio(words[:count], speech.pcm[start : start + size])
            words = words[count:]
            if self.writer.full:
                raise Full

    async def _wait_turn(self) -> None:
        await self._room()
        now = asyncio.get_running_loop().time()
        if self.first_audio_at is None:
            self.first_audio_at = now
        ahead_ms = self.writer.audio_ms + CHUNK_MS - self._pace.head_start_ms
        if self._pace.factor and ahead_ms > 0:
            due = self.first_audio_at + ahead_ms / self._pace.factor / 1000
            if due > now:
                await asyncio.sleep(due - now)


async def _closing(pieces: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
    """Closes an async generator at once when the reply is cancelled: that ends its request."""
    try:
        async for piece in pieces:
            yield piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
