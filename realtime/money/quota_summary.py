"""What is left of the quotas of a person or an account, for their pages.

context["quota"] = quota_summary(user=person)
{% include "realtime/_quota.html" %}
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from chats.models import Account, User
from realtime.money.books import Books
from realtime.money.prices import reporting_currency
from realtime.money.quota_words import amount_words, named
from realtime.money.terms import Limit, Wish


@dataclass(frozen=True, slots=True)
class Line:
    """One limit, in words. `part`: how much of it is used, 0 to 1."""

    name: str
    left: str
    part: float
    limit: Limit


@dataclass(frozen=True, slots=True)
class Summary:
    """The limits that apply, how long one call may be, and how many run (None: any number may)."""

    lines: Sequence[Line]
    longest: timedelta | None
    places: Limit | None

    def __bool__(self) -> bool:
        return bool(self.lines or self.longest or self.places)

    @property
    def longest_minutes(self) -> int | None:
        """How long one call may be."""
        return int(self.longest.total_seconds()) // 60 if self.longest else None


def quota_summary(*, user: User | None = None, account: Account | None = None) -> Summary:
    """What a person (by their own account), or an account, may still use."""
    payer = account or (user.own_account if user else None)
    wish = Wish(uuid.uuid4(), payer.pk if payer else 0, user.pk if user else 0)
    terms = Books([wish], timezone.now(), locking=False).judge(wish)
    currency = reporting_currency()
    lines = [
        Line(
            name=named(limit, currency),
            left=amount_words(limit.what, limit.left, currency),
            part=min(1.0, float(limit.used / limit.most)) if limit.most else 1.0,
            limit=limit,
        )
        for limit in terms.limits
        if limit.what != "calls"
    ]
    places = [limit for limit in terms.limits if limit.what == "calls"]
    return Summary(lines, terms.longest, min(places, key=lambda each: each.left, default=None))
