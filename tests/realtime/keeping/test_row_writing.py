"""The process that writes rows: what it is given is written once, whoever dies meanwhile."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError

from realtime.keeping.row_writing import RowWriter
from realtime.keeping.rows import Row
from realtime.money.ledger import Entry, Payer
from realtime.money.usage import Counts
from tests.processes import children, command
from tests.realtime.keeping.test_encoding import WITHIN, eventually
from tests.site import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

PARENT = """
import sys, django
django.setup()
from realtime.keeping.row_writing import RowWriter
from tests.realtime.keeping.test_row_writing import used
writer = RowWriter()
writer.write([used("first")])
print("written", flush=True)
sys.stdin.readline()
writer.write([used("second")])
"""


def used(key: str) -> Row:
    entry = Entry(Payer(), "m", "session", key, counts=Counts(text_in=10))
    return Row("realtime.Usage", key, entry.fields())


@pytest.fixture
def writer(site_database: Path) -> Iterator[RowWriter]:
    """One that has begun."""
    writer = RowWriter()
    writer.write([used("before")])
    yield writer
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)


def keys(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as looking:
        return [
            key for (key,) in looking.execute("SELECT key FROM realtime_usage ORDER BY created")
        ]


def read_bytes(pid: int) -> int:
    """How much a process has read so far."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write."""
    with closing(sqlite3.connect(database, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        yield
        busy.execute("ROLLBACK")


def test_rows_are_written_and_what_adding_them_gave_is_told(
    writer: RowWriter, site_database: Path
) -> None:
    first, again, refused = used("a"), used("a"), Row("chats.Message", "b", {"text": "whose?"})
    rows = [first, refused]
    writer.write(rows)
    writer.write([again])
    assert keys(site_database) == ["before", "a"]
    assert [usage.key for usage in first.outcome] == ["a"]
    assert [usage.pk for usage in again.outcome] == [usage.pk for usage in first.outcome]


def test_one_that_is_killed_at_work_is_replaced_and_nothing_is_written_twice(
    writer: RowWriter, site_database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, row = writer.pid, used("a")
    assert first is not None
    writing = threading.Thread(target=writer.write, args=([row],))
    with locked(site_database):
        writing.start()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: writer.pid not in (None, first))
    writing.join(WITHIN)
    assert ([usage.key for usage in row.outcome], keys(site_database)) == (["a"], ["before", "a"])
    told = [record.getMessage() for record in caplog.records]
    assert told == ["realtime.keeping.row_writer ended with -9; another one starts"]


def test_it_ends_with_a_parent_that_is_killed_and_writes_no_more(site_database: Path) -> None:
    pipe = subprocess.PIPE
    arguments = [sys.executable, "-c", PARENT]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        assert parent.stdout.readline() == "written\n"
        (child,) = children(parent.pid)
        assert "realtime.keeping.row_writer" in command(child)
        with locked(site_database):
            had = read_bytes(child)
            parent.stdin.write("go on\n")
            parent.stdin.flush()
            eventually(lambda: read_bytes(child) > had)
            parent.kill()
            eventually(lambda: not command(child))
    # Who replays the journal writes newer states; nothing older may come after them.
    assert keys(site_database) == ["first"]


def test_a_database_that_is_away_is_said_to_be(writer: RowWriter, site_database: Path) -> None:
    first = writer.pid
    with closing(sqlite3.connect(site_database)) as changing:
        changing.execute("ALTER TABLE realtime_usage RENAME TO away")
        with pytest.raises(OperationalError, match="no such table"):
            writer.write([used("a")])
        changing.execute("ALTER TABLE away RENAME TO realtime_usage")
    writer.write([used("a")])
    assert (keys(site_database), writer.pid) == (["before", "a"], first)


def test_one_that_cannot_start_is_a_database_that_is_away(
    site_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RowWriter()
    with monkeypatch.context() as patch, pytest.raises(OperationalError, match="ended with 1"):
        patch.setattr(sys, "executable", "/bin/false")
        writer.write([used("a")])
    writer.write([used("a")])
    assert keys(site_database) == ["a"]


@pytest.mark.parametrize("nonsense", [b"nonsense", pickle.dumps([1])], ids=["read", "written"])
def test_nobody_waits_for_one_that_fails(
    writer: RowWriter, site_database: Path, nonsense: bytes
) -> None:
    with pytest.raises(OSError, match="ended with 1"):
        writer.ask(nonsense, pickle.load)
    writer.write([used("a")])
    assert keys(site_database) == ["before", "a"]
