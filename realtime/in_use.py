"""Whether a site is served from DATA_DIR: whoever serves it shares a lock, a restore has it alone.

The lock ends with its process, however that ends. Sites of other machines that have the same
database are not seen.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


@contextmanager
def in_use(*, alone: bool) -> Iterator[bool]:
    """Have the lock while the block runs, which is told whether it could be had."""
    path = Path(settings.DATA_DIR) / "in_use.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
