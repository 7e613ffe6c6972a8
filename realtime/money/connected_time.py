"""Connected time, where a provider bills it: estimated in slices, until the provider reports it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from realtime.models import Usage
from realtime.money.ledger import Entry
from realtime.money.usage import Counts, counts_of

SLICE_SECONDS = 15
"""The length of a slice, which is one row."""


class ConnectedTime:
    """The connected time of one call. `estimates`: whether its model is billed by time. `put(key,
    kind, ...)` puts a row into the ledger, and returns it."""

    def __init__(
        self, put: Callable[..., Entry], *, estimates: bool, clock: Callable[[], float]
    ) -> None:
        self._put = put
        self._estimates = estimates
        self._clock = clock
        self._since: float | None = None  # it is in the ledger up to here; None: no session yet
        self._since_then = datetime.now(UTC)  # the same moment, of which prices are asked
        self._reported = Decimal(0)  # by this session
        self._slices: list[Entry] = []  # of which nothing was reported yet
        self._slice = 0

    @property
    def open_seconds(self) -> Decimal:
        """Time to be estimated that has no row yet."""
        if not self._estimates or self._since is None:
            return Decimal(0)
        return Decimal(int((self._clock() - self._since) * 1000)) / 1000

    def estimates_now(self, estimates: bool) -> None:
        """Its price may have changed; earlier time is billed as it was."""
        if estimates and not self._estimates and self._since is not None:
            self._count_from_now()
        elif not estimates:
            self.tick(last=True)
        self._estimates = estimates

    def begin(self) -> None:
        """An upstream session has begun; the one before is gone."""
        self.tick(last=True)
        self._reported = Decimal(0)
        self._slices.clear()
        self._count_from_now()

    def _count_from_now(self) -> None:
        self._since, self._since_then = self._clock(), datetime.now(UTC)

    def tick(self, last: bool = False) -> None:
        """Write a slice, if one is due. To be called every few seconds."""
        seconds = self.open_seconds
        if seconds and (last or seconds >= SLICE_SECONDS):
            self._slice += 1
            given = {"counts": Counts(seconds=seconds), "created": self._since_then}
            self._slices.append(self._put(f"time {self._slice}", Usage.Kind.TIME, **given))
            self._count_from_now()

    def billed(self) -> None:
        """The provider has billed everything up to now: take the estimates back."""
        slices, self._slices = self._slices, []
        self._count_from_now()
        for entry in slices:
            # On that day; the ledger makes it the opposite of what it has of the estimate.
            none = {"counts": Counts(), "created": entry.created}
            self._put(entry.key, Usage.Kind.CORRECTION, **none)

    def told(self, usage: Any) -> None:
        """How much there was since the session began, as GPT-Live reports it."""
        more = counts_of(usage).seconds - self._reported
        if more > 0:
            self._reported += more
            self.billed()
            raw = {"seconds": f"{more:f}", "in_all": usage}
            self._put(f"time to {self._reported:f}", Usage.Kind.TIME, raw=raw)
