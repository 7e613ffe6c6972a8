"""What was used and what it cost: the one source of all figures on pages, in files and commands.

Figures come from the daily sums wherever days are fine enough, and from the ledger where single
calls are asked for. Days, weeks (from Monday) and months are UTC's.

Amounts are in the reporting currency, exact. Amounts in a currency without an exchange rate are on
a line of their own, in that currency, never left out and never a 0; usage without a price is
counted in `unpriced`, and a line of nothing else has no cost at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext as _

from chats.models import Account, User
from realtime.models import CallRecord, Provider, Usage
from realtime.money.prices import reporting_currency
from realtime.money.report_filters import Filters
from realtime.money.report_sums import AMOUNTS, COUNTED, Found, Sums, add_up, count_calls, home_of
from realtime.money.usage import MEASURES, NOTHING

BY = ("day", "week", "month", "account", "user", "provider", "model", "call")
TIMES = ("day", "week", "month")
CHUNK = 500
"""Calls per query when they are listed one by one."""


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
    """Whether who or what it was is deleted; `label` is the name of that time."""

    @property
    def tokens(self) -> int:
        """All tokens read and made."""
        names = ("text", "audio", "image", "other")
        read = sum(self.figures[f"{name}_in"] for name in names)
        return int(read + sum(self.figures.get(f"{name}_out", 0) for name in names))


def lines(by: str, filters: Filters) -> list[Line]:
    """A line for each group: times in order, other groups with the dearest first.

    `by`: one of `BY`. Calls are better listed with `call_lines`.
    """
    if by == "call":
        return list(call_lines(filters))
    fine = filters.call is not None
    found = add_up(by, filters.ledger() if fine else filters.days(), fine)
    for key, call in count_calls(by, filters).items():
        found.setdefault(key, {}).setdefault(home_of(found.get(key)), Sums()).add_call(*call)
    made = _made(found, _names(by, found), counts_calls=not filters.of_rows)
    if by in TIMES:
        return sorted(made, key=lambda line: line.key)
    dearest: dict[Any, Decimal] = {}
    for line in made:
        dearest[line.key] = max(dearest.get(line.key, NOTHING), line.cost or NOTHING)
    return sorted(made, key=lambda line: (-dearest[line.key], line.label, str(line.key)))


def totals(filters: Filters) -> list[Line]:
    """The totals: a line for each currency, at least one."""
    fine = filters.call is not None
    found = add_up(None, filters.ledger() if fine else filters.days(), fine)
    sums = found.setdefault(None, {})
    for call in count_calls(None, filters).values():
        sums.setdefault(home_of(sums), Sums()).add_call(*call)
    if not sums:
        sums[reporting_currency()] = Sums()
    return _made(found, {None: (_("Total"), {})}, counts_calls=not filters.of_rows)


def call_ids(filters: Filters) -> QuerySet[Usage, Any]:
    """The ids of calls with usage, the latest first; None stands for usage outside of calls."""
    grouped = filters.ledger().values("call_id").annotate(last=Max("created"))
    return grouped.order_by("-last", "call_id").values_list("call_id", flat=True)


def call_lines(filters: Filters, ids: Iterable[uuid.UUID | None] | None = None) -> Iterator[Line]:
    """A line for each call, in the order of `ids`; without these all calls, the latest first.

    Takes the memory of a few hundred calls, and of an id of each. The query for these is over
    before the first line: see `chats.paging.every`.
    """
    wanted = iter(call_ids(filters) if ids is None else ids)
    while chunk := list(islice(wanted, CHUNK)):
        given = [each for each in chunk if each is not None]
        belongs = Q(call_id__in=given)
        if None in chunk:
            belongs |= Q(call_id=None)
        found = add_up("call", filters.ledger().filter(belongs), fine=True)
        about = _about_calls(given, found)
        for key in chunk:
            sums = found.setdefault(key, {})
            record = about[key].get("record") if key in about else None
            if record is not None:
                sums.setdefault(home_of(sums), Sums()).add_call(1, record.duration_ms)
            label = str(key) if key else _("Without a call")
            told = about.get(key, {})
            yield from _made({key: sums}, {key: (label, told)}, not filters.of_rows)


Names = Mapping[Any, tuple[str, Mapping[str, Any]]]


def _made(found: Found, names: Names, counts_calls: bool) -> list[Line]:
    made = []
    for key, sums in found.items():
        home = home_of(sums)
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
    """What groups are called now, or were called while they existed."""
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
