"""What is used of the quotas: read under the lock of one step of `quotas`, or only to be shown."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property

from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet, Sum, UUIDField

from realtime.models import CallRecord, Lease, Quota
from realtime.money.spending import Scope, spent
from realtime.money.terms import NOTHING, Limit, OverQuota, Terms, Wish
from realtime.prepared import Given, Prepared

DEAD_AFTER = timedelta(seconds=60)
"""A lease without a heartbeat for so long belongs to a dead process."""
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Used:
    """What the account, person or site of a quota uses: money (reporting currency) of today and of
    the month, including reservations of running calls; minutes of today; running calls."""

    money_day: Decimal
    money_month: Decimal
    minutes_day: Decimal
    calls: int


def _quotas_for(quotas: QuerySet[Quota]) -> QuerySet[Quota]:
    """The site's, and those of accounts and people, always in the same order."""
    accounts, people = (
        Given(each, BigIntegerField(), many=True) for each in ("accounts", "people")
    )
    of_site = Q(account=None, user=None)
    return quotas.filter(of_site | Q(account__in=accounts) | Q(user__in=people)).order_by("pk")


_quotas = Prepared(lambda: _quotas_for(Quota.objects.all()))
_locked_quotas = Prepared(lambda: _quotas_for(Quota.objects.select_for_update()))
_leases = Prepared(
    lambda: Lease.objects.filter(
        Q(pk__in=Given("mine", UUIDField(), many=True))
        | Q(heartbeat__gte=Given("alive", DateTimeField()))
    ).order_by()
)
_ended = Prepared(
    lambda: (
        CallRecord.objects.filter(
            pk__in=Given("calls", UUIDField(), many=True), state=CallRecord.State.ENDED
        )
        .values_list("pk")
        .order_by()
    )
)


def _ended_today(names: tuple[str, ...]) -> QuerySet[CallRecord]:
    scope = {name: Given(name, BigIntegerField()) for name in names}
    return CallRecord.objects.filter(**scope, ended__gte=Given("day", DateTimeField())).order_by()


@cache
def _talked(*scope: str) -> Prepared[tuple[int]]:
    """The milliseconds of calls that began and ended today, by the columns of a scope. One row, or
    none without calls."""
    today = _ended_today(scope).filter(started__gte=Given("day", DateTimeField()))
    of_state = today.values("state").annotate(ms=Sum("duration_ms"))
    return Prepared(lambda: of_state.values_list("ms"))


@cache
def _through_midnight(*scope: str) -> Prepared[tuple[datetime | None, int]]:
    """End and milliseconds of calls that ended today but began before."""
    calls = _ended_today(scope).filter(started__lt=Given("day", DateTimeField()))
    return Prepared(lambda: calls.values_list("ended", "duration_ms"))


Holder = tuple[str, int]
"""What limits apply to: the site, an account or a person, with its id."""
SITE: Holder = ("site", 0)


@dataclass(slots=True)
class Running:
    """How many calls have a place, and how long they have run today."""

    calls: int = 0
    milliseconds: int = 0


@dataclass
class Books:
    """What is used, while the quota rows that matter are locked. Lives inside a transaction;
    without `locking`, for those who only look, it may live anywhere."""

    wishes: Collection[Wish]
    now: datetime
    ending: Collection[uuid.UUID] = ()
    leaving: Collection[uuid.UUID] = ()
    locking: bool = True
    quotas: dict[Holder, Quota] = field(init=False)
    leases: dict[uuid.UUID, Lease] = field(init=False)
    _spent: dict[tuple[Scope, datetime], Decimal] = field(default_factory=dict)
    _minutes: dict[Scope, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        quotas = (_locked_quotas if self.locking else _quotas).all(
            accounts={wish.account_id for wish in self.wishes},
            people={wish.user_id for wish in self.wishes},
        )
        self.quotas = {_holder(quota): quota for quota in quotas}
        # Read after the lock, or another step's leases are missed.
        mine = [wish.call_id for wish in self.wishes]
        leases = _leases.all(mine=mine, alive=self.now - DEAD_AFTER)
        self.leases = {each.call_id: each for each in leases if each.call_id not in self.leaving}
        self.day = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.month = self.day.replace(day=1)

    @cached_property
    def over(self) -> set[uuid.UUID]:
        """Calls that are over except for their cost: they take no place and no time."""
        return {*(pk for (pk,) in _ended.all(calls=list(self.leases))), *self.ending}

    # Sums over all leases are cached: otherwise each of a thousand calls would walk a thousand
    # leases.

    @cached_property
    def _reserved(self) -> dict[Holder, Decimal]:
        """What running calls have reserved, by whose money it is."""
        sums: dict[Holder, Decimal] = defaultdict(Decimal)
        for lease in self.leases.values():
            for holder in _holders(lease, money=True):
                sums[holder] += lease.reserved
        return sums

    @cached_property
    def _running(self) -> dict[Holder, Running]:
        """The calls that have a place, by whose limits apply to them."""
        sums: dict[Holder, Running] = defaultdict(Running)
        for lease in self.leases.values():
            if lease.call_id not in self.over:
                today = max(0, _milliseconds(self.now - max(lease.began, self.day)))
                for holder in _holders(lease):
                    sums[holder].calls += 1
                    sums[holder].milliseconds += today
        return sums

    def used(self, quota: Quota) -> Used:
        """What is used of everything a quota can limit."""
        scope, holder = _scope(quota), _holder(quota)
        reserved = self._reserved.get(holder, NOTHING)
        return Used(
            money_day=self._money(scope, self.day) + reserved,
            money_month=self._money(scope, self.month) + reserved,
            minutes_day=self._minutes_today(scope, holder),
            calls=self._running.get(holder, Running()).calls,
        )

    def judge(self, wish: Wish, starting: bool = False) -> Terms:
        """How a call may go on, or start."""
        quotas = self._quotas_of(wish)
        limits = [limit for quota in quotas for limit in self._limits(quota, wish)]
        over = next((each for each in limits if self._is_over(each, wish, starting)), None)
        blind = wish.ahead is None and any(
            quota.limits_money and not quota.unpriced_allowed
            for quota in quotas
            if _is_paid_by(quota, wish)
        )
        longest = [quota.call_minutes for quota in quotas if quota.call_minutes]
        idle = [quota.idle_minutes for quota in quotas if quota.idle_minutes]
        return Terms(
            limits=limits,
            over=OverQuota(over) if over else OverQuota(None) if blind else None,
            longest=timedelta(minutes=min(longest)) if longest else None,
            idle=timedelta(minutes=min(idle)) if idle else None,
            began=self.leases[wish.call_id].began if wish.call_id in self.leases else self.now,
        )

    def lease_of(self, wish: Wish, limits: Iterable[Limit], began: datetime) -> Lease:
        """The call's lease, with what it reserves now: what it needs, or what these limits, by
        which it was judged, leave of it."""
        lease = self.leases.get(wish.call_id) or self._enter(wish, began)
        needs = (wish.running or NOTHING) + (wish.ahead or NOTHING)
        lefts = [limit.left for limit in limits if limit.of_money]
        reserves = min([needs, *lefts]) if lefts else NOTHING
        for holder in _holders(lease, money=True):
            self._reserved[holder] += reserves - lease.reserved
        lease.reserved, lease.heartbeat = reserves, self.now
        return lease

    def _enter(self, wish: Wish, began: datetime) -> Lease:
        """A place for a call that has none. Cached sums are updated."""
        lease = Lease(
            call_id=wish.call_id,
            account_id=wish.account_id,
            user_id=wish.user_id,
            own=wish.own,
            reserved=NOTHING,
            began=began,
        )
        if "_running" in self.__dict__ and lease.call_id not in self.over:
            for holder in _holders(lease):
                self._running[holder].calls += 1
        self.leases[wish.call_id] = lease
        return lease

    def _quotas_of(self, wish: Wish) -> list[Quota]:
        """The quotas that apply to a call, in the order in which they were made."""
        found = [self.quotas[each] for each in _holders(wish) if each in self.quotas]
        return sorted(found, key=lambda quota: quota.pk)

    def _is_over(self, limit: Limit, wish: Wish, starting: bool) -> bool:
        if limit.what == "calls":
            # A call that has a place keeps it, though the limit may have been lowered.
            return starting and limit.used >= limit.most
        if limit.of_money:
            if wish.free or wish.ahead is None:
                return False
            return limit.left <= (wish.running or NOTHING)
        return limit.used >= limit.most

    def _limits(self, quota: Quota, wish: Wish) -> list[Limit]:
        """What a quota limits, and how much calls other than this one use of it."""
        scope, holder, mine = _scope(quota), _holder(quota), self.leases.get(wish.call_id)
        next_month = (self.month + timedelta(days=32)).replace(day=1)
        tomorrow = self.day + timedelta(days=1)
        limits = []
        if quota.calls_at_once is not None:
            most = Decimal(quota.calls_at_once)
            taken = self._running.get(holder, Running()).calls
            if mine is not None and mine.call_id not in self.over:
                taken -= 1
            limits.append(Limit(quota.scope, "calls", most, Decimal(taken)))
        if quota.minutes_per_day is not None:
            used = self._minutes_today(scope, holder)
            most = Decimal(quota.minutes_per_day)
            limits.append(Limit(quota.scope, "minutes_day", most, used, tomorrow))
        if not quota.limits_money or not _is_paid_by(quota, wish):
            return limits
        reserved = self._reserved.get(holder, NOTHING)
        if mine is not None:
            reserved -= mine.reserved
        if quota.money_per_day is not None:
            used = self._money(scope, self.day) + reserved
            limits.append(Limit(quota.scope, "money_day", quota.money_per_day, used, tomorrow))
        if quota.money_per_month is not None:
            used = self._money(scope, self.month) + reserved
            limits.append(
                Limit(quota.scope, "money_month", quota.money_per_month, used, next_month)
            )
        return limits

    def _money(self, scope: Scope, since: datetime) -> Decimal:
        known = self._spent.get((scope, since))
        if known is None:
            found = spent(scope, since.date())
            known = found.amount + sum(found.unconverted.values(), NOTHING)
            self._spent[scope, since] = known
        return known

    def _minutes_today(self, scope: Scope, holder: Holder) -> Decimal:
        """Minutes of calls since midnight: those that ended, and those that run."""
        known = self._minutes.get(scope)
        if known is None:
            given = {**scope.filters(), "day": self.day}
            milliseconds = Decimal(sum(ms for (ms,) in _talked(*scope.filters()).all(**given)))
            for ended, duration_ms in _through_midnight(*scope.filters()).all(**given):
                assert ended is not None
                milliseconds += min(duration_ms, _milliseconds(ended - self.day))
            milliseconds += self._running.get(holder, Running()).milliseconds
            known = self._minutes[scope] = milliseconds / MINUTE_MS
        return known


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)


def _scope(quota: Quota) -> Scope:
    return Scope(account_id=quota.account_id, user_id=quota.user_id)


def _holder(quota: Quota) -> Holder:
    """Whose quota it is."""
    if quota.account_id is not None:
        return "account", quota.account_id
    return ("person", quota.user_id) if quota.user_id is not None else SITE


def _holders(who: Wish | Lease, money: bool = False) -> list[Holder]:
    """Whose quotas apply to a call; with `money`: those whose money it costs."""
    mine: list[Holder] = [("account", who.account_id), ("person", who.user_id)]
    return mine if money and who.own else [SITE, *mine]


def _is_paid_by(quota: Quota, wish: Wish) -> bool:
    """Whether the money that a quota limits pays for the call."""
    return _holder(quota) in _holders(wish, money=True)
