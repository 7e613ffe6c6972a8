"""Memory that is taken by several threads is in one heap."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading
from realtime.serving.heap import have_one_heap

if "one" in sys.argv:
    have_one_heap()
alive, held = threading.Barrier(5), []

def keep():
    held.append(bytes(5000))
    alive.wait()

for _ in range(4):
    threading.Thread(target=keep).start()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
alive.wait()
"""


def heaps(*args: str) -> int:
    """How many a process with five threads has."""
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, *args], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has several heaps")
def test_threads_have_one_heap_together() -> None:
    assert (heaps("one"), heaps() > 1) == (1, True)
