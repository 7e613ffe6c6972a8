"""Writes rows in the process of `realtime.keeping.row_writer`."""

from __future__ import annotations

from realtime.keeping.rows import Row
from realtime.programs.beside import DatabaseBeside


class RowWriter(DatabaseBeside):
    """Does the same as `rows.write_rows`, in a process of its own."""

    def __init__(self) -> None:
        super().__init__("realtime.keeping.row_writer")

    def write(self, rows: list[Row]) -> None:
        """Write rows in one transaction, leaving out those that the database refuses.

        Raises OperationalError while the database is away, or the process is gone.
        """
        outcomes = self.answer([(row.model, row.pk, row.fields, row.gone) for row in rows])
        for row, outcome in zip(rows, outcomes, strict=True):
            row.outcome = outcome
