"""Speech recognition: what was said in one utterance, within bounded time and memory."""

import asyncio
import json
import logging
import re
from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, takewhile
from typing import Any, Protocol

from realtime.local.grammar import NAMES
from realtime.local.workers import Worker

log = logging.getLogger(__name__)

BYTES_PER_S = 32_000
LONGEST_S = 60
BACKLOG_S = 12
FINISH_LIMIT_S = 10.0
_NAMES = frozenset(NAMES)


class EarsFailed(Exception):
    """Recognition did not work; `code` is short and stable, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Heard:
    """`text` is empty when nothing was understood. `sure` = one of the known phrases."""

    text: str
    sure: bool = False


class Utterance(Protocol):
    """Audio of one turn, 16 kHz PCM16. `result` is always settled after finish or cancel."""

    result: "asyncio.Future[Heard]"

    def feed(self, pcm: bytes) -> None: ...

    def finish(self) -> None: ...

    def cancel(self) -> None: ...


class Ears(Protocol):
    name: str

    def start(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def ready(self) -> bool: ...

    def open(self, language: str | None) -> Utterance: ...

    def health(self) -> dict[str, Any]: ...


_QUESTION = re.compile(r"(what|what's|who|how|where|do you|are you|can you|did)\b")


def tidy(text: str, *, sure: bool) -> str:
    """Recogniser words as people write them: capitals, and a question mark when it is sure."""
    words = ["I" if word == "i" else word.replace("i'", "I'", 1) for word in text.split()]
    if sure:
        words = [word.capitalize() if word in _NAMES else word for word in words]
    sentence = " ".join(words)
    sentence = sentence[:1].upper() + sentence[1:]
    if sure:
        body = re.sub(r"^(hello|hello there|hi there|good \w+|stop) ", "", text)
        sentence += "?" if _QUESTION.match(body) else "."
    return sentence


def settle(future: "asyncio.Future[Heard]", outcome: Heard | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()  # nobody may be waiting for it
    else:
        future.set_result(outcome)


class NoEars:
    """No recogniser is installed: every utterance fails at once and says so."""

    name = "none"
    ready = True

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def open(self, language: str | None) -> Utterance:
        return _DeafUtterance()

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "ready": True}


class _DeafUtterance:
    def __init__(self) -> None:
        self.result: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()

    def feed(self, pcm: bytes) -> None:
        return None

    def finish(self) -> None:
        settle(
            self.result,
            EarsFailed("recogniser_unavailable", "No speech recogniser works on this server."),
        )

    def cancel(self) -> None:
        self.result.cancel()


class PocketUtterance:
    """Keeps the audio until a worker is free, then streams it."""

    def __init__(self, pool: "PocketEars", job: int) -> None:
        self.job = job
        self.result: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self.worker: Worker | None = None
        self.finished = False
        self.cancelled = False
        self.waiting = bytearray()
        self.behind = 0
        self._pool = pool
        self._total = 0
        self._limit: asyncio.TimerHandle | None = None

    def feed(self, pcm: bytes) -> None:
        self._total += len(pcm)
        if self.finished or self._total > LONGEST_S * BYTES_PER_S:
            return
        self.waiting += pcm
        self.push()

    def push(self) -> None:
        """Send on what the worker can take; the rest waits for its answers."""
        while self.worker and self.waiting and self.behind < BACKLOG_S * BYTES_PER_S:
            piece = bytes(self.waiting[:3200])
            del self.waiting[:3200]
            self.behind += len(piece)
            self.worker.send(b"A", self.job, piece)
        if self.worker and self.finished and not self.waiting:
            self.worker.send(b"E", self.job)

    def finish(self) -> None:
        if not self.finished:
            self.finished = True
            self.limit(self._pool.before_s(self))
            self.push()

    @property
    def longest_s(self) -> float:
        """How long it may keep a worker from now on, in seconds."""
        left = len(self.waiting) + self.behind
        if not self.finished:
            left += max(0, LONGEST_S * BYTES_PER_S - self._total)
        return FINISH_LIMIT_S + left / BYTES_PER_S

    def limit(self, before_s: float = 0.0) -> None:
        """Have it over in time from now on, when `before_s` may pass until a worker takes it."""
        if self._limit is not None:
            self._limit.cancel()
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(before_s + self.longest_s, self._pool.hung, self)

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = self.finished = True
            self.result.cancel()
            self._pool.cancelled(self)


class PocketEars:
    """pocketsphinx workers: one warm from the start, more on demand up to `most`."""

    name = "pocketsphinx"

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._workers: list[Worker] = []
        self._busy: dict[Worker, PocketUtterance] = {}
        self._queue: deque[PocketUtterance] = deque()
        self._jobs = 0

    def start(self) -> None:
        self._add_worker()

    def _add_worker(self) -> None:
        worker = Worker(
            "realtime.local.ears_worker",
            lambda kind, job, payload: self._message(worker, kind, job, payload),
            lambda: self._changed(worker),
        )
        self._workers.append(worker)
        worker.start()

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))

    @property
    def broken(self) -> bool:
        return all(worker.broken for worker in self._workers)

    @property
    def ready(self) -> bool:
        """Also when it is broken: then there is nothing to wait for, and `open` says so."""
        return self.broken or any(worker.ready for worker in self._workers)

    def health(self) -> dict[str, Any]:
        return {
            "name": "none" if self.broken else self.name,
            "ready": self.ready,
            "workers": len(self._workers),
            "busy": len(self._busy),
            "waiting": len(self._queue),
            "restarts": sum(max(0, worker.starts - 1) for worker in self._workers),
            "problem": next((w.problem for w in self._workers if w.problem), ""),
        }

    def open(self, language: str | None) -> Utterance:
        if self.broken:
            return _DeafUtterance()
        self._jobs = (self._jobs + 1) % 2**32
        utterance = PocketUtterance(self, self._jobs)
        if language and not language.lower().startswith("en"):
            log.info("the built-in recogniser only knows English, asked for %s", language)
        self._queue.append(utterance)
        self._assign()
        if self._queue and len(self._workers) < self._most and self.ready:
            self._add_worker()
        return utterance

    def _assign(self) -> None:
        for worker in self._workers:
            if not self._queue:
                return
            if worker.ready and worker not in self._busy:
                utterance = self._queue.popleft()
                self._busy[worker] = utterance
                utterance.worker = worker
                worker.send(b"S", utterance.job)
                if utterance.finished:
                    utterance.limit()
                utterance.push()

    def before_s(self, utterance: PocketUtterance) -> float:
        """How long those may take that workers have or take before this one, in seconds."""
        if utterance not in self._queue:
            return 0.0
        queued = takewhile(lambda other: other is not utterance, self._queue)
        # As if by one worker, because another may have to be started again.
        return sum(other.longest_s for other in chain(self._busy.values(), queued))

    def _message(self, worker: Worker, kind: bytes, job: int, payload: bytes) -> None:
        utterance = self._busy.get(worker)
        if utterance is None or utterance.job != job:
            return
        if kind == b"K":
            held_back = bool(utterance.waiting)
            utterance.behind -= int.from_bytes(payload, "big")
            if held_back:
                utterance.push()
        elif kind == b"F":
            answer = json.loads(payload)
            sure = answer["from"] == "phrases"
            settle(utterance.result, Heard(tidy(answer["text"], sure=sure), sure))
            self._free(worker)
        elif kind == b"D":
            self._free(worker)

    def _free(self, worker: Worker) -> None:
        self._busy.pop(worker, None)
        self._assign()

    def _changed(self, worker: Worker) -> None:
        if not worker.ready and (lost := self._busy.pop(worker, None)) is not None:
            settle(lost.result, EarsFailed("recogniser_died", "The speech recogniser stopped."))
        self._assign()

    def hung(self, utterance: PocketUtterance) -> None:
        """Called when an utterance must be over: gives up waiting, ends a worker that hangs."""
        settle(utterance.result, EarsFailed("recogniser_slow", "Speech recognition took too long."))
        if utterance.worker is not None:
            if self._busy.get(utterance.worker) is utterance:
                utterance.worker.kill()
        elif utterance in self._queue:
            self._queue.remove(utterance)

    def cancelled(self, utterance: PocketUtterance) -> None:
        if utterance.worker is None:
            if utterance in self._queue:
                self._queue.remove(utterance)
        elif self._busy.get(utterance.worker) is utterance:
            utterance.waiting.clear()
            utterance.worker.send(b"C", utterance.job)
            utterance.limit()  # a worker that hangs does not say that it has stopped


def has_ears() -> bool:
    """Whether the built-in recogniser is installed."""
    return find_spec("pocketsphinx") is not None


def built_in_ears(most: int = 2) -> Ears:
    """pocketsphinx when it is installed, else ears that say they cannot hear."""
    return PocketEars(most) if has_ears() else NoEars()
