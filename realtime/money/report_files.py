"""Reports as text and files: the columns' names, CSV that no spreadsheet runs, and XLSX.

Amounts keep all their digits. Everything is made piece by piece, so a long report takes no more
memory than a short one.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from realtime.models import Usage
from realtime.money.pricing import plain
from realtime.money.reports import AMOUNTS, BY, COUNTED, Line
from realtime.money.usage import MEASURES

IDS = {"account": "account_id", "user": "user_id", "provider": "provider_id"}
OF_CALL = ("started", "account", "user", "provider", "model")
FIGURES = ("calls", "minutes", *COUNTED, *MEASURES, *AMOUNTS, "currency")
ROW = tuple(
    field.attname
    for field in Usage._meta.concrete_fields
    if field.attname not in ("raw", "rates", "price_id")
)
"""Columns of the ledger's own rows."""
MOST_DIGITS = 15
"""More than these a spreadsheet's numbers do not keep; such amounts are text there."""
SHEET_ROWS = 1_000_000
PIECE = 200
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Cell = str | int | Decimal | None


def columns(by: str) -> list[str]:
    """The names of a report's columns."""
    if by not in BY:
        return list(ROW)
    about = list(OF_CALL) if by == "call" else [IDS[by]] if by in IDS else []
    return [by, *about, *FIGURES]


def cells(by: str, line: Line) -> list[Cell]:
    """A line's values, in the order of `columns`."""
    about: list[Cell] = []
    if by == "call":
        about = [_text(line.about.get(name)) for name in OF_CALL]
    elif by in IDS:
        about = [_text(line.key)]
    label = (str(line.key) if line.key else "") if by == "call" else line.label
    figures = {**line.figures, "cost": line.cost, "currency": line.currency}
    return [label, *about, *(figures[name] for name in FIGURES)]


def row_cells(row: Usage) -> list[Cell]:
    """A ledger row's values, in the order of `ROW`."""
    values = (getattr(row, name) for name in ROW)
    return [v if isinstance(v, int | Decimal) else _text(v) for v in values]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "" if value is None else str(value)


def text_of(cell: Cell) -> str:
    """A cell as text: decimals with all their digits and no exponent."""
    return plain(cell) if isinstance(cell, Decimal) else "" if cell is None else str(cell)


def safe(cell: Cell) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = text_of(cell)
    typed = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    return f"'{text}" if typed else text


class _Echo:
    """What `csv` writes to, to have it back at once."""

    def write(self, text: str) -> str:
        return text


def csv_pieces(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """A CSV file in UTF-8, piece by piece."""
    writer: Any = csv.writer(_Echo())
    waiting = iter(rows)
    yield b"\xef\xbb\xbf" + str(writer.writerow(head)).encode()
    while piece := list(islice(waiting, PIECE)):
        yield "".join(writer.writerow([safe(cell) for cell in row]) for row in piece).encode()


def xlsx_file(title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> IO[bytes]:
    """An XLSX file that is gone when it is closed; more rows than a sheet holds go on in another.

    Numbers are cells of numbers as long as a spreadsheet keeps all their digits, else text.
    """
    book = Workbook(write_only=True)
    sheet: Any = None
    for count, row in enumerate(rows):
        if count % SHEET_ROWS == 0:
            sheet = _sheet(book, title, head)
        sheet.append([_xlsx(sheet, cell) for cell in row])
    if sheet is None:
        _sheet(book, title, head)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    book.save(file)
    file.seek(0)
    return file


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


def file_pieces(make: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    """A file's bytes; it is made when the first are asked for, and closed after the last."""
    with make() as file:
        while piece := file.read(64 * 1024):
            yield piece
