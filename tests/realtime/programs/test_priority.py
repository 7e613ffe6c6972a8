"""Who goes first, as the kernel has noted it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from realtime.programs.priority import LONG_SECONDS, SETATTR, SHORT_SECONDS

LINUX = sys.platform == "linux" and platform.machine() in SETATTR
TOLD = """
import ctypes, os, threading
from realtime.programs import priority

def tell():
    attr = ctypes.create_string_buffer(priority.ATTR.size)
    number = priority.SETATTR[os.uname().machine] + 1  # sched_getattr(2)
    assert ctypes.CDLL(None).syscall(number, 0, attr, len(attr), 0) == 0
    _, policy, _, nice, _, runtime, _, _ = priority.ATTR.unpack(attr.raw)
    print(policy, nice, runtime)

{then}
"""


def told(then: str) -> list[list[int]]:
    """What a process says of itself: policy, nice value and length of turns in ns."""
    code = TOLD.format(then=then)
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    return [[int(each) for each in line.split()] for line in done.stdout.splitlines()]


def turns(seconds: float) -> int:
    """What a kernel makes of it: one that has no such turns says nothing of them."""
    major, minor = (int(each) for each in platform.release().split(".")[:2])
    return round(seconds * 1e9) if (major, minor) >= (6, 12) else 0


@pytest.mark.skipif(not LINUX, reason="only Linux tells kinds of work apart")
def test_the_loop_and_its_threads_have_short_turns() -> None:
    then = "priority.go_first(); tell()\nthread = threading.Thread(target=tell); thread.start()"
    assert told(then) == [[os.SCHED_OTHER, os.nice(0), turns(SHORT_SECONDS)]] * 2


@pytest.mark.skipif(not LINUX, reason="only Linux tells kinds of work apart")
def test_a_program_beside_it_has_long_ones_and_stays_behind() -> None:
    then = "priority.go_first(); os.nice(15); priority.interrupt_nobody(); tell()"
    assert told(then) == [[os.SCHED_BATCH, min(os.nice(0) + 15, 19), turns(LONG_SECONDS)]]


@pytest.mark.skipif(not LINUX, reason="only Linux tells kinds of work apart")
def test_who_gives_way_is_idle() -> None:
    ((policy, _, _),) = told("priority.go_first(); priority.give_way(); tell()")
    assert policy == os.SCHED_IDLE
