"""What reports add up in the database: usage by group and currency, and calls by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, DateField, F, Max, Min, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncDate, TruncMonth, TruncWeek

from realtime.models import Usage
from realtime.models.exact import ExactSum
from realtime.models.money import Source
from realtime.money.prices import Rates, reporting_currency
from realtime.money.pricing import EXACT
from realtime.money.report_filters import Filters, midnight
from realtime.money.usage import MEASURES, NOTHING

COUNTED = ("answers", "transcriptions", "interrupted", "failed", "unpriced")
AMOUNTS = (
    "reported",
    "estimated",
    "corrections",
    "transcription_cost",
    "interrupted_cost",
    "failed_cost",
    "cost",
)
"""In the line's currency. `reported` + `estimated` + `corrections` = `cost`; the others are parts
of it. `corrections` turned estimates into what providers reported later."""
MOST_PERIODS = 60
"""With more exchange rates than this, converted sums are made day by day."""


@dataclass(slots=True)
class Sums:
    """The sums of one group in one currency."""

    figures: dict[str, Any] = field(default_factory=dict)
    priced: bool = False
    calls: int = 0
    milliseconds: int = 0

    def add(self, row: Mapping[str, Any], rate: Decimal) -> None:
        """A row of `add_up`, in a currency that is worth `rate` of the line's."""
        for name in (*COUNTED, *MEASURES):
            self.figures[name] = self.figures.get(name, 0) + (row[f"sum_{name}"] or 0)
        for name in AMOUNTS:
            amount = EXACT.multiply(row[f"sum_{name}"] or NOTHING, rate)
            self.figures[name] = EXACT.add(self.figures.get(name, NOTHING), amount)
        self.priced = self.priced or bool(row["currency"])

    def add_call(self, calls: int, milliseconds: int) -> None:
        """How many calls, and how long they were."""
        self.calls += calls
        self.milliseconds += milliseconds


Found = dict[Any, dict[str, Sums]]
"""By the group's key and the currency."""


def home_of(sums: Mapping[str, Sums] | None) -> str:
    """The currency of a group's first line, which also shows what has no currency."""
    into = reporting_currency()
    return into if not sums or into in sums else sorted(sums)[0]


def add_up(by: str | None, rows: QuerySet[Any, Any], fine: bool) -> Found:
    """Add up `rows` by group and currency. `fine`: they are ledger rows."""
    rates = Rates()
    parts: dict[str, Any] = {"on": _rated(rates, fine)}
    if by is not None:
        parts["group"] = _key(by, "created" if fine else "day", fine)
    rows = rows.annotate(**parts).values("currency", *parts).annotate(**_aggregates(by, fine))
    found: Found = {}
    unpriced: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        key = _plain(row.get("group"), by)
        if not row["currency"]:
            unpriced.setdefault(key, []).append(row)
            found.setdefault(key, {})
            continue
        rate = rates.at(row["currency"], row["on"] or date.min)
        currency = row["currency"] if rate is None else rates.into
        sums = found.setdefault(key, {}).setdefault(currency, Sums())
        sums.add(row, Decimal(1) if rate is None else rate)
        _keep_name(sums, row)
    for key, without in unpriced.items():
        sums = found[key].setdefault(home_of(found[key]), Sums())
        for row in without:
            sums.add(row, Decimal(1))
            _keep_name(sums, row)
    return found


def _rated(rates: Rates, fine: bool) -> Case:
    """The day whose rate applies to a row; None if it needs none, or has the first one."""
    periods = rates.periods()
    if len(periods) > MOST_PERIODS:
        day: Any = TruncDate("created", tzinfo=UTC) if fine else F("day")
        whens = [When(currency__in=rates.known(), then=day)]
    else:
        whens = [
            When(
                Q(created__gte=midnight(since)) if fine else Q(day__gte=since),
                currency=currency,
                then=Value(since),
            )
            for currency, since in periods
        ]
    return Case(*whens, default=Value(None), output_field=DateField())


def _keep_name(sums: Sums, row: Mapping[str, Any]) -> None:
    for name in ("name", "account_", "user_", "provider_", "model_", "first"):
        if row.get(name):
            sums.figures[name] = row[name]


def _key(by: str, time: str, fine: bool) -> Any:
    """The group's key as an expression."""
    zone: Any = {"tzinfo": UTC} if fine or time == "started" else {}
    is_call = time == "started"
    return {
        "day": (TruncDate(time, **zone) if zone else F(time)),
        "week": TruncWeek(time, output_field=DateField(), **zone),
        "month": TruncMonth(time, output_field=DateField(), **zone),
        "account": F("account_id"),
        "user": F("user_id"),
        "provider": F("provider_id") if is_call or fine else F("provider_key"),
        "model": F("model_name" if is_call else "model"),
        "call": F("call_id" if not is_call else "id"),
    }[by]


def _plain(key: Any, by: str | None) -> Any:
    """The key as every table's rows have it."""
    if isinstance(key, datetime):
        key = key.date()
    if by == "provider":
        return str(key or "")
    return (key or 0) if by in ("account", "user") else key


def _aggregates(by: str | None, fine: bool) -> dict[str, Any]:
    def rows(only: Q) -> Any:
        return Count("pk", filter=only) if fine else Sum("rows", filter=only, default=0)

    corrections = Q(kind=Usage.Kind.CORRECTION)
    writing = Q(kind=Usage.Kind.TRANSCRIPTION)
    cut = Q(status=Usage.Status.CANCELLED)
    failed = Q(status__in=[Usage.Status.FAILED, Usage.Status.INCOMPLETE])
    counted = {
        "answers": rows(Q(kind=Usage.Kind.RESPONSE)),
        "transcriptions": rows(writing),
        "interrupted": rows(cut & ~corrections),
        "failed": rows(failed & ~corrections),
        "unpriced": rows(Q(source=Source.UNPRICED)),
    }
    amounts = {
        "reported": Q(source=Source.REPORTED) & ~corrections,
        "estimated": Q(source=Source.ESTIMATED) & ~corrections,
        "corrections": corrections,
        "transcription_cost": writing | Q(corrects=Usage.Kind.TRANSCRIPTION),
        "interrupted_cost": cut,
        "failed_cost": failed,
        "cost": None,
    }
    asked = {
        **counted,
        **{name: Sum(name) for name in MEASURES},
        **{name: ExactSum("cost", filter=only) for name, only in amounts.items()},
    }
    named = {f"sum_{name}": each for name, each in asked.items()}
    if by in ("account", "user", "provider"):
        named["name"] = Max(f"{by}_name")
    if by == "call":
        names = {f"{each}_": Max(f"{each}_name") for each in ("account", "user", "provider")}
        named |= {**names, "model_": Max("model"), "first": Min("created")}
    return named


def count_calls(by: str | None, filters: Filters) -> dict[Any, tuple[int, int]]:
    """How many calls began, and their milliseconds, by group; ids of the deleted are 0."""
    if filters.of_rows:
        return {}
    sums = {"n": Count("pk"), "ms": Sum("duration_ms", default=0)}
    if by is None:
        whole = filters.calls().aggregate(**sums)
        return {None: (whole["n"], whole["ms"])} if whole["n"] else {}
    found: dict[Any, tuple[int, int]] = {}
    calls: Any = filters.calls().annotate(group=_key(by, "started", True)).values("group")
    for row in calls.annotate(**sums):
        key = _plain(row["group"], by)
        before = found.get(key, (0, 0))
        found[key] = (before[0] + row["n"], before[1] + row["ms"])
    return found
