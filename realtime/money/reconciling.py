"""Whether all records of money agree: ledger, daily sums, calls, and their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from realtime.db import one_moment
from realtime.models import CallRecord, Lease, Usage, UsageDay
from realtime.models.exact import ExactSum
from realtime.money import rollups
from realtime.money.pricing import plain
from realtime.money.usage import NOTHING

SETTLING = timedelta(seconds=60)
"""How long a call may take to get its place, to give it back, and to write what it owes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding. `wrong`: our books do not agree; otherwise only worth knowing."""

    text: str
    wrong: bool


def findings() -> Iterator[Finding]:
    """Everything that does not agree or belongs to nothing, and the sums that were proved."""
    with one_moment():
        yield from _sums()
        yield from _calls()
        yield from _places()


def by_currency(rows: Any) -> dict[str, Decimal]:
    """What rows with a price cost, by currency."""
    found = rows.exclude(currency="").values("currency").annotate(sum=ExactSum("cost")).order_by()
    return {row["currency"]: row["sum"] for row in found if row["sum"]}


def _sums() -> Iterator[Finding]:
    for each in rollups.differences():
        place = " ".join(str(part) for part in each.place if part != "")
        yield Finding(
            f"{place}: {each.column} is {each.ledger} in the ledger, {each.rollup} in the sums",
            True,
        )
    ledger, days = by_currency(Usage.objects), by_currency(UsageDay.objects)
    calls: dict[str, Decimal] = {}
    grouped = Usage.objects.exclude(currency="").order_by().values("call_id", "currency")
    for row in grouped.annotate(sum=ExactSum("cost")).iterator():
        calls[row["currency"]] = calls.get(row["currency"], NOTHING) + row["sum"]
    for currency in sorted({*ledger, *days, *calls}):
        sums = [found.get(currency, NOTHING) for found in (ledger, days, calls)]
        words = " = ".join(plain(each) for each in sums)
        agree = len(set(sums)) == 1
        text = f"{currency}: ledger, daily sums, calls: {words}"
        yield Finding(text if agree else text.replace(" = ", " / "), not agree)


def _calls() -> Iterator[Finding]:
    now = timezone.now()
    known = CallRecord.objects.filter(pk=OuterRef("call_id"))
    orphans = (
        Usage.objects.filter(~Exists(known), call_id__isnull=False)
        .order_by()
        .values("call_id")
        .annotate(n=Count("pk"))
    )
    for row in orphans.iterator():
        yield Finding(f"call {row['call_id']} is gone; its {row['n']} rows stay", False)
    owing = CallRecord.objects.filter(
        state=CallRecord.State.ENDED, owing__isnull=False, ended__lt=now - SETTLING
    )
    for call in owing:
        yield Finding(f"call {call.pk} ended and still owes what is not in the ledger", True)


def _places() -> Iterator[Finding]:
    now = timezone.now()
    leases = {lease.call_id: lease for lease in Lease.objects.all()}
    records = CallRecord.objects.in_bulk(list(leases))
    for pk, lease in leases.items():
        call = records.get(pk)
        silent = now - lease.heartbeat > SETTLING
        if silent:
            yield Finding(f"the place of call {pk} is a dead process's and counts no more", False)
        elif call is None and now - lease.began > SETTLING:
            yield Finding(f"the place of call {pk}, of which there is no row, is taken", True)
        elif call and call.ended and now - call.ended > SETTLING:
            yield Finding(f"call {pk} ended and its place is still taken", True)
        elif lease.reserved < 0:
            yield Finding(f"the place of call {pk} reserves {plain(lease.reserved)}", True)
    live = CallRecord.objects.filter(
        state=CallRecord.State.LIVE,
        started__lt=now - SETTLING,
        heartbeat__gte=now - timedelta(seconds=30),
    )
    for call in live.exclude(pk__in=list(leases)):
        yield Finding(f"call {call.pk} is live and has no place", True)
