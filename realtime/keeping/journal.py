"""Journals: files that keep the rows which are not in the database yet."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import IO

import orjson
from django.core.files import locks

from realtime.keeping.rows import Row, write_rows

log = logging.getLogger(__name__)


def write_journal(path: Path, rows: list[Row]) -> IO[bytes]:
    """Replace `path` by the states of `rows`, one JSON object a line, and sync it to disk.

    Returns the file, locked: while it is open, its process lives and `replay_journals` leaves it
    alone. (A process id would not do: containers reuse the same few.)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    file = aside.open("wb")
    try:
        locks.lock(file, locks.LOCK_EX)
        for row in rows:
            file.write(orjson.dumps([row.model, row.pk, None if row.gone else row.fields]) + b"\n")
        file.flush()
        os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        file.close()
        raise
    return file


def replay_journals(journals: Path) -> int:
    """Write what dead processes left behind; returns the number of rows. Safe to repeat."""
    total = 0
    for path in sorted(journals.glob("*.jsonl")):
        try:
            with path.open("rb") as file:
                # Its process may have replaced the file meanwhile.
                if locks.lock(file, locks.LOCK_EX | locks.LOCK_NB) and _is_at(file, path):
                    rows = _journalled(file.read())
                    write_rows(rows)
                    path.unlink()
                    total += len(rows)
        except FileNotFoundError:
            continue
    return total


def _is_at(file: IO[bytes], path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _journalled(content: bytes) -> list[Row]:
    rows = []
    for line in content.splitlines():
        try:
            model, pk, fields = orjson.loads(line)
        except ValueError:
            log.error("a line of a journal is broken and was skipped")
            continue
        rows.append(Row(model, pk, fields or {}, gone=fields is None))
    return rows
