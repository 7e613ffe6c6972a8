"""The database itself refuses to change or delete a row of the ledger.

`manage.py migrate` puts the triggers there, and puts them back where a later migration had to
rebuild the table (SQLite drops a table's triggers with it).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

TABLE = "realtime_usage"
SAYS = "the ledger is append-only"

SQLITE = {
    f"{TABLE}_no_{verb.lower()}": (
        f"CREATE TRIGGER IF NOT EXISTS {TABLE}_no_{verb.lower()} BEFORE {verb} ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
    )
    for verb in ("UPDATE", "DELETE")
}
POSTGRESQL = [
    f"CREATE OR REPLACE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{SAYS}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    f"CREATE OR REPLACE TRIGGER {TABLE}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE} "
    f"FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_refuse()",
]


def install(connection: Any) -> None:
    """Make the ledger append-only, if it is not."""
    with connection.cursor() as cursor:
        for statement in SQLITE.values() if connection.vendor == "sqlite" else POSTGRESQL:
            cursor.execute(statement)


def remove(connection: Any) -> None:
    """Let the ledger be changed: for undoing a migration and for emptying a test's database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        else:
            cursor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_no_change ON {TABLE}")


@contextmanager
def lifted(connection: Any) -> Iterator[None]:
    """Without the triggers for a while."""
    remove(connection)
    try:
        yield
    finally:
        install(connection)


def after_migrate(using: str, **_signal: Any) -> None:
    """Receiver of `post_migrate`."""
    connection = connections[using]
    if connection.vendor in ("sqlite", "postgresql") and _has_table(connection):
        install(connection)


def _has_table(connection: Any) -> bool:
    with connection.cursor() as cursor:
        return TABLE in connection.introspection.table_names(cursor)
