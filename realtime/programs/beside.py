"""Programs of ours that run beside this process, for work that takes too much processor time for a
thread: whoever holds the interpreter lock keeps every call of the process waiting.

A program reads one question after another on its standard input, and answers each on its standard
output (`realtime.programs.program`). It ends with its input, so however this process ends.
"""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any, TypeVar

from django.db import OperationalError

from realtime import logs
from realtime.local.workers import PROJECT_ROOT

log = logging.getLogger(__name__)

T = TypeVar("T")


class Beside:
    """One `python -m module`, for all threads: started when first needed, replaced when it ends.

    `environment`: its whole environment; None: ours. `lines`: where its standard error goes; None:
    unchanged to ours.
    """

    def __init__(
        self,
        module: str,
        environment: Mapping[str, str] | None = None,
        lines: logging.Logger | None = None,
    ) -> None:
        self.module = module
        self._environment = environment
        self._lines = lines
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, if it does not run. Raises OSError."""
        with self._lock:
            self._running()

    def ask(self, question: bytes, read: Callable[[IO[bytes]], T]) -> T:
        """Ask and `read` the answer; once more if the program ended meanwhile.

        Raises OSError when it cannot be started, or ends again.
        """
        with self._lock:
            try:
                return self._ask(question, read)
            except OSError as problem:
                log.warning("%s; another one starts", problem)
                return self._ask(question, read)

    def _ask(self, question: bytes, read: Callable[[IO[bytes]], T]) -> T:
        process = self._running()
        asked: IO[bytes] = process.stdin  # type: ignore[assignment]
        answers: IO[bytes] = process.stdout  # type: ignore[assignment]
        try:
            asked.write(question)
            asked.flush()
            return read(answers)
        except (OSError, ValueError, EOFError):
            raise OSError(f"{self.module} ended with {self._end(process)}") from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = self._started()
        return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        self._process = None
        process.kill()
        # Its pipes are closed; the question may be stuck in one of them.
        with suppress(OSError), process:
            pass
        return process.returncode

    def _started(self) -> subprocess.Popen[bytes]:
        with logs.told_to(self._lines) as told:
            return subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                cwd=PROJECT_ROOT,
                env=self._environment,
                # A Ctrl-C in the terminal is for the site. Not in a session of its own: Linux first
                # shares time among sessions (autogroups), so it could not have a lower priority
                # than the site.
                process_group=0,
            )


class DatabaseBeside(Beside):
    """A program that uses the database: see `realtime.programs.database_program`."""

    def start_soon(self) -> None:
        """Start loading it, so that it is ready when it is asked."""
        try:
            self.start()
        except OSError as problem:
            log.warning("%s does not start yet: %s", self.module, problem)

    def answer(self, question: Any) -> Any:
        """The answer to a question.

        Raises OperationalError while the database is away, or the program is gone.
        """
        try:
            answer, away = self.ask(pickle.dumps(question), _unpickled)
        except OSError as problem:
            raise OperationalError(str(problem)) from None
        if away is not None:
            raise OperationalError(away)
        return answer


def _unpickled(answers: IO[bytes]) -> tuple[Any, str | None]:
    try:
        answer: tuple[Any, str | None] = pickle.load(answers)
    except pickle.UnpicklingError as problem:
        raise EOFError(str(problem)) from None
    return answer
