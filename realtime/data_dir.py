"""DATA_DIR as a whole, for serving, setting up and restoring: its locks, and files' permissions."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.core.management.base import CommandError


@contextmanager
def private_files() -> Iterator[None]:
    """Files that this process and its children create inside the block are private."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def in_use(*, alone: bool) -> Iterator[bool]:
    """Hold a lock on DATA_DIR inside the block; yields whether it could be had. Serving shares the
    lock, restoring has it alone.

    The lock ends with its process, however that ends. Sites on other machines with the same
    database are not seen. Raises CommandError where nothing can be written.
    """
    with _opened("in_use.lock") as file:
        yield _locked(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


@contextmanager
def served() -> Iterator[bool]:
    """Be known to serve DATA_DIR inside the block; yields whether another process does already.

    Its lock is another one than that of `in_use`, because finding out takes it alone for a moment.
    """
    with _opened("served.lock") as file:
        others = not _locked(file, fcntl.LOCK_EX)
        fcntl.flock(file, fcntl.LOCK_SH)
        yield others


def _opened(name: str) -> TextIO:
    path = Path(settings.DATA_DIR) / name
    try:
        return path.open("w")
    except OSError as problem:
        raise CommandError(f"DATA_DIR: {path} cannot be written: {problem.strerror}.") from None


def _locked(file: TextIO, kind: int) -> bool:
    """Lock it now; False where other processes' locks do not allow that."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
