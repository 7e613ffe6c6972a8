"""Whether the event loop of this process's calls keeps up.

Where it does not, one more call would not only go badly itself: everybody's audio would come later.
New callers are then told to try again, and may reach another worker; running calls go on.

Two things show it. A loop that is held up has late timers. One that has more to do than its core
allows may have punctual timers, since the work waits in the sockets; but it never rests.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

LATE_SECONDS = 0.1
"""A loop whose timers are always at least this late is held up."""
FULL_SHARE = 0.85
"""Of a second: a thread that works, or waits for a processor, for longer never rests."""
OWN_SHARE = 0.4
"""Of a second: one that works less than this waits for other programs, and fewer calls would not
help."""
BEHIND_SECONDS = 3.0
"""How long it must last: many calls that begin at once are no reason to turn others away."""
SCHEDSTAT = Path("/proc/thread-self/schedstat")


def worked_and_waited() -> tuple[float, float]:
    """For how many seconds this thread has had a processor, and has waited for one while it could
    have run.

    Linux tells both, in ns (the kernel's Documentation/scheduler/sched-stats.rst); elsewhere the
    second is 0.
    """
    with suppress(OSError, ValueError):
        ran, waited, _ = map(int, SCHEDSTAT.read_text().split())
        return ran / 1e9, waited / 1e9
    return time.thread_time(), 0.0


class Pace:
    """Follows how late a loop's timers are, and how much of the time it works."""

    def __init__(self) -> None:
        self._at = self._worked = self._waited = 0.0
        self._since: float | None = None

    def note(self, at: float, late: float, worked: float, waited: float) -> None:
        """A timer went off at `at`, by the loop's clock, `late` seconds late, when its thread had
        worked, and waited for a processor, for so many seconds in all."""
        passed, own, others = at - self._at, worked - self._worked, waited - self._waited
        full = own >= passed * OWN_SHARE and own + others >= passed * FULL_SHARE
        self._at, self._worked, self._waited = at, worked, waited
        if late <= LATE_SECONDS and not full:
            self._since = None
        elif self._since is None:
            self._since = at - late

    def rest(self) -> None:
        """There are no calls any more."""
        self._since = None

    @property
    def behind(self) -> bool:
        """Whether it was held up or full for too long."""
        return self._since is not None and self._at - self._since >= BEHIND_SECONDS


pace = Pace()
"""That of the loop of this process's calls."""
