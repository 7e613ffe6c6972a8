"""Commands that are ended by a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def taken_back() -> Iterator[None]:
    """While the block runs, SIGTERM ends it as Ctrl-C does: what was begun is taken back. For the
    main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
