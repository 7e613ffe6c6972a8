"""When this process looks for objects that only hold each other.

Whoever has the interpreter lock for that keeps every call waiting, for some microseconds with each
object that is looked at: where many calls run, Python's own rules come to a tenth of a second at a
time. So the youngest are looked at often, few at a time. Older ones are parts of calls that run, or
of calls that are over, and are only worth a look when there are as many of these as of those.
"""

from __future__ import annotations

import asyncio
import gc

from realtime.calls import live

YOUNG = 700
"""So many objects more than before, and the youngest are looked at; some milliseconds."""
MIDDLE = 10
"""After so many such looks those that are left of them are looked at as well."""
OLD = 1_000
"""After so many of these it is all of them, whatever runs: pages leave something too."""
LOOK_SECONDS = 2.0


class Garbage:
    """Follows what there may be. For the loop of this process's calls."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._ended = 0  # calls, when it was last looked for

    def start(self) -> None:
        """All is loaded, and stays: it is not to be looked at again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Look at all, if it is worth it."""
        _, young, middle = gc.get_count()
        if live.ended() - self._ended >= live.count() and young + middle:
            self._ended = live.ended()
            gc.collect()
