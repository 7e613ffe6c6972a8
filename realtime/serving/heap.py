"""How this process takes memory from the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

ARENA_MAX = -8
"""The parameter of mallopt(3)."""


def have_one_heap() -> None:
    """Have one heap for all threads that begin from here on.

    The C library has several, so that threads need not wait for each other, which ours do for the
    interpreter anyway. A call's audio is made by one thread and set free by another, and each heap
    keeps what was set free in it: some hundredths more for each call.
    """
    with suppress(AttributeError):  # only glibc has several
        ctypes.CDLL(None).mallopt(ARENA_MAX, 1)
