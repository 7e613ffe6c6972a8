"""What serving, setting up and restoring have to do with DATA_DIR as a whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError


@contextmanager
def private_files() -> Iterator[None]:
    """What this process, and those it starts, make while the block runs is for nobody else."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def in_use(*, alone: bool) -> Iterator[bool]:
    """Have a lock on DATA_DIR while the block runs, which is told whether it could be had: whoever
    serves a site there shares it, a restore has it alone.

    It ends with its process, however that ends. Sites of other machines that have the same
    database are not seen. Raises CommandError where nothing can be written.
    """
    path = Path(settings.DATA_DIR) / "in_use.lock"
    try:
        opened = path.open("w")
    except OSError as problem:
        raise CommandError(f"DATA_DIR: {path} cannot be written: {problem.strerror}.") from None
    with opened as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
