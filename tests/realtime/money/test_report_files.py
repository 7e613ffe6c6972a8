"""A report of a million rows takes no more memory than one of a thousand."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from realtime.money.report_files import Cell, csv_pieces, file_pieces, xlsx_file

HEAD = [f"column {n}" for n in range(20)]


def rows(count: int) -> Iterator[list[Cell]]:
    for n in range(count):
        yield [f"=cmd {n}", n, Decimal(n) / 7, None, *["word"] * 16]


def as_csv(count: int) -> Iterator[bytes]:
    return csv_pieces(HEAD, rows(count))


def as_xlsx(count: int) -> Iterator[bytes]:
    return file_pieces(lambda: xlsx_file("Report", HEAD, rows(count)))


def most(pieces: Iterator[bytes]) -> tuple[int, int]:
    """The size of a file, and how much memory was in use at once while it was made."""
    tracemalloc.start()
    try:
        size = sum(map(len, pieces))
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("make", "count"), [(as_csv, 20_000), (as_xlsx, 2_000)])
def test_a_long_report_takes_no_more_memory(
    make: Callable[[int], Iterator[bytes]], count: int
) -> None:
    most(make(10))
    short, first = most(make(count // 20))
    long, second = most(make(count))
    assert long > 15 * short
    assert second < first + 1024 * 1024
