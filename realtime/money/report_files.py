"""Reports as text and files: the columns' names, and CSV without formulas.

Amounts keep all their digits. Everything is generated piece by piece, so a long report takes no
more memory than a short one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

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
"""Where a formula may begin within a cell, for programs with other separators than commas."""

Cell = str | int | Decimal | date | None
"""A datetime is a date too."""


def columns(by: str) -> list[str]:
    """The names of a report's columns."""
    if by not in BY:
        return list(ROW)
    about = list(OF_CALL) if by == "call" else [IDS[by]] if by in IDS else []
    return [by, *about, *FIGURES]


def cells(by: str, line: Line) -> list[Cell]:
    """A line's values, in the order of `columns`."""
    about: list[Cell] = []
    label: Cell = line.label
    if by == "call":
        about = [_kept(line.about.get(name)) for name in OF_CALL]
        label = _kept(line.key)
    elif by in IDS:
        about = [str(line.key)]
    elif by in ("day", "week"):
        label = line.key
    figures = {**line.figures, "cost": line.cost, "currency": line.currency}
    return [label, *about, *(figures[name] for name in FIGURES)]


def row_cells(row: Usage) -> list[Cell]:
    """A ledger row's values, in the order of `ROW`."""
    return [_kept(getattr(row, name)) for name in ROW]


def _kept(value: Any) -> Cell:
    """A value as a cell; ids are text there."""
    return value if isinstance(value, int | Decimal | date | None) else str(value)


def text_of(cell: Cell) -> str:
    """A cell as text: decimals with all their digits and no exponent, times in UTC."""
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat()
    return "" if cell is None else str(cell)


def safe(cell: Cell) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = text_of(cell)
    typed = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    return f"'{text}" if typed else text


def _apart(cell: Cell) -> str:
    """The cell as `safe` text for a CSV file. Half of the world's spreadsheets split such files at
    semicolons: parts that would then be cells of their own are no formulas either."""
    text = safe(cell)
    return INNER.sub(r"\1'\2", text) if isinstance(cell, str) else text


class _Echo:
    """What `csv` writes to; gives the text back at once."""

    def write(self, text: str) -> str:
        return text


def csv_pieces(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """A CSV file in UTF-8, piece by piece."""
    writer: Any = csv.writer(_Echo())
    waiting = iter(rows)
    yield b"\xef\xbb\xbf" + str(writer.writerow(head)).encode()
    while piece := list(islice(waiting, PIECE)):
        yield "".join(writer.writerow([_apart(cell) for cell in row]) for row in piece).encode()
