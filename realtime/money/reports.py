"""What was used and what it cost: the one place of all figures on pages, in files and commands.

Figures come from the daily sums wherever days are fine enough, and from the ledger where single
calls are asked for. Days, weeks (from Monday) and months are UTC's.

Amounts are in the reporting currency, exact. What is in a currency that nobody gave an exchange
rate for is on a line of its own, in that currency, never left out and never a 0; usage without a
price is counted in `unpriced`, and a line of nothing else has no cost at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db.models import Case, Count, DateField, F, Max, Min, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncDate, TruncMonth, TruncWeek
from django.utils.translation import gettext as _

from chats.models import Account, User
from realtime.models import CallRecord, Provider, Usage, UsageDay
from realtime.models.money import Source
from realtime.money.prices import Rates, reporting_currency
from realtime.money.usage import MEASURES, NOTHING

BY = ("day", "week", "month", "account", "user", "provider", "model", "call")
TIMES = ("day", "week", "month")
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
of it. `corrections` is what turned estimates into what providers later reported."""
MOST_PERIODS = 60
"""With more exchange rates than these, converted sums are made day by day."""
CHUNK = 500
"""Calls per query when they are listed one by one."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which usage to look at; what is not given is not asked. Both days are included.

    `kind` also finds the corrections of that kind. `provider` is its id as text, "" what names
    none; `call` likewise.
    """

    since: date | None = None
    until: date | None = None
    account: int | None = None
    user: int | None = None
    provider: str | None = None
    model: str | None = None
    kind: str | None = None
    status: str | None = None
    source: str | None = None
    call: uuid.UUID | None = None

    @property
    def of_rows(self) -> bool:
        """Whether only some of a call's rows are asked for, so that calls cannot be counted."""
        return bool(self.kind or self.status or self.source)

    def days(self) -> QuerySet[UsageDay]:
        """The daily sums."""
        q = self._common()
        if self.since:
            q &= Q(day__gte=self.since)
        if self.until:
            q &= Q(day__lte=self.until)
        if self.provider is not None:
            q &= Q(provider_key=self.provider)
        return UsageDay.objects.filter(q).order_by()

    def ledger(self) -> QuerySet[Usage]:
        """The ledger rows."""
        q = self._common() & self._between("created")
        if self.provider is not None:
            q &= Q(provider_id=self.provider or None)
        if self.call is not None:
            q &= Q(call_id=self.call)
        return Usage.objects.filter(q).order_by()

    def calls(self) -> QuerySet[CallRecord]:
        """The calls that began then."""
        q = self._between("started")
        for name, value in (("account_id", self.account), ("user_id", self.user)):
            if value is not None:
                q &= Q(**{name: value or None})
        if self.provider is not None:
            q &= Q(provider_id=self.provider or None)
        if self.model is not None:
            q &= Q(model_name=self.model)
        if self.call is not None:
            q &= Q(pk=self.call)
        return CallRecord.objects.filter(q).order_by()

    def _common(self) -> Q:
        q = Q()
        for name, value in (
            ("account_id", self.account),
            ("user_id", self.user),
            ("model", self.model),
            ("status", self.status or None),
            ("source", self.source or None),
        ):
            if value is not None:
                q &= Q(**{name: value})
        return q & (Q(kind=self.kind) | Q(corrects=self.kind)) if self.kind else q

    def _between(self, column: str) -> Q:
        q = Q()
        if self.since:
            q &= Q(**{f"{column}__gte": midnight(self.since)})
        if self.until:
            q &= Q(**{f"{column}__lt": day_after(self.until)})
        return q


@dataclass(slots=True)
class Line:
    """One group in one currency.

    `key`: a date (the first day of a week or month), an account's or person's id (0: nobody's),
    a provider's id as text, a model's name, a call's id or None; None of totals. `figures`: calls
    and minutes (None when rows are filtered), `COUNTED`, the measures of `money.usage`, and
    `AMOUNTS` but the cost. `about`: of a call, when it began and whose it was.
    """

    key: Any
    label: str
    currency: str
    figures: dict[str, Any]
    cost: Decimal | None
    about: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False
    """Whether who or what it was is deleted; `label` is what it was called then."""

    @property
    def tokens(self) -> int:
        """All tokens read and made."""
        names = ("text", "audio", "image", "other")
        read = sum(self.figures[f"{name}_in"] for name in names)
        return int(read + sum(self.figures.get(f"{name}_out", 0) for name in names))


def lines(by: str, filters: Filters) -> list[Line]:
    """A line for each group: times in their order, other groups the dearest first.

    `by`: one of `BY`. Calls are better listed with `call_lines`.
    """
    if by == "call":
        return list(call_lines(filters))
    fine = filters.call is not None
    found = _sums(by, filters.ledger() if fine else filters.days(), fine)
    for key, call in _calls(by, filters).items():
        found.setdefault(key, {}).setdefault(_home(found.get(key)), _Sums()).add_call(*call)
    made = _made(found, _names(by, found), counts_calls=not filters.of_rows)
    if by in TIMES:
        return sorted(made, key=lambda line: line.key)
    dearest: dict[Any, Decimal] = {}
    for line in made:
        dearest[line.key] = max(dearest.get(line.key, NOTHING), line.cost or NOTHING)
    return sorted(made, key=lambda line: (-dearest[line.key], line.label, str(line.key)))


def totals(filters: Filters) -> list[Line]:
    """All of it: a line for each currency, at least one."""
    fine = filters.call is not None
    found = _sums(None, filters.ledger() if fine else filters.days(), fine)
    sums = found.setdefault(None, {})
    for call in _calls(None, filters).values():
        sums.setdefault(_home(sums), _Sums()).add_call(*call)
    if not sums:
        sums[reporting_currency()] = _Sums()
    return _made(found, {None: (_("Total"), {})}, counts_calls=not filters.of_rows)


def call_ids(filters: Filters) -> QuerySet[Usage, Any]:
    """The ids of calls with usage, the latest first; None stands for what belongs to no call."""
    grouped = filters.ledger().values("call_id").annotate(last=Max("created"))
    return grouped.order_by("-last", "call_id").values_list("call_id", flat=True)


def call_lines(filters: Filters, ids: Iterable[uuid.UUID | None] | None = None) -> Iterator[Line]:
    """A line for each call, in the order of `ids`; without them all, the latest first.

    Takes the memory of a few hundred calls, however many there are.
    """
    wanted = iter(call_ids(filters).iterator(chunk_size=CHUNK) if ids is None else ids)
    while chunk := list(islice(wanted, CHUNK)):
        given = [each for each in chunk if each is not None]
        belongs = Q(call_id__in=given)
        if None in chunk:
            belongs |= Q(call_id=None)
        found = _sums("call", filters.ledger().filter(belongs), fine=True)
        about = _about_calls(given, found)
        for key in chunk:
            sums = found.setdefault(key, {})
            record = about[key].get("record") if key in about else None
            if record is not None:
                sums.setdefault(_home(sums), _Sums()).add_call(1, record.duration_ms)
            label = str(key) if key else _("Without a call")
            told = about.get(key, {})
            yield from _made({key: sums}, {key: (label, told)}, not filters.of_rows)


@dataclass(slots=True)
class _Sums:
    """What is added up for one group in one currency."""

    figures: dict[str, Any] = field(default_factory=dict)
    priced: bool = False
    calls: int = 0
    milliseconds: int = 0

    def add(self, row: Mapping[str, Any], rate: Decimal) -> None:
        for name in (*COUNTED, *MEASURES):
            self.figures[name] = self.figures.get(name, 0) + (row[f"sum_{name}"] or 0)
        for name in AMOUNTS:
            amount = (row[f"sum_{name}"] or NOTHING) * rate
            self.figures[name] = self.figures.get(name, NOTHING) + amount
        self.priced = self.priced or bool(row["currency"])

    def add_call(self, calls: int, milliseconds: int) -> None:
        self.calls += calls
        self.milliseconds += milliseconds


Found = dict[Any, dict[str, _Sums]]
"""By the group's key and the currency."""


def _home(sums: Mapping[str, _Sums] | None) -> str:
    """The currency of a group's first line, which what has no currency is shown on."""
    into = reporting_currency()
    return into if not sums or into in sums else sorted(sums)[0]


def _sums(by: str | None, rows: QuerySet[Any, Any], fine: bool) -> Found:
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
        sums = found.setdefault(key, {}).setdefault(currency, _Sums())
        sums.add(row, Decimal(1) if rate is None else rate)
        _keep_name(sums, row)
    for key, without in unpriced.items():
        sums = found[key].setdefault(_home(found[key]), _Sums())
        for row in without:
            sums.add(row, Decimal(1))
            _keep_name(sums, row)
    return found


def _rated(rates: Rates, fine: bool) -> Case:
    """The day whose rate holds for a row; None for what needs none, or has the first one."""
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


def _keep_name(sums: _Sums, row: Mapping[str, Any]) -> None:
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
        **{name: Sum("cost", filter=only) for name, only in amounts.items()},
    }
    named = {f"sum_{name}": each for name, each in asked.items()}
    if by in ("account", "user", "provider"):
        named["name"] = Max(f"{by}_name")
    if by == "call":
        names = {f"{each}_": Max(f"{each}_name") for each in ("account", "user", "provider")}
        named |= {**names, "model_": Max("model"), "first": Min("created")}
    return named


def _calls(by: str | None, filters: Filters) -> dict[Any, tuple[int, int]]:
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


Names = Mapping[Any, tuple[str, Mapping[str, Any]]]


def _made(found: Found, names: Names, counts_calls: bool) -> list[Line]:
    made = []
    for key, sums in found.items():
        home = _home(sums)
        for currency in sorted(sums, key=lambda each: (each != home, each)):
            each = sums[currency]
            figures: dict[str, Any] = {"calls": None, "minutes": None}
            if counts_calls:
                minutes = Decimal(each.milliseconds) / 60_000
                figures = {"calls": each.calls, "minutes": minutes.quantize(Decimal("0.01"))}
            for name in (*COUNTED, *MEASURES):
                figures[name] = each.figures.get(name, 0)
            for name in AMOUNTS[:-1]:
                figures[name] = each.figures.get(name, NOTHING)
            blind = figures["unpriced"] and not each.priced
            cost = None if blind else each.figures.get("cost", NOTHING)
            label, about = names[key]
            gone = bool(about.get("gone"))
            made.append(Line(key, label, "" if blind else currency, figures, cost, about, gone))
    return made


def _names(by: str, found: Found) -> dict[Any, tuple[str, Mapping[str, Any]]]:
    """What groups are called now, or were when they were there."""
    if by in TIMES:
        return {key: (_time(by, key), {}) for key in found}
    if by == "model":
        return {key: (key, {}) for key in found}
    now = _current(by, found)
    named: dict[Any, tuple[str, Mapping[str, Any]]] = {}
    for key, sums in found.items():
        then = next((s.figures["name"] for s in sums.values() if s.figures.get("name")), "")
        if key in now:
            named[key] = (now[key], {})
        elif key:
            named[key] = (then or str(key), {"gone": True})
        else:
            named[key] = (then or _("Deleted or nobody's"), {"gone": True})
    return named


def _time(by: str, day: date) -> str:
    return f"{day:%Y-%m}" if by == "month" else day.isoformat()


def _current(by: str, keys: Iterable[Any]) -> dict[Any, str]:
    if by == "account":
        rows: Any = Account.objects.filter(pk__in=[key for key in keys if key])
        return dict(rows.values_list("pk", "name"))
    if by == "user":
        rows = User.objects.filter(pk__in=[key for key in keys if key])
        return dict(rows.values_list("pk", "username"))
    rows = Provider.objects.filter(pk__in=[key for key in keys if key])
    return {str(pk): name for pk, name in rows.values_list("pk", "name")}


def _about_calls(ids: Sequence[uuid.UUID], found: Found) -> dict[Any, dict[str, Any]]:
    """When calls began and whose they were: from their rows, or from the ledger's copies."""
    told: dict[Any, dict[str, Any]] = {}
    for key, sums in found.items():
        kept: dict[str, Any] = {}
        for each in sums.values():
            kept = {**each.figures, **kept}
        told[key] = {
            "started": kept.get("first"),
            **{name: kept.get(f"{name}_", "") for name in ("account", "user", "provider", "model")},
            "gone": True,
        }
    records = CallRecord.objects.filter(pk__in=ids).select_related(
        "account", "user", "conversation"
    )
    for record in records:
        mine = told.setdefault(record.pk, {})
        mine |= {"record": record, "started": record.started, "gone": False}
        mine |= {"provider": record.provider_name, "model": record.model_name}
        mine["account"] = record.account.name if record.account else mine.get("account", "")
        mine["user"] = record.user.get_username() if record.user else mine.get("user", "")
    return told


def midnight(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_after(day: date) -> datetime:
    """The first moment after a UTC day; of the last day that there can be, its last moment."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return midnight(day + timedelta(days=1))
