"""Things that take long to make are made once for a whole test run, by the first of its processes
that needs them; the others wait for it.

    folder = once("static", collect)        # `collect(folder)` makes it, at most once
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
    """The folder of this test run. The process that asks first makes it for all that it starts,
    and removes it when it ends."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="nextvoice-run-")
        atexit.register(shutil.rmtree, os.environ[VARIABLE], ignore_errors=True)
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, which `make` has filled."""
    made = run_folder() / name
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = Path(tempfile.mkdtemp(dir=run_folder()))
            make(making)
            making.rename(made)  # so that what was cut short is not there
    return made
