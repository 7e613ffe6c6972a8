"""Speech synthesis: text in, PCM16 at 24 kHz and word times out, within bounded time."""

import array
import asyncio
import io
import json
import logging
import math
import shutil
import wave
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

from realtime.local.audio import BYTES_PER_MS, RATE, resampler
from realtime.local.conversation import Word
from realtime.local.voices import Voice
from realtime.local.workers import Worker

log = logging.getLogger(__name__)

SAY_LIMIT_S = 5.0


class MouthFailed(Exception):
    """No speech could be made of a text."""

    def __init__(self, message: str, code: str = "synthesis_failed") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Speech:
    """`words` joined give the text; their times count from the start of `pcm`."""

    pcm: bytes
    words: list[Word] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return len(self.pcm) / BYTES_PER_MS


class Mouth(Protocol):
    name: str

    def start(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def ready(self) -> bool: ...

    async def say(self, text: str, voice: Voice) -> Speech: ...

    def health(self) -> dict[str, Any]: ...


def spread_words(text: str, ms: float) -> list[Word]:
    """Word times by length, for voices that do not tell them."""
    pieces = _pieces(text, [index for index in range(1, len(text)) if _begins(text, index)])
    total, place, words = max(1, len(text)), 0, []
    for piece in pieces:
        start = ms * place / total
        place += len(piece)
        words.append(Word(piece, round(start), round(ms * place / total)))
    return words


def timed_words(text: str, places: list[list[int]], ms: float) -> list[Word]:
    """Words from espeak's (character, length, ms) events; joined they give the whole text."""
    starts: dict[int, int] = {}
    for character, _, at_ms in places:
        cut = character
        while 0 < cut < len(text) and not _begins(text, cut) and text[cut - 1].isalnum():
            cut -= 1
        if cut <= 0 or _begins(text, cut):
            starts.setdefault(max(cut, 0), at_ms)
    cuts = sorted(cut for cut in starts if cut > 0)
    times = [0, *(starts[cut] for cut in cuts), round(ms)]
    words = []
    for index, piece in enumerate(_pieces(text, cuts)):
        words.append(Word(piece, times[index], max(times[index], times[index + 1])))
    return words


def _begins(text: str, index: int) -> bool:
    """A word begins here (after a space, or any wide character that needs none)."""
    return text[index - 1].isspace() or ord(text[index]) > 0x2E80


def _pieces(text: str, cuts: list[int]) -> list[str]:
    """Cut before each word; the space before a word goes with it."""
    edges = [0]
    for cut in cuts:
        while cut > edges[-1] and text[cut - 1].isspace():
            cut -= 1
        if cut > edges[-1]:
            edges.append(cut)
    return [text[a:b] for a, b in zip(edges, [*edges[1:], len(text)], strict=True)]


class EspeakMouth:
    """The espeak-ng worker; a call that fails is tried once more on a fresh process."""

    name = "espeak-ng"

    def __init__(self) -> None:
        self._jobs: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0
        self._up = asyncio.Event()
        self._worker = Worker("realtime.local.mouth_worker", self._message, self._changed)

    def start(self) -> None:
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    @property
    def ready(self) -> bool:
        return self._worker.ready

    def health(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ready": self.ready,
            "restarts": max(0, self._worker.starts - 1),
            "problem": self._worker.problem,
        }

    def _changed(self) -> None:
        if self._worker.ready:
            self._up.set()
            return
        self._up.clear()
        for future in self._jobs.values():
            if not future.done():
                future.set_exception(MouthFailed("The speech synthesiser stopped."))
        self._jobs.clear()

    def _message(self, kind: bytes, job: int, payload: bytes) -> None:
        future = self._jobs.pop(job, None)
        if future is None or future.done():
            return
        if kind == b"S":
            future.set_result(payload)
        else:
            future.set_exception(MouthFailed(payload.decode("utf-8", "replace")))

    async def say(self, text: str, voice: Voice) -> Speech:
        try:
            return await self._once(text, voice)
        except (MouthFailed, TimeoutError) as problem:
            log.warning("speech synthesis failed once: %s", problem)
        try:
            return await self._once(text, voice)
        except TimeoutError:
            raise MouthFailed("Speech synthesis took too long.", "synthesis_slow") from None

    async def _once(self, text: str, voice: Voice) -> Speech:
        self._last = job = (self._last + 1) % 2**32
        request = {
            "text": text,
            "voice": voice.espeak,
            "rate": voice.rate,
            "gap": voice.gap,
            "pitch": voice.pitch,
        }
        try:
            async with asyncio.timeout(SAY_LIMIT_S):
                await self._up.wait()
                future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
                self._jobs[job] = future
                self._worker.send(b"Q", job, json.dumps(request).encode())
                payload = await future
        except TimeoutError:
            self._worker.kill()
            raise
        finally:
            self._jobs.pop(job, None)
        head, _, pcm = payload.partition(b"\n")
        places = json.loads(head)["words"]
        return Speech(pcm, timed_words(text, places, len(pcm) / BYTES_PER_MS))


class BinaryMouth:
    """The system's espeak-ng program, one process per piece of text."""

    name = "espeak-ng program"
    ready = True

    def __init__(self, program: str) -> None:
        self._program = program

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "ready": True}

    async def say(self, text: str, voice: Voice) -> Speech:
        options = ["-v", voice.espeak, "-s", str(voice.rate), "-p", str(voice.pitch)]
        process = await asyncio.create_subprocess_exec(
            *(self._program, "--stdin", "--stdout", "-b", "1", "-g", str(voice.gap), *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(SAY_LIMIT_S):
                out, _ = await process.communicate(text.encode())
        except TimeoutError:
            raise MouthFailed("Speech synthesis took too long.", "synthesis_slow") from None
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0 or len(out) < 44:
            raise MouthFailed(f"espeak-ng ended with {process.returncode}.")
        with wave.open(io.BytesIO(out)) as stream:
            rate = stream.getframerate()
        # The header of a stream to stdout has no true length: everything after it is audio.
        convert = resampler(rate, RATE)
        body = out[44 : len(out) - len(out) % 2]
        pcm = convert.feed(body) + convert.flush()
        return Speech(pcm, spread_words(text, len(pcm) / BYTES_PER_MS))


class ToneMouth:
    """No synthesiser: one soft tone per word, so that a call still works and can be heard."""

    name = "tones"
    ready = True
    word_ms = 180

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "ready": True}

    async def say(self, text: str, voice: Voice) -> Speech:
        pcm, words, at_ms = bytearray(), [], 0
        step_ms = round(self.word_ms / voice.speed)
        for word in spread_words(text, 1000.0):
            pcm += _tone(220 + 20 * (sum(word.text.encode()) % 16), step_ms)
            words.append(Word(word.text, at_ms, at_ms + step_ms))
            at_ms += step_ms
        return Speech(bytes(pcm), words)


def _tone(hertz: int, ms: int) -> bytes:
    count = RATE * ms // 1000
    fade = max(1, count // 6)
    samples = array.array("h")
    for index in range(count):
        level = min(1.0, index / fade, (count - index) / (2 * fade))
        samples.append(int(4000 * level * math.sin(2 * math.pi * hertz * index / RATE)))
    return samples.tobytes()


def built_in_mouth() -> Mouth:
    """espeak-ng from the wheel, else the system's program, else tones."""
    if find_spec("espeakng_loader"):
        return EspeakMouth()
    program = shutil.which("espeak-ng")
    return BinaryMouth(program) if program else ToneMouth()
