"""Limits the sockets that one person has at the same time in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

TOO_MANY = 4429
"""Close code: the page tries again later, as others may have been closed."""


class Places:
    """Counts each person's sockets of one kind."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()

    @contextmanager
    def one(self, person: int, most: int) -> Iterator[bool]:
        """A place for a socket while the block runs; False if the person has `most` already."""
        if self._taken[person] >= most:
            yield False
            return
        self._taken[person] += 1
        try:
            yield True
        finally:
            self._taken[person] -= 1
            if not self._taken[person]:
                del self._taken[person]
