"""Whether the loop of this process's calls keeps up.

Where it does not, one call more does not only go badly itself: what everybody hears comes later. So
whoever wants to begin then is told to try again, and may come to another worker; those who talk
already go on. A core that is merely full is not seen here: what waits then, waits in the sockets.
"""

from __future__ import annotations

LATE_SECONDS = 0.1
"""A loop that is never quicker than this has more to do than it can."""
BEHIND_SECONDS = 3.0
"""For so long: many calls that begin at once are no reason to turn others away."""


class Pace:
    """Follows how late the timers of a loop are."""

    def __init__(self) -> None:
        self._late_for = 0.0
        self._at = 0.0

    def note(self, at: float, late: float) -> None:
        """A timer went off at `at`, by the loop's clock, which was `late` seconds late."""
        if late <= LATE_SECONDS:
            self._late_for = 0.0
        elif self._late_for:
            self._late_for += at - self._at
        else:
            self._late_for = late
        self._at = at

    def rest(self) -> None:
        """There are no calls any more."""
        self._late_for = 0.0

    @property
    def behind(self) -> bool:
        """Whether it was late for too long."""
        return self._late_for >= BEHIND_SECONDS


pace = Pace()
"""That of the loop of this process's calls."""
