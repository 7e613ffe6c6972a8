"""Folders for the metrics of workers (see `realtime.metrics`): one for each running supervisor that
has this DATA_DIR, on whichever machine."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.calls import live

# The supervisor that owns a folder keeps this file in it locked.
LOCK = "lock"


@contextmanager
def own_folder(every: Path) -> Iterator[Path]:
    """An empty folder in `every` while the block runs; folders of dead supervisors are removed.
    Raises OSError."""
    every.mkdir(exist_ok=True)
    with (every / LOCK).open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        for folder in every.iterdir():
            if folder.is_dir() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        own = Path(tempfile.mkdtemp(prefix=f"{live.host()}-", dir=every))
        locked = (own / LOCK).open("w")
        fcntl.flock(locked, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        locked.close()


def _is_left(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its owner lives, or it is none of ours
        return False
    return True
