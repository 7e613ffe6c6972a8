"""Scheduling priorities where a core has more work than it can do: the loop with the audio goes
first.

Only Linux distinguishes these kinds of work, without needing privileges. Elsewhere all are alike.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress

SHORT_SECONDS, LONG_SECONDS = 0.0002, 0.1
"""The time slices to ask for. A thread that wakes up interrupts those with longer slices, and
otherwise waits for the end of a slice, by default three or four milliseconds. Linux 6.12 and later
have this, see sched(7); earlier ones ignore it."""
SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of sched_setattr(2), for which Debian's C libraries have no function."""
ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period


def go_first() -> None:
    """Let this thread, and those that it starts, take over as soon as they have something to do."""
    _take_turns_of(SHORT_SECONDS)


def interrupt_nobody() -> None:
    """Let this process run when its turn comes, not the moment it is woken: whoever woke it would
    lose the core for a whole slice, some milliseconds. And let it be interrupted."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        _take_turns_of(LONG_SECONDS)


def give_way() -> None:
    """Let everything else on the machine go first: this process runs when a core is idle."""
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            os.nice(19)


def _take_turns_of(seconds: float) -> None:
    number = SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return
    policy = os.sched_getscheduler(0)
    if policy in (os.SCHED_OTHER, os.SCHED_BATCH):
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        attr = ATTR.pack(ATTR.size, policy, 0, nice, 0, round(seconds * 1e9), 0, 0)
        # If it is refused, slices are as long as everybody's.
        ctypes.CDLL(None).syscall(number, 0, attr, 0)
