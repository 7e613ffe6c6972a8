"""Tables whose rows the database refuses to change or delete: the ledger and the audit trail.

`manage.py migrate` installs the triggers, and reinstalls them after a migration that rebuilt the
table (SQLite drops a table's triggers with it).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections


@dataclass(frozen=True)
class AppendOnly:
    """One such table. `says`: the database's error for anybody who tries."""

    table: str
    says: str

    def install(self, connection: Any) -> None:
        """Make the table append-only, if it is not yet."""
        sqlite = connection.vendor == "sqlite"
        with connection.cursor() as cursor:
            for statement in self._sqlite().values() if sqlite else self._postgresql():
                cursor.execute(statement)

    def remove(self, connection: Any) -> None:
        """Make it changeable, for undoing a migration and for emptying a test's database."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                for name in self._sqlite():
                    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {self.table}_no_change ON {self.table}")

    @contextmanager
    def lifted(self, connection: Any) -> Iterator[None]:
        """Without the triggers while the block runs."""
        self.remove(connection)
        try:
            yield
        finally:
            self.install(connection)

    def after_migrate(self, using: str, **_signal: Any) -> None:
        """Receiver of `post_migrate`."""
        connection = connections[using]
        if connection.vendor in ("sqlite", "postgresql") and self._is_there(connection):
            self.install(connection)

    def _is_there(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            return self.table in connection.introspection.table_names(cursor)

    def _sqlite(self) -> dict[str, str]:
        return {
            f"{self.table}_no_{verb.lower()}": (
                f"CREATE TRIGGER IF NOT EXISTS {self.table}_no_{verb.lower()} "
                f"BEFORE {verb} ON {self.table} BEGIN SELECT RAISE(ABORT, '{self.says}'); END"
            )
            for verb in ("UPDATE", "DELETE")
        }

    def _postgresql(self) -> list[str]:
        table = self.table
        return [
            f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{self.says}' "
            "USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"CREATE OR REPLACE TRIGGER {table}_no_change "
            f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
        ]


TRAIL = AppendOnly("chats_auditevent", "the audit trail is append-only")
