"""How this process gets memory from the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

ARENA_MAX = -8
"""The parameter of mallopt(3)."""


def have_one_heap() -> None:
    """Use one heap for all threads that start from here on.

    The C library has several, so that threads need not wait for each other; ours wait for the
    interpreter anyway. A call's audio is allocated by one thread and freed by another, and each
    heap keeps what was freed in it: some percent more memory per call.
    """
    with suppress(AttributeError):  # only glibc has several
        ctypes.CDLL(None).mallopt(ARENA_MAX, 1)
