"""A report of a million rows is made while it is sent, or on disk, and never as a whole."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice

import pytest
from openpyxl import load_workbook

from realtime.calls import live
from realtime.money import report_xlsx
from realtime.money.report_files import PIECE, Cell, csv_pieces
from realtime.money.report_xlsx import Stopped, xlsx_pieces

HEAD = ["formula", "number", "word"]
MANY = 1_000_000


def xlsx(head: list[str], rows: list[list[Cell]]) -> io.BytesIO:
    return io.BytesIO(b"".join(xlsx_pieces("Usage", head, rows)))


def as_xlsx(head: list[str], rows: Iterator[list[Cell]]) -> Iterator[bytes]:
    return xlsx_pieces("Usage", head, rows)


def test_rows_are_read_as_their_piece_is_sent() -> None:
    read = 0

    def rows() -> Iterator[list[Cell]]:
        nonlocal read
        for n in range(MANY):
            read += 1
            yield ["=cmd", n, "word"]

    pieces = csv_pieces(HEAD, rows())
    assert next(pieces) == b"\xef\xbb\xbfformula,number,word\r\n"
    for sent in range(1, 4):
        piece = next(pieces)
        assert (read, piece.count(b"\r\n")) == (sent * PIECE, PIECE)
    assert len(list(islice(pieces, 10))) == 10
    assert read == 13 * PIECE


@pytest.mark.parametrize("why", ["_stopping", "_retired"])
def test_a_sheet_of_many_rows_keeps_no_process_from_its_end(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def rows() -> Iterator[list[Cell]]:
        for n in range(MANY):
            monkeypatch.setattr(live, why, n > 0)
            yield ["word", n, "word"]

    waiting = rows()
    with pytest.raises(Stopped):
        next(xlsx_pieces("Usage", HEAD, waiting))
    assert next(waiting)[1] == 2


def test_a_csv_file_has_its_head_and_every_row() -> None:
    rows = (["=cmd", n, "word"] for n in range(PIECE + 1))
    first, *rest = csv_pieces(HEAD, rows)
    assert first == b"\xef\xbb\xbfformula,number,word\r\n"
    assert [piece.count(b"\r\n") for piece in rest] == [PIECE, 1]


@pytest.mark.parametrize("pieces_of", [csv_pieces, as_xlsx])
def test_a_file_of_many_rows_takes_no_more_memory_than_one_of_few(
    pieces_of: Callable[[list[str], Iterator[list[Cell]]], Iterator[bytes]],
) -> None:
    def most(count: int) -> int:
        rows: Iterator[list[Cell]] = ([f"=cmd {n}", n, "word"] for n in range(count))
        tracemalloc.start()
        for _piece in pieces_of(HEAD, rows):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # What is loaded and kept once is not counted.
    few = max(most(10), most(10))
    assert most(5_000) < few + 500_000


def test_cells_of_a_sheet_are_what_they_were() -> None:
    noon = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=9)))
    row: list[Cell] = [
        'a <b> & "c"  ',
        "שלום\n_x0041_",
        "a\x00b\x1bc\ufffe\rd",
        -3,
        True,
        Decimal("-0.000000000001"),
        Decimal("1E+3"),
        noon,
        east,
        date(2026, 11, 30),
        None,
        "",
    ]
    book = load_workbook(xlsx([str(n) for n in range(len(row))], [row]))
    assert book.sheetnames == ["Usage"]
    head, (found, *_) = book.active[1], book.active.iter_rows(min_row=2)
    assert [cell.value for cell in head] == [str(n) for n in range(len(row) - 2)] + ["10", "11"]
    values = [cell.value for cell in found]
    assert values[0] == row[0]
    assert values[1] in ("שלום\n_x005F_x0041_", row[1])  # not every reader knows that it means _
    assert values[2] == "a b c  d"
    assert values[3:7] == [-3, True, -1e-12, 1000]
    assert values[7:10] == [noon.replace(tzinfo=None)] * 2 + [datetime(2026, 11, 30)]
    assert values[10:] == [None, None]
    assert [found[n].is_date for n in (3, 7, 8, 9)] == [False, True, True, True]
    assert found[8].number_format == "yyyy-mm-dd hh:mm:ss"


def test_more_rows_than_a_sheet_holds_go_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_xlsx, "SHEET_ROWS", 3)
    for count in (0, 1, 3, 4, 6, 7):
        book = load_workbook(xlsx(HEAD, [["a", n, "b"] for n in range(count)]))
        assert book.sheetnames == ["Usage", "Usage 2", "Usage 3"][: len(book.sheetnames)]
        sheets = [[*sheet.iter_rows(values_only=True)] for sheet in book]
        assert {sheet[0] for sheet in sheets} == {tuple(HEAD)}
        assert [row[1] for sheet in sheets for row in sheet[1:]] == list(range(count))
        assert len(sheets) == (count > 6) + (count > 3) + 1
