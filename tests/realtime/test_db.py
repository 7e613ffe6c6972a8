"""Database work in threads of our own leaves no connection behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from chats.models import User
from realtime import db
from realtime.db import BEHIND, in_database, in_words, is_away, with_connection
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)


def _fail() -> None:
    User.objects.count()
    raise LookupError


@pytest.mark.parametrize("work", [User.objects.count, _fail])
def test_a_thread_keeps_no_connection(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(max_workers=1) as thread:
        done = thread.submit(with_connection, work)
        assert isinstance(done.exception(), LookupError) or done.result() == 0
        assert thread.submit(lambda: connection.connection).result() is None


async def test_results_and_errors_come_back() -> None:
    assert await in_database(User.objects.filter(username="ann").exists) is False
    with pytest.raises(LookupError):
        await in_database(_fail)


def test_a_database_that_nobody_reaches_is_away_and_one_without_a_table_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatabaseError) as missing:
        connection.cursor().execute("SELECT * FROM nowhere")
    other = connection.copy()
    other.settings_dict |= (
        {"NAME": str(tmp_path / "none" / "db.sqlite3")}
        if connection.vendor == "sqlite"
        else {"HOST": "127.0.0.1", "PORT": str(free_port())}
    )
    with pytest.raises(DatabaseError) as away:
        other.cursor()
    assert [is_away(found.value) for found in (missing, away)] == [False, True]
    assert str(in_words(away.value)).startswith("The database cannot be reached or used: ")
    assert in_words(missing.value) is None  # every migration has run: it is our mistake
    monkeypatch.setattr(db, "is_behind", lambda: True)
    assert in_words(missing.value) == BEHIND


def test_a_new_database_file_is_for_nobody_else(tmp_path: Path) -> None:
    """Also when a command makes it that does not care."""
    if connection.vendor != "sqlite":
        pytest.skip("it has no file")
    new = connection.copy()
    new.settings_dict |= {"NAME": str(tmp_path / "new.sqlite3")}
    with new.cursor() as cursor:
        cursor.execute("CREATE TABLE one (two)")
        made = sorted(tmp_path.glob("new.*"))
        assert [each.suffix for each in made] == [".sqlite3", ".sqlite3-shm", ".sqlite3-wal"]
        assert {each.stat().st_mode & 0o777 for each in made} == {0o600}
    new.close()
