"""The writer beside this process: see `realtime.row_writer`."""

from __future__ import annotations

import logging
import pickle
from typing import IO, Any

from django.db import OperationalError

from realtime.beside import Beside
from realtime.rows import Row

log = logging.getLogger(__name__)


class RowWriter:
    """Writes as `rows.write_rows` does, in a process of its own."""

    def __init__(self) -> None:
        self._process = Beside("realtime.row_writer")

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def start(self) -> None:
        """Have it loaded by the time that there are rows."""
        try:
            self._process.start()
        except OSError as problem:
            log.warning("the writer does not start yet: %s", problem)

    def write(self, rows: list[Row]) -> None:
        """Write rows in one transaction, or those of them that the database takes.

        Raises OperationalError while the database is away, or there is no such process.
        """
        batch = pickle.dumps([(row.model, row.pk, row.fields, row.gone) for row in rows])
        try:
            outcomes, away = self._process.ask(batch, _read)
        except OSError as problem:
            raise OperationalError(str(problem)) from None
        if away is not None:
            raise OperationalError(away)
        for row, outcome in zip(rows, outcomes, strict=True):
            row.outcome = outcome


def _read(answers: IO[bytes]) -> tuple[list[Any], str | None]:
    try:
        answer: tuple[list[Any], str | None] = pickle.load(answers)
    except pickle.UnpicklingError as problem:
        raise EOFError(str(problem)) from None
    return answer
