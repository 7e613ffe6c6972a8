"""The chores of a site of several workers, in a process of their own.

    python -m realtime.serving.chores_program

The supervisor starts it, and another in its place after SIGHUP, since what it does follows the
settings: how long conversations are kept, say. Its standard input is the line to the supervisor:
it says there that it is ready, and ends with it.
"""

from __future__ import annotations

import os
from contextlib import suppress

import django

from realtime.logs import hide_in_crashes


def run() -> None:
    """Do the chores until standard input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    hide_in_crashes()
    django.setup()
    # Not before Django is set up.
    from realtime.serving.chores import chores

    with chores(), suppress(OSError):
        os.write(0, b"r")
        while os.read(0, 1):
            pass


if __name__ == "__main__":
    run()
