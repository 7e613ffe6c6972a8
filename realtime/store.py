"""The one bounded writer between running calls and the database.

Calls hand over rows as whole states, `Row(model, id, fields)`: writing one twice is harmless and a
newer state of the same row replaces an older one that still waits. So the backlog is bounded by
the number of rows that changed, a batch is one transaction, and replaying a journal is exact.

When the database is away the rows that wait are kept in a journal file beside the data, and are
written as soon as it answers; a journal that a dead process left is replayed by the next one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from django.apps import apps
from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import ForeignObject, Model

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
# Captions change many times a second; one batch in this time is enough for all calls together.
BATCH_SECONDS = 0.2


@dataclass(slots=True)
class Row:
    """The state of one row: model label such as "chats.Message", primary key, column values."""

    model: str
    pk: str
    fields: dict[str, Any]
    # Called in the writer's thread once the row is in the database.
    written: list[Callable[[], None]] = field(default_factory=list)


class Store:
    """Writes rows in the order they were first handed over, in a thread of its own."""

    def __init__(self, journals: Path) -> None:
        self._journals = journals
        self._journal = journals / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        # Guards what follows it; the thread sleeps on it.
        self._changed = threading.Condition()
        # Rows that wait, by (model, pk), oldest first.
        self._waiting: dict[tuple[str, str], Row] = {}
        # Whether the thread holds rows that are not written yet.
        self._writing = False
        # How many `flush` calls wait: batches then follow each other at once.
        self._hurried = 0
        self._thread: threading.Thread | None = None

    def put(
        self, model: str, pk: str, fields: dict[str, Any], written: Callable[[], None] | None = None
    ) -> None:
        """Hand over a row. Never blocks on the database; may be called from any thread."""
        with self._changed:
            row = self._waiting.setdefault((model, pk), Row(model, pk, {}))
            row.fields.update(fields)
            if written:
                row.written.append(written)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed over so far is written; False after `timeout` seconds."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(
                    lambda: not self._waiting and not self._writing, timeout
                )
            finally:
                self._hurried -= 1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                batch, self._waiting = list(self._waiting.values()), {}
                self._writing = True
            self._write_at_last(batch)
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._hurried > 0, BATCH_SECONDS)

    def _write_at_last(self, batch: list[Row]) -> None:
        """Write `batch`, waiting for the database as long as it takes."""
        for attempt in range(10**9):
            try:
                write_rows(batch)
                break
            except (OperationalError, InterfaceError) as problem:
                if attempt == 0:
                    log.warning("the database is away, rows wait in a journal: %s", problem)
                batch = self._spool(batch)
                time.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
        self._journal.unlink(missing_ok=True)
        for row in batch:
            for written in row.written:
                written()

    def _spool(self, batch: list[Row]) -> list[Row]:
        """Merge what came meanwhile into `batch` and put all of it on disk."""
        rows = {(row.model, row.pk): row for row in batch}
        with self._changed:
            newer, self._waiting = self._waiting, {}
        for key, row in newer.items():
            kept = rows.setdefault(key, Row(row.model, row.pk, {}))
            kept.fields.update(row.fields)
            kept.written.extend(row.written)
        try:
            write_journal(self._journal, list(rows.values()))
        except OSError as problem:
            log.error("the journal cannot be written: %s", problem)
        return list(rows.values())


def write_rows(rows: list[Row]) -> None:
    """Write rows in one transaction; one by one when the batch is refused.

    Raises OperationalError or InterfaceError while the database is away. A row that the database
    refuses for good (its conversation was deleted meanwhile) is logged and left out.
    """
    close_old_connections()
    try:
        try:
            with transaction.atomic():
                for row in rows:
                    write_row(row)
            return
        except (OperationalError, InterfaceError):
            connection.close()
            raise
        except DatabaseError:
            pass
        for row in rows:
            try:
                with transaction.atomic():
                    write_row(row)
            except (OperationalError, InterfaceError):
                connection.close()
                raise
            except DatabaseError as problem:
                log.error("%s %s was refused: %s", row.model, row.pk, problem)
    finally:
        close_old_connections()


def write_row(row: Row) -> None:
    """Bring one row into the state of `row.fields`, making it when it is absent."""
    model = apps.get_model(row.model)
    values = {name: _clean(value) for name, value in row.fields.items()}
    if not values or model._base_manager.filter(pk=row.pk).update(**values):
        return
    if _complete(model, values):
        model._base_manager.create(pk=row.pk, **values)


def _complete(model: type[Model], values: dict[str, Any]) -> bool:
    """Whether `values` can make a row: an update of a row that was deleted must not revive it."""
    return all(
        spec.attname in values
        for spec in model._meta.concrete_fields
        if isinstance(spec, ForeignObject) and not spec.null
    )


def _clean(value: Any) -> Any:
    # PostgreSQL stores no NUL in text.
    return value.replace("\0", "") if isinstance(value, str) else value


def write_journal(path: Path, rows: list[Row]) -> None:
    """Replace `path` by the states of `rows`, one JSON object a line, and sync it to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps([row.model, row.pk, row.fields]) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def replay_journals(journals: Path) -> int:
    """Write what dead processes left behind; returns the number of rows. Safe to repeat."""
    total = 0
    for path in sorted(journals.glob("*.jsonl")):
        if _alive(int(path.name.split("-", 1)[0])):
            continue
        rows = []
        for line in path.read_bytes().splitlines():
            try:
                model, pk, fields = orjson.loads(line)
            except ValueError:
                log.error("a line of a journal is broken and was skipped")
                continue
            rows.append(Row(model, pk, fields))
        write_rows(rows)
        path.unlink()
        total += len(rows)
    return total


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_store: Store | None = None
_making = threading.Lock()


def store() -> Store:
    """The process's writer."""
    global _store
    with _making:
        if _store is None:
            _store = Store(Path(settings.DATA_DIR) / "journal")
        return _store
