"""Who goes first where a core has more to do than it can: the loop that audio passes through.

Only Linux tells these kinds of work apart, and anybody may choose them. Elsewhere all are alike.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def interrupt_nobody() -> None:
    """Let this process run when its turn comes, not the moment it is woken: who wakes it is in the
    middle of something, and would wait for its whole turn, which is some milliseconds."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def give_way() -> None:
    """Let everybody else of the machine go first: this process runs when a core has no other
    work."""
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            os.nice(19)
