"""The process beside this one that encodes: started when first needed, replaced when it dies."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from realtime import logs
from realtime.local.workers import PROJECT_ROOT, worker_environment

log = logging.getLogger(__name__)


class NotEncoded(Exception):
    """There is no MP3, and the raw audio is as it was; the text says why."""


class Encoder:
    """One `realtime.encoder`, for all threads. Its standard input is ours: it ends when this
    process does, however that comes about."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def encode(self, raw: Path, size: int, to: Path) -> int:
        """Make an MP3 of the first `size` bytes of raw audio, whole samples; returns its size.

        Raises NotEncoded.
        """
        job = {"raw": str(raw.absolute()), "size": size, "to": str(to.absolute())}
        with self._lock:
            try:
                answer = self._ask(job)
            except OSError as problem:
                log.warning("%s; another one starts", problem)
                try:
                    answer = self._ask(job)
                except OSError as again:
                    raise NotEncoded(str(again)) from None
        if "error" in answer:
            raise NotEncoded(answer["error"])
        return int(answer["size"])

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Raises OSError when it cannot be started, or ends without an answer."""
        if self._process is None:
            self._process = _started()
        asked: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        answers: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        try:
            asked.write(json.dumps(job).encode() + b"\n")
            asked.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
        except (OSError, ValueError):
            status = self._end(self._process)
            raise OSError(f"the encoder ended with {status}") from None
        return answer

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        self._process = None
        process.kill()
        # Its pipes are closed; into one of them what was asked may not have gone.
        with suppress(OSError), process:
            pass
        return process.returncode


def _started() -> subprocess.Popen[bytes]:
    told = logs.line_of(log)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "realtime.encoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            cwd=PROJECT_ROOT,
            env=worker_environment(),
            # A Ctrl-C in the terminal is for the site. Not in a session of its own: Linux shares
            # time among sessions first (autogroups), so it could not be behind the site then.
            process_group=0,
        )
    finally:
        os.close(told)
