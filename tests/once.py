"""Slow preparations are done once per test run, by the first process that needs them; the others
wait for it.

    folder = once("static", collect)        # `collect(folder)` fills it, at most once
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

VARIABLE = "NEXTVOICE_TEST_RUN"


@cache
def run_folder() -> Path:
    """The folder of this test run. The first process creates it, passes it on to its children, and
    removes it at exit."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="nextvoice-run-")
        atexit.register(shutil.rmtree, os.environ[VARIABLE], ignore_errors=True)
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder with that name, filled by `make`."""
    made = run_folder() / name
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = Path(tempfile.mkdtemp(dir=run_folder()))
            make(making)
            making.rename(made)  # so that an incomplete folder is never used
    return made
