"""Proves that the daily sums are those of the ledger, and makes them anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncDate

from realtime.models import Usage, UsageDay
from realtime.models.exact import ExactSum
from realtime.money.usage import MEASURES, NOTHING

PLACE = (
    "account_id",
    "user_id",
    "provider_id",
    "own",
    "model",
    "kind",
    "corrects",
    "status",
    "currency",
    "source",
)
"""What tells the sums of a day apart."""
NAMES = ("account_name", "user_name", "provider_name")
COLUMNS = (*MEASURES, "cost", "rows")

Place = tuple[Any, ...]
"""The day, and the values of `PLACE`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A column of a day's sums that differs from the ledger."""

    place: Place
    column: str
    ledger: Decimal | int
    rollup: Decimal | int


def differences() -> Iterator[Difference]:
    """Every column of every day's sums that differs from the ledger. None: all is proved."""
    kept = {_place(row, "day"): row for row in UsageDay.objects.order_by().values()}
    for group in _groups():
        place = _place(group, "on")
        found = kept.pop(place, None)
        yield from _compare(place, _sums(group), found or {})
    for place, row in kept.items():
        yield from _compare(place, {}, row)


def _compare(
    place: Place, ledger: Mapping[str, Any], rollup: Mapping[str, Any]
) -> Iterator[Difference]:
    for column in COLUMNS:
        told, kept = ledger.get(column, 0), rollup.get(column, 0)
        if told != kept:
            yield Difference(place, column, told, kept)
    if not ledger and rollup and not any(rollup[column] for column in COLUMNS):
        yield Difference(place, "rows", 0, 0)


def rebuild() -> int:
    """Make the daily sums anew from the ledger; returns how many there are.

    Whoever adds to the ledger meanwhile waits until it is done.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            return _rebuild_inside()
        UsageDay.objects.all().delete()
        made = (
            UsageDay(
                day=group["on"],
                provider_key=str(group["provider_id"] or ""),
                **{name: group[name] for name in PLACE},
                **{name: group[f"max_{name}"] for name in NAMES},
                **_sums(group),
            )
            for group in _groups()
        )
        return len(UsageDay.objects.bulk_create(made, batch_size=500))


def _rebuild_inside() -> int:
    """The same within PostgreSQL, so that a million rows need not travel."""
    place, measures = ", ".join(PLACE), ", ".join(MEASURES)
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE realtime_usageday IN EXCLUSIVE MODE")
        cursor.execute("DELETE FROM realtime_usageday")
        cursor.execute(
            f"INSERT INTO realtime_usageday (day, provider_key, {place}, {measures}, cost, rows, "
            f"{', '.join(NAMES)}) SELECT (created AT TIME ZONE 'UTC')::date AS day, "
            f"coalesce(provider_id::text, ''), {place}, {sums}, coalesce(sum(cost), 0), count(*), "
            f"{', '.join(f'max({name})' for name in NAMES)} "
            f"FROM realtime_usage GROUP BY day, {place}"
        )
        return int(cursor.rowcount)


def _groups() -> Iterator[Mapping[str, Any]]:
    grouped = (
        Usage.objects.order_by()
        .annotate(on=TruncDate("created", tzinfo=UTC))
        .values("on", *PLACE)
        .annotate(
            **{f"sum_{name}": Sum(name) for name in MEASURES},
            sum_cost=ExactSum("cost"),
            **{f"max_{name}": Max(name) for name in NAMES},
            count=Count("pk"),
        )
    )
    return iter(grouped.iterator(chunk_size=2000))


def _sums(group: Mapping[str, Any]) -> dict[str, Any]:
    sums = {name: group[f"sum_{name}"] for name in MEASURES}
    return {**sums, "cost": group["sum_cost"] or NOTHING, "rows": group["count"]}


def _place(row: Mapping[str, Any], day: str) -> Place:
    provider = str(row["provider_id"] or "")
    return (row[day], *(provider if name == "provider_id" else row[name] for name in PLACE))
