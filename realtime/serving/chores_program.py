"""The chores of a site with several workers, in a process of their own.

    python -m realtime.serving.chores_program

The supervisor starts it, and replaces it after SIGHUP, since it follows the settings: how long
conversations are kept, for example. Its standard input is its line to the supervisor: there it says
that it is ready, and it ends when the line does.
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
