"""The writer: puts rows into the database, in a process of its own.

    python -m realtime.keeping.row_writer

Questions are lists of `Plain`, answers what adding each row gave. It ends with its standard input,
even in the middle of a batch, which is then not written. `realtime.keeping.row_writing` starts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.programs.database_program import answer_from_database

Plain = tuple[str, str, dict[str, Any], bool]
"""A row's model, primary key, fields, and whether it is to be deleted."""


def load() -> Callable[[list[Plain]], list[Any]]:
    """As `database_program.answer_from_database` wants it."""
    from realtime.keeping.rows import Row, write_rows

    def write(batch: list[Plain]) -> list[Any]:
        rows = [Row(model, pk, fields, gone=gone) for model, pk, fields, gone in batch]
        write_rows(rows)
        return [row.outcome for row in rows]

    return write


if __name__ == "__main__":
    answer_from_database(load)
