"""Folders for what workers count (see `realtime.metrics`): one for each supervisor that runs, on
whichever machine, with the same DATA_DIR."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.calls import live

# The supervisor whose folder it is has this file locked.
LOCK = "lock"


@contextmanager
def own_folder(every: Path) -> Iterator[Path]:
    """An empty folder in `every` while the block runs; those that dead supervisors left there go.
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
    except OSError:  # somebody has it, or it is not ours at all
        return False
    return True
