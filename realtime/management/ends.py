"""Commands that can be stopped by a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def taken_back() -> Iterator[None]:
    """While the block runs, SIGTERM interrupts it like Ctrl-C, so that it is undone. For the main
    thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
