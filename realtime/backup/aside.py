"""Temporary files of commands: written under another name first, or needed only while it runs."""

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
    """A new private file in this folder while the block runs; its `name` begins with the given one.
    Files of this name that killed commands left there are removed. Raises OSError."""
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
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # another process took it for a leftover


def _remove_left(folder: Path) -> None:
    for path in filter(Path.is_file, folder.glob(f"*{SUFFIX}")):
        with suppress(OSError), path.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
