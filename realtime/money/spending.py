"""What a site, an account or a person spent in a period, from the ledger's daily sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from django.db.models import BigIntegerField, DateField, Sum

from realtime.models.exact import ExactSum
from realtime.models.money import Source, UsageDay
from realtime.money.prices import Rates
from realtime.money.pricing import EXACT
from realtime.money.usage import NOTHING
from realtime.prepared import Given, Prepared


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose spending: an account's, a person's, a person's in an account, or (with neither) the
    site's."""

    account_id: int | None = None
    user_id: int | None = None

    def filters(self) -> dict[str, int]:
        """As a filter of Usage or UsageDay."""
        given = {"account_id": self.account_id, "user_id": self.user_id}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Spent:
    """`amount`: in the reporting currency, exact. `unconverted`: by currency, amounts without an
    exchange rate. `unpriced`: how many rows have no price."""

    amount: Decimal = NOTHING
    unconverted: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0


@cache
def _sums(*scope: str) -> Prepared[tuple[date, str, str, Decimal, int]]:
    """The daily sums, by day, currency and source; for the columns of a scope."""
    filters: dict[str, Any] = {name: Given(name, BigIntegerField()) for name in scope}
    since, until = Given("since", DateField()), Given("until", DateField())
    days = UsageDay.objects.filter(**filters or {"own": False}, day__gte=since, day__lte=until)
    sums = days.values_list("day", "currency", "source").annotate(ExactSum("cost"), Sum("rows"))
    return Prepared(lambda: sums.order_by("day"))


def spent(scope: Scope, since: date, until: date | None = None) -> Spent:
    """What was spent from the UTC day `since` to `until` (both included; None: up to now).

    The site's spending leaves out providers of accounts' own, which only those pay for. From the
    daily sums, so it reads a few indexed rows however long the ledger is.
    """
    filters = scope.filters()
    sums = _sums(*filters).all(**filters, since=since, until=until or date.max)
    rates, result, unconverted = Rates(), Spent(), dict[str, Decimal]()
    for day, currency, source, money, count in sums:
        if source == Source.UNPRICED:
            result = replace(result, unpriced=result.unpriced + count)
            continue
        amount = rates.convert(money, currency, day)
        if amount is None:
            unconverted[currency] = unconverted.get(currency, NOTHING) + money
        else:
            result = replace(result, amount=EXACT.add(result.amount, amount))
    return replace(result, unconverted=unconverted)
