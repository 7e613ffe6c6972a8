"""The one bounded writer between running calls and the database.

Calls hand over rows as whole states, `Row(model, id, fields)`: writing one twice is harmless, and a
newer state of a row replaces an older one that still waits. So the backlog is limited by the number
of rows that changed, a batch is one transaction, and replaying a journal is exact. Rows of the
ledger are not states: each one is kept as it was handed over.

When the database is away, waiting rows are kept in a journal file in DATA_DIR, and written as soon
as it answers; a journal that a dead process left is replayed by the next one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

from realtime.keeping.journal import write_journal
from realtime.keeping.rows import Row, appends, tell_written, write_rows

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
# Captions change many times a second; one batch in this time is enough for all calls together.
BATCH_SECONDS = 0.5
# Rows of the ledger come in company: the end of an answer, and the turn before it as text. That is
# worth this wait, as two batches take longer than one.
TOGETHER_SECONDS = 0.002

Told = Callable[[Any], None]
Rows = dict[tuple[str, str, int], Row]


class Store:
    """Writes rows in the order they were first handed over, in a thread of its own."""

    def __init__(self, journals: Path) -> None:
        self.write: Callable[[list[Row]], None] = write_rows
        """What writes the rows; it must do the same as `rows.write_rows`."""
        self._path = journals / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        # The locked journal file while it holds something, and the lock for writing it.
        self._journal: IO[bytes] | None = None
        self._journaling = threading.RLock()
        # How many of the rows handed over so far it contained when it was last written.
        self._secured = 0
        # Guards what follows; the thread sleeps on it.
        self._changed = threading.Condition()
        # Waiting rows and rows being written, oldest first, by (model, pk, number). The number is 0
        # except for rows that are only added, each of which has its own.
        self._waiting: Rows = {}
        self._batch: Rows = {}
        # How many rows were handed over, are in the batch or before it, and are done.
        self._handed = self._taken = self._done = 0
        # How many `flush` calls wait: batches then follow each other at once.
        self._hurried = 0
        self._away = False  # the database did not take the batch
        self._idle = True  # the thread waits for any next row
        self._urgent = False  # somebody waits for a row that is only added
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(
        self,
        model: str,
        pk: str,
        fields: dict[str, Any],
        written: Callable[[], None] | None = None,
    ) -> None:
        """Hand over a row. Never waits for the database; may be called from any thread."""
        self._hand_over(Row(model, pk, fields, written=[written] if written else []))

    def put_growing(
        self,
        model: str,
        pk: str,
        fields: Callable[[], dict[str, Any]],
        written: Callable[[], None],
        passing: bool = True,
    ) -> None:
        """Hand over a row that keeps changing: `fields` is called, in any thread, when it is about
        to be written. `passing`: the row exists already, and can wait."""
        self._hand_over(Row(model, pk, {}, rest=fields, passing=passing, written=[written]))

    def append(self, model: str, key: str, fields: dict[str, Any], told: Told) -> None:
        """Hand over a row of one of `rows.ADDED`. `told` gets what adding it gave, in the writer's
        thread; None when it was refused. It is written at once, together with everything that waits
        and is not `passing`: whoever is told that an answer is over finds all of it stored."""
        with self._changed:
            self._urgent = True
            self._hand_over(Row(model, key, fields, told=told))

    def remove(self, model: str, pk: str) -> None:
        """Hand over the deletion of a row; like `put` otherwise."""
        self._hand_over(Row(model, pk, {}, gone=True))

    def _hand_over(self, new: Row) -> None:
        with self._changed:
            # Which of two rows added under one key counts is for the ledger to say.
            place = (new.model, new.pk, self._handed + 1 if appends(new) else 0)
            old = self._waiting.get(place)
            self._waiting[place] = old.then(new) if old else new
            self._handed += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store", daemon=True)
                self._thread.start()
            # Otherwise it has a time to wake at, or is awake: each wake-up costs calls a switch.
            if self._idle or self._urgent:
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
        """Put rows of the ledger that are not in the database yet on disk, for callers that cannot
        wait for the database any longer. If many threads want it at a time, one does it for all."""
        with self._changed:
            handed = self._handed
        with self._journaling:
            if self._secured < handed:
                self._keep(self._everything if self._away else self._appended)

    @property
    def has_journal(self) -> bool:
        """Whether the database is away, or was too slow for somebody, and has not recovered."""
        return self._journal is not None

    def _run(self) -> None:
        due = 0.0  # when the next regular batch is due
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(lambda: bool(self._waiting))
                self._idle = False
            if self._urgent and not self._hurried:
                time.sleep(TOGETHER_SECONDS)
            with self._changed:
                if self._urgent and not self._hurried and time.monotonic() < due:
                    self._take_urgent()
                else:
                    due = time.monotonic() + BATCH_SECONDS
                    self._take()
            try:
                self._write_at_last()
            except Exception:
                # Whatever is wrong with a row, the others still need this thread.
                log.exception("rows could not be written")
            with self._changed:
                self._batch = {}
                self._done = self._taken
                self._changed.notify_all()
                left = due - time.monotonic()
                self._changed.wait_for(lambda: self._hurried > 0 or self._urgent, left)

    def _take(self) -> None:
        self._batch, self._waiting, self._urgent = self._everything(), {}, False
        self._taken = self._handed

    def _take_urgent(self) -> None:
        """Take what cannot wait for the next regular batch."""
        passing = {key: row for key, row in self._waiting.items() if row.passing}
        if not passing:
            self._take()
            return
        self._batch = {key: row.complete() for key, row in self._waiting.items() if not row.passing}
        self._waiting, self._urgent = passing, False

    def _everything(self) -> Rows:
        """Rows being written and waiting rows, as one."""
        with self._changed:
            rows = dict(self._batch)
            for key, new in self._waiting.items():
                rows[key] = rows[key].then(new) if key in rows else new
            return {key: row.complete() for key, row in rows.items()}

    def _appended(self) -> Rows:
        """The same, but only rows that never change: old states of these do no harm."""
        with self._changed:
            rows = self._batch | self._waiting  # no two of these are states of the same row
        return {key: row for key, row in rows.items() if appends(row)}

    def _write_at_last(self) -> None:
        """Write the batch, waiting for the database as long as it takes."""
        for attempt in range(10**9):
            try:
                self.write(list(self._batch.values()))
                break
            except (OperationalError, InterfaceError) as problem:
                if attempt == 0:
                    log.warning("the database is away, rows wait in a journal: %s", problem)
                self._away = True
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
        """Put `rows()` on disk, replacing the journal."""
        with self._journaling:
            with self._changed:
                handed, kept = self._handed, list(rows().values())
            old = self._journal
            if old is None and not kept:
                return
            try:
                self._journal = write_journal(self._path, kept)
            except (OSError, TypeError) as problem:
                log.error("the journal cannot be written: %s", problem)
                return
            self._secured = handed
            if old is not None:
                old.close()

    def _forget(self) -> None:
        """The batch is in the database. The rest of the journal stays."""
        with self._journaling:
            self._away = False
            if self._journal is None or self._closed:
                return
            if self._appended():
                self._keep(self._appended)
                return
            self._path.unlink(missing_ok=True)
            self._journal.close()
            self._journal = None


_store: Store | None = None
_making = threading.Lock()


def store() -> Store:
    """The process's writer."""
    global _store
    with _making:
        if _store is None:
            _store = Store(Path(settings.DATA_DIR) / "journal")
        return _store
