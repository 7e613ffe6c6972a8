"""What is left of quotas, for the people they hold for, their managers and the site's admins."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Account, Membership, User
from realtime.models import Lease, Quota
from realtime.money.quota_summary import quota_summary
from realtime.money.quota_words import over_words
from realtime.money.terms import Limit, OverQuota
from tests.realtime.money.test_quotas import cents, spend

pytestmark = pytest.mark.django_db


def lease(user: User, account: Account, **fields: Any) -> Lease:
    now = timezone.now()
    return Lease.objects.create(
        call_id=uuid.uuid4(),
        account_id=account.pk,
        user_id=user.pk,
        began=now,
        heartbeat=now,
        **fields,
    )


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_person_sees_what_is_left_of_each_quota_that_holds(ann: User) -> None:
    Quota.objects.create(money_per_month=Decimal(100), calls_at_once=5)
    Quota.objects.create(user=ann, money_per_day=Decimal(2), call_minutes=30)
    mine = {"account_id": ann.own_account.pk, "user_id": ann.pk}
    spend(cents(50), timezone.now(), **mine)
    lease(ann, ann.own_account, reserved=cents(10))
    told = quota_summary(user=ann)
    assert [(line.name, line.left, line.part) for line in told.lines] == [
        ("This site's budget for the month (100.00 USD)", "99.40 USD", 0.006),
        ("Your budget for today (2.00 USD)", "1.40 USD", 0.3),
    ]
    assert (told.longest_minutes, told.places and told.places.used) == (30, 1)
    page = client_of(ann).get(reverse("usage")).content.decode()
    assert "Your budget for today (2.00 USD)" in page
    assert "One call may last 30 minutes." in page


def test_without_quotas_a_page_says_nothing_of_them(ann: User) -> None:
    assert not quota_summary(user=ann)
    assert 'data-testid="quota"' not in client_of(ann).get(reverse("usage")).content.decode()


def test_managers_see_the_quota_of_their_account_and_others_do_not(
    ann: User, bob: User, eve: User
) -> None:
    team = Account.objects.get(slug="team")
    Membership.objects.filter(user=ann, account=team).update(role=Membership.Role.MANAGER)
    Quota.objects.create(account=team, minutes_per_day=45)
    Quota.objects.create(user=ann, minutes_per_day=9)
    place = reverse("account-usage", args=["team"])
    page = client_of(ann).get(place).content.decode()
    # Her own is hers, not the team's.
    assert ("(45 minutes)" in page, "(9 minutes)" in page) == (True, False)
    assert [client_of(each).get(place).status_code for each in (bob, eve)] == [404, 404]


def test_admins_see_what_is_used_and_who_takes_a_place(ann: User, eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(is_staff=True, is_superuser=True)
    Quota.objects.create(user=ann, money_per_day=Decimal(2), calls_at_once=3)
    for number in range(20):
        team = Account.objects.create(name=f"Team {number}", slug=f"team-{number}")
        Quota.objects.create(account=team, calls_at_once=1)
    spend(cents(50), timezone.now(), account_id=ann.own_account.pk, user_id=ann.pk)
    lease(ann, ann.own_account, reserved=cents(10))
    admin = client_of(User.objects.get(pk=eve.pk))
    page = admin.get(reverse("admin:realtime_quota_changelist")).content.decode()
    assert "0.60 / 2.00 USD" in page
    assert "1 / 3" in page
    leases = admin.get(reverse("admin:realtime_lease_changelist")).content.decode()
    assert ("ann" in leases, "0.10 USD" in leases) == (True, True)
    assert admin.get(reverse("admin:realtime_lease_add")).status_code == 403


@pytest.mark.parametrize(
    ("scope", "most", "words"),
    [
        ("site", 0, "This site allows no calls at the moment."),
        ("account", 0, "Your account may have no calls at the moment."),
        ("person", 0, "You may have no calls at the moment."),
        ("person", 1, "You already have 1 call going on, the most you may have."),
    ],
)
def test_where_no_calls_are_allowed_nobody_is_told_of_any(
    scope: str, most: int, words: str
) -> None:
    said, remedy = over_words(OverQuota(Limit(scope, "calls", Decimal(most), Decimal(most))), "USD")
    assert (said, "End another call" in remedy) == (words, most > 0)
