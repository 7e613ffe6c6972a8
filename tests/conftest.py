from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# These folders come first, so that with several processes none of them is left over at the end.
SLOW = ("e2e", "faults", "grown", "serving", "sdk")
# Folders whose files share a site.
SHARED = ("faults", "sdk")
# Browser tests without calls, and one whose calls mostly wait.
PAGES = (
    "interruptions",
    "long_lists",
    "own_keys",
    "page_loads",
    "page_pictures",
    "providers",
    "stored_attacks",
)


class Scheduling(LoadFileScheduling):
    """All tests of a file run in one process, and files that share a site in the same one.

    All browser tests with calls run in one process, since two such browsers at once are too much
    for two CPUs; those that only look at pages run in another one.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        folder = file.parts[1]
        if folder == "e2e":
            return "pages" if file.stem.removeprefix("test_") in PAGES else "calls"
        return folder if folder in SHARED else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than CPUs, since one of them is often waiting for speech or for another
    program."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return Scheduling(config, log) if config.option.dist == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in SLOW)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: keeping it from garbage collection saves a fifth of the time."""
    gc.freeze()


# The rest is only for tests with a database: the others run without Django.


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None) -> bool:
    """An SQLite database starts as a copy of one that is migrated once for all processes."""
    from django.conf import settings

    from tests.site import migrated

    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return False
    shutil.copy(migrated(), database["TEST"]["NAME"])
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """After a test that commits, all tables are emptied except those that `migrate` fills itself:
    recreating content types and permissions takes ten times as long as all the rest.

    The triggers that protect the ledger and the audit trail are lifted for this.
    """
    from django.core.management.commands import flush
    from django.db.backends.base.operations import BaseDatabaseOperations

    from chats.append_only import TRAIL
    from realtime.append_only import LEDGER

    kept = {"django_content_type", "auth_permission"}

    def statements(style: Any, connection: Any, **options: bool) -> list[str]:
        names = connection.introspection.django_table_names
        tables = sorted(set(names(only_existing=True, include_views=False)) - kept)
        if connection.vendor == "postgresql":
            # TRUNCATE would create new files for each table, though most are empty.
            return [f'DELETE FROM "{table}"' for table in tables]
        return connection.ops.sql_flush(style, tables, **options)

    execute = BaseDatabaseOperations.execute_sql_flush

    def unguarded(self: Any, statements: Any) -> None:
        with LEDGER.lifted(self.connection), TRAIL.lifted(self.connection):
            execute(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", statements)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", unguarded)
        yield
