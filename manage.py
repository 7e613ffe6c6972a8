#!/usr/bin/env python3
"""Django's command line for NextVoice."""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import TextIO

# Some of what is installed for NextVoice; another project's Python has not all of it.
NEEDED = ("django", "channels", "environ", "pythonjsonlogger")


def main() -> None:
    """Run the command; what is wrong with the settings or the database is told in one line."""
    if "serve" in sys.argv:
        # What it means depends on how many serve: it waits until `serve` knows.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    _with_what_was_installed()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import base, execute_from_command_line
    from django.db import Error

    from realtime.db import in_words
    from realtime.logs import hide_in_crashes, last_words

    hide_in_crashes()
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (it was closed from the start)
    try:
        _ = settings.INSTALLED_APPS  # read now: each command would fail in a way of its own
    except ImproperlyConfigured as problem:
        sys.exit(last_words(str(problem)))
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except Error as problem:
        if (told := in_words(problem)) is None:
            raise
        sys.exit(last_words(told))
    except OSError as problem:
        *_, (last, _line) = walk_tb(problem.__traceback__)
        if last.f_code.co_filename not in (base.__file__, __file__):
            raise  # something else cannot be written
        _give_up(sys.stdout)
        ended = problem.__context__
        if isinstance(ended, SystemExit) and ended.code:
            sys.exit(ended.code)  # the command has said what is wrong
        if isinstance(problem, BrokenPipeError):
            sys.exit(128 + signal.SIGPIPE)  # whoever reads it, such as `head`, has enough
        sys.exit(last_words(f"Standard output cannot be written: {problem.strerror}"))


def _give_up(out: TextIO) -> None:
    """Let what it still holds be lost: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _with_what_was_installed() -> None:
    """Where this Python lacks something, go on with the one that `make run` installed it for."""
    if all(find_spec(name) for name in NEEDED):
        return
    own = Path(__file__).resolve().parent / ".venv"
    python = own / "bin" / "python"
    if not python.exists() or own.samefile(sys.prefix):
        sys.exit("What NextVoice needs is not installed: “make run” does that, in .venv.")
    os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # also while it is still being loaded
        sys.exit(128 + signal.SIGINT)  # as shells say it, and no traceback
