"""What a call asks of the quotas, and the answer: limits, and how it may go on. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

WARN_AT = Decimal("0.8")
"""Of a limit: people are warned when so much of it is used."""
NOTHING = Decimal(0)


@dataclass(frozen=True)
class Limit:
    """One limit that applies to a call.

    `scope`: site, account or person. `what`: money_day, money_month (reporting currency),
    minutes_day, calls. `used` includes what other running calls have reserved. `renews`: when it
    starts anew; None: when somebody else's call ends.
    """

    scope: str
    what: str
    most: Decimal
    used: Decimal
    renews: datetime | None = None

    @cached_property
    def left(self) -> Decimal:
        """How much of it is left; never less than nothing."""
        return max(NOTHING, self.most - self.used)

    @cached_property
    def nearly_used_up(self) -> bool:
        """Whether people should be warned. Places are not used up, only taken."""
        return self.what != "calls" and self.used >= self.most * WARN_AT

    @property
    def of_money(self) -> bool:
        """Whether money is what it limits."""
        return self.what.startswith("money")


class OverQuota(Exception):
    """A limit is reached. `limit` is None when a model has no price while money is limited."""

    def __init__(self, limit: Limit | None) -> None:
        super().__init__(f"{limit.scope} {limit.what}" if limit else "unpriced")
        self.limit = limit

    def __reduce__(self) -> tuple[type[OverQuota], tuple[Limit | None]]:
        return type(self), (self.limit,)  # pickle could not recreate it from its text


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call asks for. `running`: what it has used beyond the ledger, and `ahead`: what its
    next seconds cost, both in the reporting currency; both None when it has no price. `own`: it
    uses a provider of its account's own, which costs the site nothing."""

    call_id: uuid.UUID
    account_id: int
    user_id: int
    running: Decimal | None = NOTHING
    ahead: Decimal | None = NOTHING
    own: bool = False

    @property
    def free(self) -> bool:
        """Whether it costs nothing."""
        return not self.running and not self.ahead and self.running is not None


@dataclass(frozen=True, slots=True)
class Terms:
    """How a call may go on. `limits`: what others have used of each, without this call's own
    reservation; `over`: the limit that is reached; `longest` and `idle`: limits of the call's time,
    or None; `began`: when it took its place."""

    limits: Sequence[Limit] = ()
    over: OverQuota | None = None
    longest: timedelta | None = None
    idle: timedelta | None = None
    began: datetime | None = None


def totals(limits: Sequence[Limit]) -> Mapping[str, Limit]:
    """The tightest limit of each kind, by what it limits."""
    tightest: dict[str, Limit] = {}
    for limit in limits:
        other = tightest.get(limit.what)
        if other is None or limit.left < other.left:
            tightest[limit.what] = limit
    return tightest
