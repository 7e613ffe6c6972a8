"""Django's SQLite backend with two changes: numbers that PostgreSQL's columns cannot hold are
refused by forms here too, so that a site can always be moved there; and a new database is private,
whichever command creates it."""

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
        """A connection; SQLite gives the files beside the database the same mode."""
        name = str(conn_params["database"])
        if not name.startswith((":memory:", "file:")):
            # Created without opening it: closing a file that SQLite has open would drop its locks.
            with suppress(OSError):
                os.mknod(name, 0o600)
        return super().get_new_connection(conn_params)
