"""Reports as spreadsheets. Imported only when one is made: not every process makes one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from xlsxwriter import Workbook

from realtime.calls import live
from realtime.money.report_files import Cell, safe

MOST_DIGITS = 15
"""Digits that a spreadsheet's numbers keep."""
MOST_LETTERS = 32_767
"""Characters that a spreadsheet's cells keep."""
SHEET_ROWS = 500_000
WIDTH = 20
"""Of a column, in characters."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DAYS = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss"}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
PIECE_BYTES = 65_536


class Stopped(Exception):
    """The file was not finished."""


def xlsx_pieces(title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """An XLSX file, made as a whole when its first piece is asked for; rows beyond what a sheet
    holds go on in another.

    Amounts are number cells, though a spreadsheet keeps only so many of their digits: sums of a
    column silently leave text out. Longer whole numbers are text. Days and times (UTC) are date
    cells; text is never a formula. Raises Stopped when this process is about to end, which a thread
    that goes on for half a minute would delay.
    """
    with TemporaryFile() as file, TemporaryDirectory() as rows_folder:
        book = Workbook(file, {"constant_memory": True, "tmpdir": rows_folder})
        _fill(book, title, head, rows)
        book.close()
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece


def _fill(book: Workbook, title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    formats = {kind: book.add_format({"num_format": shown}) for kind, shown in DAYS.items()}
    sheet: Any = None
    for count, row in enumerate(rows):
        if live.stopping() or live.retired():
            raise Stopped
        if count % SHEET_ROWS == 0:
            sheet = _sheet(book, title, head)
        for column, cell in enumerate(row):
            _put(sheet, 1 + count % SHEET_ROWS, column, cell, formats)
    if sheet is None:
        _sheet(book, title, head)


def _sheet(book: Workbook, title: str, head: Sequence[str]) -> Any:
    count = len(book.worksheets())
    sheet = book.add_worksheet(f"{title[:24]} {count + 1}" if count else title[:31])
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, len(head) - 1, WIDTH)
    for column, name in enumerate(head):
        sheet.write_string(0, column, name)
    return sheet


def _put(sheet: Any, row: int, column: int, cell: Cell, formats: dict[type[date], Any]) -> None:
    if isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, Decimal) or (isinstance(cell, int) and abs(cell) < 10**MOST_DIGITS):
        sheet.write_number(row, column, cell)
    elif isinstance(cell, date):
        moment = cell.astimezone(UTC).replace(tzinfo=None) if isinstance(cell, datetime) else cell
        sheet.write_datetime(row, column, moment, formats[type(cell)])
    elif cell is not None and cell != "":
        sheet.write_string(row, column, CONTROL.sub(" ", safe(cell))[:MOST_LETTERS])
