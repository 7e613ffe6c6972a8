from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.backends.base.operations import BaseDatabaseOperations

from chats.append_only import TRAIL
from realtime.append_only import LEDGER
from tests.site import migrated

# With several processes these begin first, or one of them is still at it when the others are done.
SLOW = ("grown", "serving", "sdk")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in SLOW)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None) -> bool:
    """A database in a file begins as a copy of one that is migrated once for all processes."""
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return False
    shutil.copy(migrated() / "nextvoice.sqlite3", database["TEST"]["NAME"])
    return True


@pytest.fixture(autouse=True, scope="session")
def append_only_between_tests() -> Iterator[None]:
    """The database refuses to delete from the ledger and the audit trail; emptying them after a
    test is another thing."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def unguarded(self: Any, statements: Any) -> None:
        with LEDGER.lifted(self.connection), TRAIL.lifted(self.connection):
            flush(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", unguarded)
        yield
