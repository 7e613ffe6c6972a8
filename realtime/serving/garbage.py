"""When this process collects cyclic garbage.

A collection holds the interpreter lock and keeps every call waiting, some microseconds for each
object it examines: with many calls, Python's own schedule comes to a tenth of a second at a time.
So the youngest objects are examined often, few at a time. Older ones belong to running calls or to
calls that are over, and are examined only when at least as many calls have ended as are running.
"""

from __future__ import annotations

import asyncio
import gc

from realtime.calls import live

YOUNG = 700
"""The youngest generation is collected after so many new objects; it takes some milliseconds."""
MIDDLE = 10
"""After so many of these collections the middle generation is collected as well."""
OLD = 1_000
"""After so many of those, everything: pages leave garbage too."""
LOOK_SECONDS = 2.0


class Garbage:
    """Decides when to collect. For the loop of this process's calls."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._ended = 0  # calls, at the last full collection

    def start(self) -> None:
        """All is loaded, and stays: it is never examined again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Collect everything, if it is worth it."""
        _, young, middle = gc.get_count()
        if live.ended() - self._ended >= live.count() and young + middle:
            self._ended = live.ended()
            gc.collect()
