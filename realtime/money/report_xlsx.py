"""Reports as spreadsheets: Office Open XML (ECMA-376), written row by row while it is sent.

Such a file is a ZIP of XML. Libraries make the whole of it first, which takes a minute for a ledger
of 100,000 rows; only what a table needs is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

from realtime.money.pricing import plain
from realtime.money.report_files import PIECE, Cell, safe

MOST_DIGITS = 15
"""More than these a spreadsheet's numbers do not keep; such amounts are text there."""
SHEET_ROWS = 1_000_000
SHEET_BYTES = 1_500_000_000
"""Of a sheet's XML: beyond 2 GB a ZIP is of a kind that not every spreadsheet opens."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS = "http://schemas.openxmlformats.org"
OFFICE = f"{FORMATS}/officeDocument/2006/relationships"
MAIN = f'xmlns="{FORMATS}/spreadsheetml/2006/main"'
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

TYPES = (
    f'{XML}<Types xmlns="{FORMATS}/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Default Extension="xml" ContentType="{KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/></Types>'
)
DAY, TIME = 1, 2
"""Places among the formats of cells in `STYLES`; a number without one would be no day."""
PLAIN = 'fontId="0" fillId="0" borderId="0"'
STYLES = (
    f'{XML}<styleSheet {MAIN}><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    f'<cellStyleXfs count="1"><xf numFmtId="0" {PLAIN}/></cellStyleXfs>'
    f'<cellXfs count="3"><xf numFmtId="0" {PLAIN} xfId="0"/>'
    f'<xf numFmtId="164" {PLAIN} xfId="0" applyNumberFormat="1"/>'
    f'<xf numFmtId="165" {PLAIN} xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
SHEET = (
    f'{XML}<worksheet {MAIN}><sheetViews><sheetView workbookViewId="0">'
    '<pane xSplit="1" ySplit="1" topLeftCell="B2" activePane="bottomRight" state="frozen"/>'
    "</sheetView></sheetViews>"
    '<cols><col min="1" max="{columns}" width="20" customWidth="1"/></cols><sheetData>'
)
SHEET_END = "</sheetData></worksheet>"

FIRST_DAY = date(1899, 12, 30)
"""The day 0 of spreadsheets."""
NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""How a text begins that spreadsheets would read as the letter of this number."""


class _Pipe:
    """What the ZIP is written to, to have it back at once."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.waiting.append(piece)
        return len(piece)

    def flush(self) -> None:
        """There is nothing that waits elsewhere."""

    def taken(self) -> bytes:
        piece = b"".join(self.waiting)
        self.waiting.clear()
        return piece


def xlsx_pieces(title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """An XLSX file, piece by piece; more rows than a sheet holds go on in another.

    Numbers are cells of numbers as long as a spreadsheet keeps all their digits, else text; days
    and times (of UTC) are such cells; text is never a formula.
    """
    pipe, waiting, titles = _Pipe(), iter(rows), list[str]()
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=1) as book:  # type: ignore[call-overload]
        book.writestr("[Content_Types].xml", TYPES)
        book.writestr("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
        yield pipe.taken()
        more: Iterable[Sequence[Cell]] | None = ()
        while more is not None:
            titles.append(f"{title[:24]} {len(titles) + 1}" if titles else title[:31])
            with book.open(f"xl/worksheets/sheet{len(titles)}.xml", "w") as sheet:
                for piece in _sheet(head, chain(more, waiting)):
                    sheet.write(piece)
                    yield pipe.taken()
            row = next(waiting, None)
            more = None if row is None else (row,)
        _end(book, titles)
    yield pipe.taken()


def _end(book: ZipFile, titles: Sequence[str]) -> None:
    """What is known when all sheets are there."""
    numbered = list(enumerate(titles, 1))
    sheets = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{n}" r:id="rId{n}"/>' for n, title in numbered
    )
    book.writestr(
        "xl/workbook.xml",
        f'{XML}<workbook {MAIN} xmlns:r="{OFFICE}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{sheets}</sheets></workbook>",
    )
    parts = [("worksheet", f"worksheets/sheet{n}.xml") for n, _title in numbered]
    book.writestr("xl/_rels/workbook.xml.rels", _relations([*parts, ("styles", "styles.xml")]))
    book.writestr("xl/styles.xml", STYLES)


def _relations(parts: Iterable[tuple[str, str]]) -> str:
    told = "".join(
        f'<Relationship Id="rId{n}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(parts, 1)
    )
    return (
        f'{XML}<Relationships xmlns="{FORMATS}/package/2006/relationships">{told}</Relationships>'
    )


def _sheet(head: Sequence[str], rows: Iterator[Sequence[Cell]]) -> Iterator[bytes]:
    """The XML of a sheet of as many rows as it may have, piece by piece."""
    letters, size = _letters(len(head)), 0
    yield (SHEET.format(columns=len(head)) + _row(1, letters, head)).encode()
    for first in range(2, SHEET_ROWS + 2, PIECE):
        most = min(PIECE, SHEET_ROWS + 2 - first)
        found = [_row(first + n, letters, row) for n, row in enumerate(islice(rows, most))]
        piece = "".join(found).encode()
        size += len(piece)
        yield piece
        if len(found) < most or size > SHEET_BYTES:
            break
    yield SHEET_END.encode()


def _letters(columns: int) -> list[str]:
    """What columns are called: A to Z, AA and so on."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pairs = (f"{first}{letter}" for first in alphabet for letter in alphabet)
    return list(islice(chain(alphabet, pairs), columns))


def _row(number: int, letters: Sequence[str], cells: Sequence[Cell]) -> str:
    made = "".join(
        f'<c r="{letter}{number}"{CELLS.get(type(cell), _of_text)(cell)}</c>'
        for letter, cell in zip(letters, cells, strict=True)
        if cell is not None and cell != ""
    )
    return f'<row r="{number}">{made}</row>'


def _of_text(cell: str) -> str:
    text = NO_XML.sub(" ", safe(cell))
    if "_x" in text:
        text = ESCAPED.sub("_x005F_", text)
    return f' t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is>'


def _of_int(cell: int) -> str:
    return f"><v>{cell}</v>" if abs(cell) < 10**MOST_DIGITS else _of_text(str(cell))


def _of_decimal(cell: Decimal) -> str:
    text = plain(cell)
    # What is before the first digit that is not 0 is no digit of a float.
    if len(text.replace(".", "").strip("-").strip("0")) <= MOST_DIGITS:
        return f"><v>{text}</v>"
    return _of_text(text)


def _of_time(cell: datetime) -> str:
    moment = cell.astimezone(UTC)
    begun = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    return f' s="{TIME}"><v>{(moment - begun).total_seconds() / 86400!r}</v>'


CELLS: dict[type, Callable[[Any], str]] = {
    str: _of_text,
    int: _of_int,
    bool: lambda cell: f' t="b"><v>{int(cell)}</v>',
    Decimal: _of_decimal,
    datetime: _of_time,
    date: lambda cell: f' s="{DAY}"><v>{(cell - FIRST_DAY).days}</v>',
}
"""By a cell's type, its attributes and what is in it."""
