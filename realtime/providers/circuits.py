"""A circuit breaker: an unreachable provider is left alone for a while, and people are told at
once.

Each process learns for itself, from the connections its own calls try to open. After `FAILURES`
failures in a row nobody tries for `OPEN_SECONDS`; then one call does, for all. A provider that says
how long to wait (`Retry-After`) is believed.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from realtime.bridge import UpstreamFailed

FAILURES = 3
OPEN_SECONDS = 30.0
MOST_SECONDS = 300.0
"""The longest that a provider may keep calls away."""
UNHAD = ("provider_unreachable", "provider_timeout")


class Circuit:
    """What this process knows of one provider. For any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._until = 0.0  # nobody tries before

    def admit(self) -> float:
        """Let a call try, and return 0; or the seconds it would have to wait."""
        with self._lock:
            now = self._clock()
            if now < self._until:
                return self._until - now
            if self._failures >= FAILURES:
                # One tries for all; the others wait for its result.
                self._until = now + OPEN_SECONDS
            return 0.0

    def worked(self) -> None:
        """A session was opened."""
        with self._lock:
            self._failures, self._until = 0, 0.0

    def failed(self, failure: UpstreamFailed) -> None:
        """A session could not be opened."""
        with self._lock:
            seconds = failure.retry_after or 0.0
            if failure.reason in UNHAD:
                self._failures += 1
                if self._failures >= FAILURES:
                    seconds = max(seconds, OPEN_SECONDS)
            if seconds:
                self._until = self._clock() + min(seconds, MOST_SECONDS)


_circuits: dict[tuple[uuid.UUID, str], Circuit] = {}


def circuit_of(provider_id: uuid.UUID, url: str) -> Circuit:
    """The circuit of a provider at an address, in this process."""
    return _circuits.setdefault((provider_id, url), Circuit())
