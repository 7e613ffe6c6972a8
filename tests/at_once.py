"""Runs a function in several threads at once, each with its own database connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

from realtime.db import with_connection


def at_once(count: int, work: Callable[[int], None]) -> list[Exception]:
    """Call `work(0)`, `work(1)`, ... together and wait for all; returns what they raised."""
    together = threading.Barrier(count)
    failures: list[Exception] = []

    def run(number: int) -> None:
        together.wait()
        try:
            work(number)
        except Exception as problem:
            failures.append(problem)

    threads = [
        threading.Thread(target=with_connection, args=(run, number)) for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
