from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations

from realtime import append_only


@pytest.fixture(autouse=True, scope="session")
def ledger_between_tests() -> Iterator[None]:
    """The database refuses to delete from the ledger; emptying it after a test is another thing."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def unguarded(self: Any, statements: Any) -> None:
        with append_only.lifted(self.connection):
            flush(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", unguarded)
        yield
