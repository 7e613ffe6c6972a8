"""Encodes recordings in the process of `realtime.keeping.encoder`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import IO, Any

from realtime.local.workers import worker_environment
from realtime.programs.beside import Beside

log = logging.getLogger(__name__)


class NotEncoded(Exception):
    """There is no MP3, and the raw audio is unchanged; the text says why."""


class Encoder:
    """Encodes for all threads, one file after another."""

    def __init__(self) -> None:
        self._process = Beside("realtime.keeping.encoder", worker_environment(), lines=log)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def encode(self, raw: Path, size: int, to: Path) -> int:
        """Make an MP3 of the first `size` bytes of raw audio, whole samples; returns its size.

        Raises NotEncoded.
        """
        job = {"raw": str(raw.absolute()), "size": size, "to": str(to.absolute())}
        try:
            answer = self._process.ask(json.dumps(job).encode() + b"\n", _read)
        except OSError as problem:
            raise NotEncoded(str(problem)) from None
        if "error" in answer:
            raise NotEncoded(answer["error"])
        return int(answer["size"])


def _read(answers: IO[bytes]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(answers.readline())
    return answer
