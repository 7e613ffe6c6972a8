"""Files that a command writes under another name first, or needs only while it runs."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

SUFFIX = ".nextvoice-part"


@contextmanager
def aside(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A new file of this folder, for nobody else, while the block runs; its `name` begins with this
    one. What killed commands left there of theirs, whatever it was for, goes. Raises OSError."""
    _remove_left(folder)
    file = _locked(folder, name)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def _locked(folder: Path, name: str) -> IO[bytes]:
    """A new file with a lock on it, which ends with its process, however that ends."""
    while True:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115
            prefix=f"{name}-", suffix=SUFFIX, dir=folder, delete=False
        )
        with suppress(OSError):  # there are file systems without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # somebody took it for one that was left


def _remove_left(folder: Path) -> None:
    for path in filter(Path.is_file, folder.glob(f"*{SUFFIX}")):
        with suppress(OSError), path.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
