"""Who goes first where a core has more to do than it can: the loop that audio passes through.

Only Linux tells these kinds of work apart, and anybody may choose them. Elsewhere all are alike.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress

SHORT_SECONDS, LONG_SECONDS = 0.0002, 0.1
"""How long turns may be: who wakes interrupts those whose turns are longer, and else waits for the
end of a turn, which is three milliseconds or four by itself. Linux 6.12 and later have this, see
sched(7); earlier ones do not mind being told."""
SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of sched_setattr(2), for which Debian's C libraries have no function."""
ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period


def go_first() -> None:
    """Let this thread, and those that it begins, take over as soon as they have something to do."""
    _take_turns_of(SHORT_SECONDS)


def interrupt_nobody() -> None:
    """Let this process run when its turn comes, not the moment it is woken: who wakes it is in the
    middle of something, and would wait for its whole turn, which is some milliseconds. And let it
    be interrupted."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        _take_turns_of(LONG_SECONDS)


def give_way() -> None:
    """Let everybody else of the machine go first: this process runs when a core has no other
    work."""
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
        # Should it be refused, turns are as long as everybody's.
        ctypes.CDLL(None).syscall(number, 0, attr, 0)
