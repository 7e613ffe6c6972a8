"""SQLite as Django has it, but for two things. Numbers that PostgreSQL's columns would not hold are
refused by forms here too, since a site that has one could not be moved there; and a new database is
for nobody else to read, whichever command comes first."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations


class Operations(DatabaseOperations):
    integer_field_range = BaseDatabaseOperations.integer_field_range


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = Operations

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection; the files beside the database have the same mode as it."""
        name = str(conn_params["database"])
        if not name.startswith((":memory:", "file:")):
            # Without opening it: to close a file that SQLite has open would undo its locks.
            with suppress(OSError):
                os.mknod(name, 0o600)
        return super().get_new_connection(conn_params)
