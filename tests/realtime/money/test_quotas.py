"""Quotas: who is let in, what is reserved, and what is over."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from realtime.db import with_connection
from realtime.models import CallRecord, Lease, Price, Quota
from realtime.money.books import DEAD_AFTER, Books
from realtime.money.ledger import Entry, Payer, record
from realtime.money.quotas import admit, look, release, release_dead, renew
from realtime.money.terms import OverQuota, Wish

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACCOUNT, PERSON = 7, 3


def wish(**fields: Any) -> Wish:
    return Wish(**({"call_id": uuid.uuid4(), "account_id": ACCOUNT, "user_id": PERSON} | fields))


def cents(number: int | str) -> Decimal:
    return Decimal(number) / 100


def site(**limits: Any) -> Quota:
    return Quota.objects.create(**limits)


def spend(amount: Decimal, at: datetime = NOON, **payer: Any) -> None:
    """A ledger row of exactly so much."""
    Price.objects.get_or_create(
        model="gpt", defaults={"text_in": Decimal(1), "since": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    tokens = int(amount * 1_000_000)
    record(
        Entry(
            payer=Payer(**({"account_id": ACCOUNT, "user_id": PERSON} | payer)),
            model="gpt",
            upstream_session="call/1",
            key=str(uuid.uuid4()),
            raw={
                "input_tokens": tokens,
                "output_tokens": 0,
                "input_token_details": {"text_tokens": tokens},
            },
            created=at,
        )
    )


def refusal(asked: Wish, now: datetime = NOON) -> tuple[str, str] | str | None:
    """What refuses a call; None when it is let in."""
    try:
        admit(asked, now)
    except OverQuota as over:
        return (over.limit.scope, over.limit.what) if over.limit else "unpriced"
    return None


def test_without_a_quota_everybody_is_let_in() -> None:
    terms = admit(wish(ahead=None), NOON)
    assert (terms.limits, terms.over, terms.longest, terms.idle) == ([], None, None, None)
    assert Lease.objects.count() == 1


def test_places_are_taken_and_given_back() -> None:
    site(calls_at_once=1)
    first = wish()
    assert refusal(first) is None
    assert refusal(wish()) == ("site", "calls")
    release(first.call_id)
    release(first.call_id)
    assert refusal(wish()) is None


def test_the_tightest_of_several_quotas_wins(ann: Any) -> None:
    site(calls_at_once=5)
    Quota.objects.create(user=ann, calls_at_once=2, call_minutes=30)
    Quota.objects.create(account=ann.own_account, calls_at_once=1, call_minutes=60, idle_minutes=3)
    mine = {"user_id": ann.pk, "account_id": ann.own_account.pk}
    terms = admit(wish(**mine), NOON)
    assert (terms.longest, terms.idle) == (timedelta(minutes=30), timedelta(minutes=3))
    assert refusal(wish(**mine)) == ("account", "calls")
    elsewhere = mine | {"account_id": ann.own_account.pk + 1}
    assert refusal(wish(**elsewhere)) is None
    assert refusal(wish(**elsewhere)) == ("person", "calls")


def test_the_last_cent_is_reserved_by_one() -> None:
    site(money_per_day=Decimal(1))
    spend(cents(99))
    first = wish(ahead=cents(5))
    assert refusal(first) is None
    assert Lease.objects.get().reserved == cents(1)
    assert refusal(wish(ahead=cents(5))) == ("site", "money_day")


def test_a_place_is_kept_though_fewer_are_allowed_now() -> None:
    quota = site(calls_at_once=2)
    calls = [wish(), wish()]
    for each in calls:
        admit(each, NOON)
    quota.calls_at_once = 1
    quota.save()
    assert [terms.over for terms in renew(calls, NOON).values()] == [None, None]
    assert refusal(wish()) == ("site", "calls")


def test_running_costs_end_a_call_when_they_reach_what_is_left() -> None:
    site(money_per_day=Decimal(1))
    call = wish(ahead=cents(10))
    admit(call, NOON)
    spend(cents(70))
    going = wish(call_id=call.call_id, running=cents(29), ahead=cents(10))
    assert renew([going], NOON)[call.call_id].over is None
    assert Lease.objects.get().reserved == cents(30)
    over = renew([wish(call_id=call.call_id, running=cents(30), ahead=cents(10))], NOON)
    found = over[call.call_id].over
    assert found is not None and found.limit is not None
    assert (found.limit.what, found.limit.used, found.limit.left) == (
        "money_day",
        cents(70),
        cents(30),
    )


def test_two_running_calls_share_what_is_left() -> None:
    site(money_per_day=Decimal(1))
    one, two = wish(ahead=cents(60)), wish(ahead=cents(60))
    admit(one, NOON)
    admit(two, NOON)
    kept = {lease.call_id: lease.reserved for lease in Lease.objects.all()}
    assert kept == {one.call_id: cents(60), two.call_id: cents(40)}


def test_calls_that_are_renewed_together_share_what_is_left() -> None:
    site(money_per_day=Decimal(1))
    calls = [wish(ahead=cents(30)) for _ in range(3)]
    for each in calls:
        admit(each, NOON)
    more = [wish(call_id=each.call_id, ahead=cents(60)) for each in calls]
    told = renew(more, NOON)
    used = [told[each.call_id].limits[0].used for each in calls]
    assert used == [cents(60), cents(70), cents(70)]
    kept = {lease.call_id: lease.reserved for lease in Lease.objects.all()}
    assert [kept[each.call_id] for each in calls] == [cents(40), cents(30), cents(30)]


def test_what_is_reserved_is_money_whatever_else_is_limited() -> None:
    site(minutes_per_day=2, calls_at_once=1)
    call = wish(ahead=Decimal(3))
    admit(call, NOON)
    assert Lease.objects.get().reserved == 0
    Quota.objects.update(money_per_day=Decimal(9))
    renew([call], NOON)
    assert Lease.objects.get().reserved == 3


def test_money_that_nobody_can_convert_counts_as_it_is() -> None:
    site(money_per_day=Decimal(1))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    Price.objects.create(model="gpt", text_in=Decimal(1), currency="CNY", since=since)
    spend(cents(90))
    assert admit(wish(ahead=cents(30)), NOON).limits[0].left == cents(10)


def test_warnings_begin_at_four_fifths() -> None:
    site(money_per_day=Decimal(1), money_per_month=Decimal(100))
    spend(cents(79))
    assert [each.nearly_used_up for each in admit(wish(), NOON).limits] == [False, False]
    spend(cents(1))
    assert [each.nearly_used_up for each in admit(wish(), NOON).limits] == [True, False]


def test_days_and_months_are_those_of_utc() -> None:
    site(money_per_day=Decimal(1), money_per_month=Decimal(2))
    priced = {"ahead": cents(1)}
    spend(Decimal(1), datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    assert refusal(wish(**priced), datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)) == (
        "site",
        "money_day",
    )
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    assert refusal(wish(**priced), midnight) is None
    spend(Decimal(1), midnight)
    assert refusal(wish(**priced), datetime(2026, 11, 24, tzinfo=UTC)) == ("site", "money_month")
    assert refusal(wish(**priced), datetime(2026, 12, 1, tzinfo=UTC)) is None


def test_limits_say_when_they_renew() -> None:
    site(money_per_day=Decimal(1), money_per_month=Decimal(2), minutes_per_day=5, calls_at_once=1)
    at = datetime(2026, 12, 31, 12, tzinfo=UTC)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    told = {limit.what: limit.renews for limit in admit(wish(), at).limits}
    assert told == {
        "calls": None,
        "minutes_day": new_year,
        "money_day": new_year,
        "money_month": new_year,
    }


def test_money_stops_nothing_that_is_free() -> None:
    site(money_per_day=Decimal(1))
    spend(Decimal(2))
    free = wish(running=Decimal(0), ahead=Decimal(0))
    assert refusal(free) is None
    assert renew([free], NOON)[free.call_id].over is None
    assert refusal(wish(ahead=cents(1))) == ("site", "money_day")


def test_what_has_no_price_is_refused_where_money_is_limited() -> None:
    quota = site(calls_at_once=5)
    assert refusal(wish(ahead=None, running=None)) is None
    quota.money_per_month = Decimal(1)
    quota.save()
    assert refusal(wish(ahead=None, running=None)) == "unpriced"
    quota.unpriced_allowed = True
    quota.save()
    assert refusal(wish(ahead=None, running=None)) is None


def test_minutes_count_what_ended_today_and_what_runs(ann: Any) -> None:
    Quota.objects.create(user=ann, minutes_per_day=10)
    account = ann.own_account
    day = datetime(2026, 11, 22, tzinfo=UTC)
    spans = [
        (day - timedelta(minutes=30), 33),  # 3 minutes of it are today's
        (day + timedelta(hours=1), 4),
        (day - timedelta(hours=9), 60),  # yesterday's
    ]
    for began, minutes in spans:
        CallRecord.objects.create(
            user=ann,
            account=account,
            provider_name="x",
            model_name="x",
            state="ended",
            started=began,
            heartbeat=began,
            ended=began + timedelta(minutes=minutes),
            duration_ms=minutes * 60_000,
        )
    call = wish(user_id=ann.pk, account_id=account.pk)
    first = admit(call, NOON).limits[0]
    assert (first.what, first.used) == ("minutes_day", Decimal(7))
    later = NOON + timedelta(minutes=3)
    over = renew([call], later)[call.call_id].over
    assert over is not None and over.limit is not None and over.limit.used == Decimal(10)


def test_the_places_of_calls_that_leave_are_free_and_no_others() -> None:
    site(calls_at_once=2)
    leaves, stays, comes = wish(), wish(), wish()
    admit(leaves, NOON)
    admit(stays, NOON)
    assert refusal(comes) == ("site", "calls")
    admit(comes, NOON, leaving=[leaves.call_id])
    assert {lease.call_id for lease in Lease.objects.all()} == {stays.call_id, comes.call_id}


def test_who_only_looks_is_told_and_takes_nothing() -> None:
    site(money_per_day=Decimal(1))
    look(wish(ahead=cents(1)), NOON)
    assert not Lease.objects.exists()
    spend(Decimal(1))
    with pytest.raises(OverQuota):
        look(wish(ahead=cents(1)), NOON)


def test_a_dead_process_frees_its_places() -> None:
    site(calls_at_once=1, money_per_day=Decimal(1))
    admit(wish(ahead=Decimal(1)), NOON)
    assert refusal(wish(ahead=cents(1)), NOON + DEAD_AFTER) == ("site", "calls")
    late = NOON + DEAD_AFTER + timedelta(seconds=1)
    assert refusal(wish(ahead=cents(1)), late) is None
    assert (release_dead(late), Lease.objects.count()) == (1, 1)


def test_a_call_taken_for_dead_takes_its_place_again() -> None:
    site(calls_at_once=5)
    call = wish()
    admit(call, NOON)
    release_dead(NOON + timedelta(hours=1))
    renew([call], NOON + timedelta(hours=1))
    assert Lease.objects.get().call_id == call.call_id


def test_a_quota_is_of_one_and_there_is_one_each(ann: Any) -> None:
    with pytest.raises(ValidationError):
        Quota(account=ann.own_account, user=ann).clean()
    with pytest.raises(IntegrityError):
        Quota.objects.create(account=ann.own_account, user=ann)
    site()
    with pytest.raises(IntegrityError):
        site()


def test_of_many_at_once_one_gets_the_last_place_and_cent() -> None:
    site(calls_at_once=50, money_per_day=cents(1))
    together = threading.Barrier(20)
    let_in: list[uuid.UUID] = []

    def start() -> None:
        asked = wish(ahead=cents(1))
        together.wait()
        if refusal(asked) is None:
            let_in.append(asked.call_id)

    starts = [threading.Thread(target=with_connection, args=(start,)) for _ in range(20)]
    for each in starts:
        each.start()
    for each in starts:
        each.join()
    assert [lease.call_id for lease in Lease.objects.all()] == let_in
    assert len(let_in) == 1


# Providers of accounts' own


def test_what_goes_over_own_providers_is_no_money_of_the_site_s(ann: Any) -> None:
    site(money_per_day=Decimal(1))
    mine = {"account_id": ann.own_account.pk, "user_id": ann.pk}
    spend(Decimal(100), provider_id=uuid.uuid4(), own=True, **mine)
    assert refusal(wish(ahead=cents(90), own=True, **mine)) is None
    assert refusal(wish(ahead=cents(90), **mine)) is None
    assert sorted(lease.reserved for lease in Lease.objects.all()) == [0, cents(90)]


def test_a_used_up_site_stops_nobody_s_own_provider() -> None:
    site(money_per_day=Decimal(1))
    spend(Decimal(1))
    assert refusal(wish(ahead=cents(1))) == ("site", "money_day")
    call = wish(running=cents(50), ahead=cents(1), own=True)
    assert (admit(call, NOON).limits, renew([call], NOON)[call.call_id].over) == ([], None)
    assert refusal(wish(running=None, ahead=None, own=True)) is None


def test_accounts_and_people_have_limits_of_their_own_providers_too(ann: Any) -> None:
    mine = {"account_id": ann.own_account.pk, "user_id": ann.pk}
    site(money_per_day=Decimal(50), calls_at_once=2)
    Quota.objects.create(account=ann.own_account, money_per_day=Decimal(1))
    Quota.objects.create(user=ann, money_per_month=Decimal(2))
    spend(cents(90), own=True, **mine)
    assert refusal(wish(ahead=cents(30), own=True, **mine)) is None
    assert Lease.objects.get().reserved == cents(10)
    assert refusal(wish(ahead=cents(30), own=True, **mine)) == ("account", "money_day")
    elsewhere = {"account_id": 99, "user_id": ann.pk}
    assert admit(wish(ahead=cents(30), **elsewhere), NOON).limits[-1].used == Decimal(1)
    assert refusal(wish(own=True)) == ("site", "calls")


# Sums that are kept


def naive(quota: Quota, but: uuid.UUID | None) -> tuple[int, Decimal]:
    """How many calls run under a quota, and what they have reserved, by walking them all."""
    held = [
        lease
        for lease in Lease.objects.exclude(pk=but)
        if quota.account_id in (None, lease.account_id) and quota.user_id in (None, lease.user_id)
    ]
    paid = [lease for lease in held if quota.scope != "site" or not lease.own]
    return len(held), sum((lease.reserved for lease in paid), Decimal(0))


CALLS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.booleans(), st.integers(0, 40)),
    min_size=1,
    max_size=8,
)


@property_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CALLS, st.sets(st.integers(0, 7)))
def test_sums_that_are_kept_are_those_of_all_calls(
    ann: Any, bob: Any, calls: list[tuple[int, int, bool, int]], lost: set[int]
) -> None:
    Lease.objects.all().delete()
    Quota.objects.all().delete()
    limits = {"money_per_day": Decimal(2), "calls_at_once": 50, "minutes_per_day": 60}
    people, accounts = [ann, bob], [ann.own_account, bob.own_account]
    site(**limits)
    for person, account in zip(people, accounts, strict=True):
        Quota.objects.create(user=person, **limits)
        Quota.objects.create(account=account, **limits)
    wishes = [
        wish(
            account_id=accounts[account].pk,
            user_id=people[person].pk,
            own=own,
            ahead=cents(amount),
        )
        for account, person, own, amount in calls
    ]
    for number, each in enumerate(wishes):
        refusal(each)
        if number in lost:
            release(each.call_id)
    renew(wishes, NOON)  # what was lost is made again
    for each in wishes:
        alone = renew([each], NOON)[each.call_id]
        quotas = [
            quota
            for quota in Quota.objects.order_by("pk")
            if quota.account_id in (None, each.account_id) and quota.user_id in (None, each.user_id)
        ]
        found = {(limit.scope, limit.what): limit.used for limit in alone.limits}
        wanted: dict[tuple[str, str], Decimal] = {}
        for quota in quotas:
            count, reserved = naive(quota, each.call_id)
            wanted |= {(quota.scope, "calls"): Decimal(count)}
            wanted |= {(quota.scope, "minutes_day"): Decimal(0)}
            if quota.scope != "site" or not each.own:
                wanted |= {(quota.scope, "money_day"): reserved}
        assert found == wanted
    told = Books([], NOON, locking=False)
    for quota in Quota.objects.all():
        used = told.used(quota)
        assert (used.calls, used.money_day) == naive(quota, None)


class Counted(dict[uuid.UUID, Lease]):
    """Leases that count how often all of them are walked."""

    walks = 0

    def values(self) -> Any:
        Counted.walks += 1
        return super().values()


def test_the_leases_are_walked_as_often_for_many_calls_as_for_few() -> None:
    site(money_per_day=Decimal(9), money_per_month=Decimal(99), minutes_per_day=9, calls_at_once=99)
    walks = []
    for number in (2, 40):
        wishes = [wish(ahead=cents(1)) for _ in range(number)]
        renew(wishes, NOON)
        books = Books(wishes, NOON, locking=False)
        books.leases, Counted.walks = Counted(books.leases), 0
        for each in wishes:
            terms = books.judge(each)
            assert terms.over is None
            books.lease_of(each, terms.limits, began=NOON)
        walks.append(Counted.walks)
    assert walks == [2, 2]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "renew", "release"]), st.integers(0, 3), st.integers(0, 40)
    ),
    max_size=25,
)


@property_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_never_more_is_reserved_than_is_left(steps: list[tuple[str, int, int]]) -> None:
    Lease.objects.all().delete()
    Quota.objects.all().delete()
    site(calls_at_once=2, money_per_day=Decimal(1))
    calls = [uuid.UUID(int=number + 1) for number in range(4)]
    for step, number, amount in steps:
        asked = wish(call_id=calls[number], running=cents(amount), ahead=cents(5))
        running = set(Lease.objects.values_list("call_id", flat=True))
        if step == "release":
            release(asked.call_id)
        elif step == "renew" and asked.call_id in running:
            renew([asked], NOON)
        elif step == "admit" and asked.call_id not in running:
            refusal(asked)
        leases = Lease.objects.all()
        assert len(leases) <= 2
        assert sum(lease.reserved for lease in leases) <= Decimal(1)
        assert all(lease.reserved >= 0 for lease in leases)


def test_today_is_read_from_the_sums_of_today() -> None:
    site(money_per_day=Decimal(1))
    spend(cents(30), account_id=1, user_id=1)
    spend(cents(30), account_id=2, user_id=2)
    assert admit(wish(), NOON).limits[0].used == cents(60)
