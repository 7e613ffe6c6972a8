"""A report of a million rows is made while it is sent, or on disk, and never as a whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest

from realtime.calls import live
from realtime.money.report_files import PIECE, Cell, csv_pieces, file_pieces
from realtime.money.report_xlsx import Stopped, xlsx_file

HEAD = ["formula", "number", "word"]
MANY = 1_000_000


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
        xlsx_file("Usage", HEAD, waiting)
    assert next(waiting)[1] == 2


def test_a_sheet_of_many_rows_takes_no_more_memory_than_one_of_few() -> None:
    def most(count: int) -> int:
        rows: Iterator[list[Cell]] = ([f"=cmd {n}", n, "word"] for n in range(count))
        tracemalloc.start()
        for _piece in file_pieces(lambda: xlsx_file("Usage", HEAD, rows)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # What is loaded and kept once is not counted.
    few = max(most(10), most(10))
    assert most(5_000) < few + 500_000
