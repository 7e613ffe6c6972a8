from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations

from chats.append_only import TRAIL
from realtime.append_only import LEDGER


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
