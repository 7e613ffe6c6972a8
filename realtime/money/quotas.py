"""What calls may still use: places, money and minutes, reserved in one atomic step.

Every step locks the quota rows that apply to its calls, always in the same order, before it reads
what is used; so steps that share a limit happen one after the other, in whichever process. (SQLite
locks the whole database instead: its transactions begin IMMEDIATE.) Used money is what the ledger
has, and what every running call has reserved beyond that. A call is refused when nothing is left;
otherwise it reserves what its next seconds cost, or all that is left if that is less.

Money limits do not stop what is free. The site's money limits are about its own providers: what
goes over an account's own provider is paid by that account, and counts in its limits and its
people's. Money in a currency without an exchange rate counts as if it were the reporting currency,
rather than as nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from realtime.models import Lease
from realtime.money.books import DEAD_AFTER, Books
from realtime.money.terms import Terms, Wish

HEARTBEAT = timedelta(seconds=10)
"""How old the heartbeat of a call may become that has nothing new to write."""


def admit(
    wish: Wish,
    now: datetime,
    leaving: Collection[uuid.UUID] = (),
    ending: Collection[uuid.UUID] = (),
) -> Terms:
    """Take a place for a call and reserve what its first seconds cost. Raises OverQuota.

    `leaving`: ids of calls that end when this one begins; their places are free for it. `ending`:
    ids of calls that have ended and wait for their cost; their places are free, but what they have
    reserved is not.
    """
    with transaction.atomic():
        books = Books([wish], now, ending, leaving)
        if leaving:
            Lease.objects.filter(pk__in=leaving).delete()
        terms = books.judge(wish, starting=True)
        if terms.over is not None:
            raise terms.over
        _write([books.lease_of(wish, terms.limits, began=now)])
    return terms


def look(wish: Wish, now: datetime) -> None:
    """Raise OverQuota when nothing is left for a purchase of a call, or of a person without one.
    Nothing is reserved for it."""
    over = Books([wish], now, locking=False).judge(wish).over
    if over is not None:
        raise over


def renew(wishes: Collection[Wish], now: datetime) -> dict[uuid.UUID, Terms]:
    """Renew the places of running calls, reserve anew, and say how each may go on.

    A lease that others took for dead is made again. One step for all calls of a process, so that
    its cost does not grow with their square.
    """
    told: dict[uuid.UUID, Terms] = {}
    with transaction.atomic():
        books = Books(wishes, now)
        kept = {lease.call_id: (lease.reserved, lease.heartbeat) for lease in books.leases.values()}
        for wish in wishes:
            terms = told[wish.call_id] = books.judge(wish)
            books.lease_of(wish, terms.limits, began=now)
        mine = [books.leases[wish.call_id] for wish in wishes]
        _write([lease for lease in mine if _is_news(lease, kept.get(lease.call_id))])
    return told


def _is_news(lease: Lease, kept: tuple[Decimal, datetime] | None) -> bool:
    """Whether a lease must be written: it changed, or its last heartbeat is old."""
    if kept is None or lease.reserved != kept[0]:
        return True
    return lease.heartbeat - kept[1] >= HEARTBEAT


def _write(leases: Iterable[Lease]) -> None:
    Lease.objects.bulk_create(
        leases,
        update_conflicts=True,
        unique_fields=["call_id"],
        update_fields=["reserved", "heartbeat"],
    )


def release(call_id: uuid.UUID) -> None:
    """Give a call's place back. Idempotent."""
    Lease.objects.filter(pk=call_id).delete()


def release_dead(now: datetime) -> int:
    """Remove the leases of dead processes, which count no more anyway; returns how many."""
    return Lease.objects.filter(heartbeat__lt=now - DEAD_AFTER).delete()[0]
