"""Reports as text and files: the columns' names, and CSV that no spreadsheet runs.

Amounts keep all their digits. Everything is made piece by piece, so a long report takes no more
memory than a short one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from realtime.models import Usage
from realtime.money.pricing import plain
from realtime.money.report_sums import AMOUNTS, COUNTED
from realtime.money.reports import BY, Line
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
PIECE = 200

INNER = re.compile(r"([;\t\r\n][\s\"']*)([=+\-@])")
"""Where a formula may begin within a cell, for who takes other separators than commas."""

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


def _apart(cell: Cell) -> str:
    """The cell as `safe` text for a CSV file, which half of the world's spreadsheets read with
    semicolons: what such a one would take for a cell of its own is no formula either."""
    text = safe(cell)
    return INNER.sub(r"\1'\2", text) if isinstance(cell, str) else text


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
        yield "".join(writer.writerow([_apart(cell) for cell in row]) for row in piece).encode()


def file_pieces(make: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    """A file's bytes; it is made when the first are asked for, and closed after the last."""
    with make() as file:
        while piece := file.read(64 * 1024):
            yield piece
