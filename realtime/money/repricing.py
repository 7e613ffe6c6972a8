"""What the past would have cost at other prices. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from realtime.models import Price, Usage
from realtime.models.exact import ExactSum
from realtime.money.prices import price_for
from realtime.money.pricing import Prices, Unpriced, cost, priced_part
from realtime.money.report_filters import day_after, midnight
from realtime.money.usage import MEASURES, NOTHING, Counts


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One provider's model: what it cost (`was`, according to the ledger) and would have cost.

    `would` is None where the other price lacks a rate for something that was used. `unpriced`: how
    many of its `rows` had no price, and so are not in `was`.
    """

    provider: str
    model: str
    kind: str
    rows: int
    unpriced: int
    was: Decimal
    was_currency: str
    would: Decimal | None
    would_currency: str

    @property
    def difference(self) -> Decimal | None:
        """How much more it would have cost, if that can be said."""
        if self.would is None or (self.was_currency not in ("", self.would_currency)):
            return None
        return self.would - self.was


def what_if(
    since: date | None = None,
    until: date | None = None,
    prices: Mapping[str, Prices] | None = None,
) -> list[WhatIf]:
    """Re-price the ledger from the UTC day `since` to `until`, both included.

    `prices`: by model; without it, today's prices. Costs are linear, so sums of counts are priced,
    one for each provider, model, kind and currency.
    """
    rows = Usage.objects.all()
    if since is not None:
        rows = rows.filter(created__gte=midnight(since))
    if until is not None:
        rows = rows.filter(created__lt=day_after(until))
    return [_judged(group, prices) for group in _groups(rows)]


def _groups(rows: QuerySet[Usage]) -> Any:
    writing = Q(kind=Usage.Kind.TRANSCRIPTION) | Q(corrects=Usage.Kind.TRANSCRIPTION)
    for kind, of_kind in (
        (Price.Kind.REALTIME, rows.exclude(writing)),
        (Price.Kind.TRANSCRIPTION, rows.filter(writing)),
    ):
        sums = {f"sum_{name}": Sum(name) for name in MEASURES}
        places = ("provider_id", "provider_name", "dialect", "model")
        grouped = of_kind.values(*places).annotate(
            **sums,
            was=ExactSum("cost"),
            count=Count("pk"),
            unpriced=Count("pk", filter=Q(cost=None)),
        )
        for group in grouped.order_by("provider_name", "model"):
            currencies = of_kind.filter(**{name: group[name] for name in places}).exclude(
                currency=""
            )
            told = sorted(set(currencies.values_list("currency", flat=True).order_by()))
            yield {**group, "kind": kind, "was_currency": "+".join(told)}


def _judged(group: Mapping[str, Any], prices: Mapping[str, Prices] | None) -> WhatIf:
    counts = Counts(**{name: group[f"sum_{name}"] for name in MEASURES})
    at = prices.get(group["model"]) if prices is not None else _now(group)
    would: Decimal | None = None
    if at is not None:
        try:
            would = cost(counts, at)
        except Unpriced:
            would = _estimate(counts, at)
    return WhatIf(
        provider=group["provider_name"],
        model=group["model"],
        kind=group["kind"],
        rows=group["count"],
        unpriced=group["unpriced"],
        was=group["was"] or NOTHING,
        was_currency=group["was_currency"],
        would=would,
        would_currency=at.currency if at is not None else "",
    )


def _estimate(counts: Counts, prices: Prices) -> Decimal | None:
    """Rows without a price keep their measures in several ways at once."""
    part = priced_part(counts, prices)
    try:
        return cost(part, prices) if part else None
    except Unpriced:
        return None


def _now(group: Mapping[str, Any]) -> Prices | None:
    price = price_for(
        group["provider_id"], group["dialect"], group["model"], group["kind"], timezone.now()
    )
    return price.prices() if price is not None else None
