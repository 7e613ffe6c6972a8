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
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

import orjson
from django.apps import apps
from django.conf import settings
from django.core.files import locks
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import Model

from realtime.background import WRITER, give_way
from realtime.db import rest

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
# Captions change many times a second; one batch in this time is enough for all calls together.
BATCH_SECONDS = 1.0


@dataclass(slots=True)
class Row:
    """The state of one row: model label such as "chats.Message", primary key, column values."""

    model: str
    pk: str
    fields: dict[str, Any]
    # Whether the row is to be removed; then nothing brings it back.
    gone: bool = False
    # Called in the writer's thread once the row is in the database.
    written: list[Callable[[], None]] = field(default_factory=list)
    # The same, with what the model's `append` gave; None: it was refused.
    told: list[Callable[[Any], None]] = field(default_factory=list)
    outcome: Any = None

    def then(self, new: Row) -> Row:
        """This row with a newer state of it."""
        return Row(
            self.model,
            self.pk,
            self.fields | new.fields,
            self.gone or new.gone,
            self.written + new.written,
            self.told + new.told,
        )


Told = Callable[[Any], None]
Rows = dict[tuple[str, str], Row]


class Store:
    """Writes rows in the order they were first handed over, in a thread of its own."""

    def __init__(self, journals: Path) -> None:
        self._path = journals / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        # The journal as a locked file while it holds something, and who may write it.
        self._journal: IO[bytes] | None = None
        self._journaling = threading.Lock()
        # Guards what follows it; the thread sleeps on it.
        self._changed = threading.Condition()
        # Rows that wait and rows being written, by (model, pk), oldest first.
        self._waiting: Rows = {}
        self._batch: Rows = {}
        # How many rows were handed over, are in the batch or before it, and are done with.
        self._handed = self._taken = self._done = 0
        # How many `flush` calls wait: batches then follow each other at once.
        self._hurried = 0
        self._urgent = False  # somebody waits for a row of those that are only added
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(
        self, model: str, pk: str, fields: dict[str, Any], written: Callable[[], None] | None = None
    ) -> None:
        """Hand over a row. Never blocks on the database; may be called from any thread."""
        self._hand_over(Row(model, pk, fields, written=[written] if written else []))

    def append(self, model: str, key: str, fields: dict[str, Any], told: Told) -> None:
        """Hand over a row of a model that is only added to, and which has a function `append` for
        that; it must not mind being given the same twice. `told` gets what it returns, in the
        writer's thread, None when it was refused. It is written at once, before what waits."""
        with self._changed:
            self._urgent = True
            self._hand_over(Row(model, key, fields, told=[told]))

    def remove(self, model: str, pk: str) -> None:
        """Hand over that a row is to go; like `put` otherwise."""
        self._hand_over(Row(model, pk, {}, gone=True))

    def _hand_over(self, new: Row) -> None:
        with self._changed:
            place = (new.model, new.pk)
            old = self._waiting.get(place)
            self._waiting[place] = old.then(new) if old else new
            self._handed += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed over so far is written; False after `timeout` seconds."""
        with self._changed:
            handed = self._handed
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._done >= handed, timeout)
            finally:
                self._hurried -= 1

    def close(self, timeout: float) -> None:
        """Before the process ends: what cannot be written now goes to the journal."""
        if not self.flush(timeout):
            with self._changed:
                self._closed = True
            self._keep(self._everything)

    @property
    def waiting(self) -> int:
        """How many rows are not in the database yet."""
        with self._changed:
            return len(self._waiting) + len(self._batch)

    def secure(self) -> None:
        """Put rows of the ledger that are not in the database yet on disk: for who cannot wait for
        that any longer."""
        self._keep(self._everything if self._journal is not None else self._appended)

    def _run(self) -> None:
        give_way(WRITER)
        due = 0.0  # when all that waits is to be written
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                if time.monotonic() < due and self._urgent and not self._hurried:
                    self._take_appended()
                else:
                    self._take()
                    due = time.monotonic() + BATCH_SECONDS
            try:
                self._write_at_last()
            except Exception:
                # Whatever is wrong with a row, the others still need this thread.
                log.exception("rows could not be written")
            with self._changed:
                self._batch = {}
                self._done = self._taken
                self._changed.notify_all()
                left = max(0.0, due - time.monotonic())
                self._changed.wait_for(lambda: self._hurried > 0 or self._urgent, left)

    def _take(self) -> None:
        self._batch, self._waiting, self._urgent = self._everything(), {}, False
        self._taken = self._handed

    def _take_appended(self) -> None:
        self._batch = {key: row for key, row in self._waiting.items() if _appends(row)}
        self._waiting = {key: row for key, row in self._waiting.items() if key not in self._batch}
        self._urgent = False
        if not self._waiting:
            self._taken = self._handed

    def _everything(self) -> Rows:
        """What is being written and what waits, as one."""
        with self._changed:
            rows = dict(self._batch)
            for key, new in self._waiting.items():
                rows[key] = rows[key].then(new) if key in rows else new
            return rows

    def _appended(self) -> Rows:
        """The same, only what is never changed: an old state of it can do no harm."""
        return {key: row for key, row in self._everything().items() if _appends(row)}

    def _write_at_last(self) -> None:
        """Write the batch, waiting for the database as long as it takes."""
        for attempt in range(10**9):
            try:
                write_rows(list(self._batch.values()))
                break
            except (OperationalError, InterfaceError) as problem:
                if attempt == 0:
                    log.warning("the database is away, rows wait in a journal: %s", problem)
                with self._changed:
                    self._take()
                self._keep(self._everything)
                time.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
        if attempt:
            log.warning("the database is back")
        with self._changed:
            done, self._batch = list(self._batch.values()), {}
        self._forget()
        for row in done:
            tell_written(row)

    def _keep(self, rows: Callable[[], Rows]) -> None:
        """Put `rows()` on disk, in place of what the journal held."""
        with self._journaling:
            old = self._journal
            try:
                self._journal = write_journal(self._path, list(rows().values()))
            except (OSError, TypeError) as problem:
                log.error("the journal cannot be written: %s", problem)
                return
            if old is not None:
                old.close()

    def _forget(self) -> None:
        """The batch is in the database. What the journal had to secure besides stays there."""
        if self._journal is not None and self._appended():
            self._keep(self._appended)
            return
        with self._journaling:
            if self._journal is not None and not self._closed:
                self._path.unlink(missing_ok=True)
                self._journal.close()
                self._journal = None


def tell_written(row: Row) -> None:
    """Call those who asked to know that a row was written."""
    tells: list[Callable[[], None]] = [*row.written]
    tells += [partial(told, row.outcome) for told in row.told]
    for tell in tells:
        try:
            tell()
        except Exception:
            log.exception("nobody could be told that %s was written", row.model)


def write_rows(rows: list[Row]) -> None:
    """Write rows in one transaction; one by one when the batch is refused.

    Raises OperationalError or InterfaceError while the database is away. A row that the database
    refuses for good (its conversation was deleted meanwhile) is logged and left out.
    """
    close_old_connections()
    try:
        try:
            with transaction.atomic():
                _write_together(rows)
            return
        except (OperationalError, InterfaceError):
            connection.close()
            raise
        except Exception:
            # Not only DatabaseError: drivers refuse some values with ValueError or OverflowError.
            pass
        for row in rows:
            try:
                with transaction.atomic():
                    write_row(row)
            except (OperationalError, InterfaceError):
                connection.close()
                raise
            except Exception as problem:
                log.error("%s %s was refused: %s", row.model, row.pk, problem)
                row.outcome = None
                if _appends(row):
                    _set_aside(row)
    finally:
        rest()


def _write_together(rows: list[Row]) -> None:
    """The same as `write_row` of each; rows that may be made, and have the same columns, go in one
    statement. It does not matter which of them comes first: references are checked at the end."""
    alike: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        if row.gone or _appends(row) or not _complete(apps.get_model(row.model), row.fields):
            write_row(row)
        else:
            alike.setdefault((row.model, tuple(row.fields)), []).append(row)
    for (label, names), group in alike.items():
        model = apps.get_model(label)
        model._base_manager.bulk_create(
            [model(pk=row.pk, **_cleaned(row.fields)) for row in group],
            update_conflicts=True,
            update_fields=names,
            unique_fields=["pk"],
        )


def write_row(row: Row) -> None:
    """Bring one row into the state of `row.fields`, making it when it is absent."""
    if (append := _appends(row)) is not None:
        row.outcome = append(row.fields)
        return
    model = apps.get_model(row.model)
    if row.gone:
        model._base_manager.filter(pk=row.pk).delete()
        return
    values = _cleaned(row.fields)
    if not values or model._base_manager.filter(pk=row.pk).update(**values):
        return
    if _complete(model, values):
        model._base_manager.create(pk=row.pk, **values)


def _appends(row: Row) -> Callable[[dict[str, Any]], Any] | None:
    return getattr(apps.get_model(row.model), "append", None)


def _set_aside(row: Row) -> None:
    """Keep what the database refused for good: a row of the ledger is money."""
    path = Path(settings.DATA_DIR) / "journal" / "refused.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(orjson.dumps([row.model, row.pk, row.fields]) + b"\n")
    except OSError as problem:
        log.error("it could not be set aside either: %s: %s", row.fields, problem)


def _complete(model: type[Model], values: dict[str, Any]) -> bool:
    """Whether `values` can make a row: an update of a row that was deleted must not revive it."""
    return _needed(model) <= values.keys()


@cache
def _needed(model: type[Model]) -> frozenset[str]:
    """The columns without which there is no row."""
    return frozenset(
        spec.attname
        for spec in model._meta.concrete_fields
        if not spec.null and not spec.primary_key and spec.get_default() is None
    )


def _cleaned(fields: dict[str, Any]) -> dict[str, Any]:
    # PostgreSQL stores no NUL in text.
    return {
        name: value.replace("\0", "") if isinstance(value, str) else value
        for name, value in fields.items()
    }


def write_journal(path: Path, rows: list[Row]) -> IO[bytes]:
    """Replace `path` by the states of `rows`, one JSON object a line, and sync it to disk.

    Returns the file, locked: as long as it is open its process lives and `replay_journals` leaves
    it alone. (A process id would not tell: containers use the same few again.)
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
                # Its process may have put another file in this one's place meanwhile.
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


_store: Store | None = None
_making = threading.Lock()


def store() -> Store:
    """The process's writer."""
    global _store
    with _making:
        if _store is None:
            _store = Store(Path(settings.DATA_DIR) / "journal")
        return _store
