"""Threads whose work may wait while somebody talks.

Whoever holds the interpreter lock keeps every other thread of the process waiting. A thread with a
low priority may lose the core to another process while it holds the lock, and its own process's
calls then wait for both. So no thread here has a low priority, and work that takes much processor
time is done in another process, which may have one (`realtime.programs.beside`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

log = logging.getLogger(__name__)

SOON_SECONDS = 0.5
TOGETHER = 8
PAUSE_SECONDS = 0.001
"""After so many jobs that are not urgent the thread rests for so long. Writing a file takes little,
but a thread that writes two hundred without a rest keeps the loop from the core."""

Job = Callable[[], object]


class Jobs:
    """Runs jobs that any thread hands over, in a thread of its own, which starts with the first job
    and ends with the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._now: SimpleQueue[Job] = SimpleQueue()
        self._soon: deque[Job] = deque()
        # The thread is about to look at the jobs of `soon`, or has a time set for it.
        self._timed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def now(self, job: Job) -> None:
        """Run it after the jobs before it."""
        self._now.put(job)
        if self._thread is None:
            self._start()

    def soon(self, job: Job) -> None:
        """Run it within `SOON_SECONDS`, with all others of that time: one wake-up is enough for
        all, and handing over costs an append to a deque."""
        self._soon.append(job)
        if not self._timed:
            self._timed = True
            self.now(_nothing)

    @property
    def waiting(self) -> int:
        """How many are waiting, beside the one that runs."""
        return self._now.qsize()

    def settle(self, timeout: float) -> None:
        """Wait until all jobs so far are done. Raises TimeoutError."""
        done = threading.Event()

        def work() -> None:
            self._run_soon()
            done.set()

        self.now(work)
        if not done.wait(timeout):
            raise TimeoutError(f"{self._name} is not done in {timeout} s")

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def _work(self) -> None:
        due = 0.0
        while True:
            self._timed = False
            # Not earlier: what is handed over after this look wakes the thread.
            self._timed = bool(self._soon)
            wait = max(0.0, due - time.monotonic()) if self._timed else None
            with suppress(Empty):
                _run(self._now.get(timeout=wait))
            if time.monotonic() >= due and self._soon:
                self._run_soon()
                due = time.monotonic() + SOON_SECONDS

    def _run_soon(self) -> None:
        for number in range(1, len(self._soon) + 1):
            _run(self._soon.popleft())
            if number % TOGETHER == 0:
                time.sleep(PAUSE_SECONDS)


def _run(job: Job) -> None:
    try:
        job()
    except Exception:
        # Whatever is wrong with it, the other jobs still need this thread.
        log.exception("a job failed")


def _nothing() -> None:
    """Wakes the thread."""
