"""Reports as spreadsheets. To be imported where one is made: openpyxl takes a fifth of a second."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from realtime.calls import live
from realtime.money.pricing import plain
from realtime.money.report_files import Cell, safe

MOST_DIGITS = 15
"""More than these a spreadsheet's numbers do not keep; such amounts are text there."""
SHEET_ROWS = 1_000_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Stopped(Exception):
    """The file was not finished."""


def xlsx_file(title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> IO[bytes]:
    """An XLSX file that is gone when it is closed; more rows than a sheet holds go on in another.

    Numbers are cells of numbers as long as a spreadsheet keeps all their digits, else text. Raises
    Stopped when this process is to end: a thread that goes on for a minute would keep it from it.
    """
    book = Workbook(write_only=True)
    try:
        _fill(book, title, head, rows)
    except BaseException:
        for sheet in book.worksheets:
            sheet.close()  # or it complains
        raise
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    book.save(file)
    file.seek(0)
    return file


def _fill(book: Workbook, title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    sheet: Any = None
    for count, row in enumerate(rows):
        if live.stopping() or live.retired():
            raise Stopped
        if count % SHEET_ROWS == 0:
            sheet = _sheet(book, title, head)
        sheet.append([_xlsx(sheet, cell) for cell in row])
    if sheet is None:
        _sheet(book, title, head)


def _sheet(book: Workbook, title: str, head: Sequence[str]) -> Any:
    count = len(book.worksheets)
    sheet = book.create_sheet(f"{title[:24]} {count + 1}" if count else title[:31])
    sheet.freeze_panes = "B2"
    sheet.append(list(head))
    return sheet


def _xlsx(sheet: Any, cell: Cell) -> Any:
    if isinstance(cell, int):
        return cell if len(str(abs(cell))) <= MOST_DIGITS else str(cell)
    if isinstance(cell, Decimal):
        short = cell.normalize()
        return short if len(short.as_tuple().digits) <= MOST_DIGITS else plain(cell)
    text = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", safe(cell)))
    text.data_type = "s"
    return text
