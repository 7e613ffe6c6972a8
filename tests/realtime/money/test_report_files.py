"""A report of a million rows is made while it is sent, and never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from realtime.money.report_files import PIECE, Cell, csv_pieces

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
