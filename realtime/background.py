"""Threads whose work may wait while somebody talks."""

from __future__ import annotations

import os
import sys
import threading

WRITER, ENCODER = 3, 10
"""How far behind the event loop's thread a thread stands, as `nice` has it."""


def give_way(nice: int) -> None:
    """Let this thread run when others of the machine leave it the time: audio goes first.

    Only Linux has priorities of threads; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
