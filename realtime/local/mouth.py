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
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Protocol

from realtime.local.audio import BYTES_PER_MS, RATE, resampler
from realtime.local.conversation import Word
from realtime.local.voices import Voice
from realtime.local.word_times import spread_words, timed_words
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
    @property
    def name(self) -> str: ...

    def start(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def ready(self) -> bool: ...

    async def say(self, text: str, voice: Voice) -> Speech: ...

    def health(self) -> dict[str, Any]: ...


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

    @property
    def broken(self) -> bool:
        return self._worker.broken

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


class FallbackMouth:
    """espeak-ng from the wheel while it can run, else the other one."""

    def __init__(self, first: EspeakMouth, second: Mouth) -> None:
        self._first, self._second = first, second

    @property
    def _chosen(self) -> Mouth:
        return self._second if self._first.broken else self._first

    @property
    def name(self) -> str:
        return self._chosen.name

    @property
    def ready(self) -> bool:
        return self._chosen.ready

    def start(self) -> None:
        self._first.start()

    async def close(self) -> None:
        await self._first.close()

    def health(self) -> dict[str, Any]:
        return self._chosen.health()

    async def say(self, text: str, voice: Voice) -> Speech:
        return await self._chosen.say(text, voice)


class ReadyMouth:
    """A mouth that has nothing to start."""

    name: str
    ready = True

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "ready": True}


class BinaryMouth(ReadyMouth):
    """The system's espeak-ng program, one process per piece of text."""

    name = "espeak-ng program"

    def __init__(self, program: str) -> None:
        self._program = program

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


class ToneMouth(ReadyMouth):
    """No synthesiser: one soft tone per word, so that a call still works and can be heard."""

    name = "tones"
    word_ms = 180

    async def say(self, text: str, voice: Voice) -> Speech:
        pcm, words, at_ms = bytearray(), [], 0
        step_ms = round(self.word_ms / voice.speed)
        for word in spread_words(text, 1000.0):
            pcm += _tone(220 + 20 * (sum(word.text.encode()) % 16), step_ms)
            words.append(Word(word.text, at_ms, at_ms + step_ms))
            at_ms += step_ms
        return Speech(bytes(pcm), words)


@lru_cache(maxsize=64)
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
    program = shutil.which("espeak-ng")
    other: Mouth = BinaryMouth(program) if program else ToneMouth()
    return FallbackMouth(EspeakMouth(), other) if find_spec("espeakng_loader") else other
