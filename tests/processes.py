"""Processes of this machine, from Linux's /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Ids of its child processes that still exist, started by any of its threads."""
    found: list[int] = []
    for told in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, told.read_text().split())
    return found


def command(pid: int) -> str:
    """Its command line; empty if it no longer exists."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""
