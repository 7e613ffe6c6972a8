"""Usage pages: who sees what, and that they say what the ledger says."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chats.models import Account, Membership, User
from realtime.models import Usage
from realtime.money.report_filters import Filters
from realtime.money.reports import lines
from tests.realtime.money.spending import at, call, estimated, prices, used

pytestmark = pytest.mark.django_db
NOVEMBER = {"month": "2026-11"}


@pytest.fixture
def team(bob: User) -> Account:
    """Ann manages it, Bob is a member; both used some of it."""
    prices()
    ann, team = User.objects.get(username="ann"), Account.objects.get(slug="team")
    team.memberships.filter(user=ann).update(role=Membership.Role.MANAGER)
    used(ann, team, at(2), 3_000_000, call_id=call(ann, team, at(2), 90).pk)
    used(bob, team, at(9), 2_000_000, call_id=call(bob, team, at(9), 30).pk)
    used(bob, bob.own_account, at(9), 5_000_000)
    return team


def site_of(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def get(person: User | None, name: str, *args: Any, **query: str) -> Any:
    return site_of(person).get(reverse(name, args=args), NOVEMBER | query)


def shown(page: Any) -> list[tuple[Decimal | None, str]]:
    return [(line.cost, line.currency) for line in page.context["totals"]]


@pytest.mark.parametrize(
    ("who", "own", "account"),
    [("ann", 200, 200), ("bob", 200, 404), ("eve", 200, 404), (None, 302, 302)],
)
@pytest.mark.parametrize("kind", ["", "-csv"])
def test_who_may_see_what(
    team: Account, eve: User, who: str | None, own: int, account: int, kind: str
) -> None:
    user = User.objects.get(username=who) if who else None
    assert get(user, f"usage{kind}").status_code == own
    assert get(user, f"account-usage{kind}", "team").status_code == account
    assert get(user, f"account-usage{kind}", "nowhere").status_code == (
        302 if user is None else 404
    )


def test_everybody_manages_the_account_of_their_own_and_nobody_elses(
    team: Account, bob: User, eve: User
) -> None:
    assert get(bob, "account-usage", bob.own_account.slug).status_code == 200
    assert get(eve, "account-usage", bob.own_account.slug).status_code == 404


def test_a_person_sees_their_own_usage_only(team: Account, bob: User) -> None:
    page = get(bob, "usage")
    assert shown(page) == [(Decimal(7), "USD")]
    assert [line.label for line, _share in page.context["models"]] == ["m"]
    assert b"2026-11-09: 7.00 USD" in page.content
    ((latest, linked),) = page.context["calls"]
    assert (latest.cost, latest.figures["minutes"], linked) == (2, Decimal("0.5"), True)
    assert reverse("conversation", args=[latest.about["record"].conversation_id]) in str(
        page.content
    )
    assert list(page.context["teams"]) == []
    assert [str(each) for each in get(User.objects.get(username="ann"), "usage").context["teams"]]


def test_a_manager_sees_what_each_member_used_of_the_account(team: Account) -> None:
    ann = User.objects.get(username="ann")
    page = get(ann, "account-usage", "team")
    assert shown(page) == [(Decimal(5), "USD")]
    people = [(line.label, line.cost, share) for line, share in page.context["people"]]
    assert people == [("ann", 3, "100.0"), ("bob", 2, "66.7")]
    # What was said in them is the members' own.
    assert b"/c/" not in page.content.partition(b"Latest calls")[2].partition(b"</section>")[0]


def test_a_call_began_when_it_was_for_who_looks(team: Account, bob: User) -> None:
    """The page's scripts write it as the browser's clock has it, as in the conversation."""
    page = get(bob, "usage").content.decode()
    assert '<time datetime="2026-11-09T12:00:00+00:00" data-moment>' in page


def test_a_month_without_usage_says_so(eve: User) -> None:
    page = get(eve, "usage")
    assert b"nothing-used" in page.content
    assert shown(page) == [(Decimal(0), "USD")]


@pytest.mark.parametrize("month", ["", "2026-13", "x", "0001-01", "9999-12", "2026-11-01"])
def test_a_month_that_is_none_is_this_one(team: Account, bob: User, month: str) -> None:
    assert get(bob, "usage", month=month).status_code == 200


def test_estimates_and_what_has_no_price_are_visible(team: Account, bob: User) -> None:
    estimated(bob, team, at(10), 1_000_000, status="incomplete")
    used(bob, team, at(10), 1, model="w")
    text = get(bob, "usage").content.decode()
    assert 'data-testid="estimated"' in text
    assert 'data-testid="unpriced"' in text
    assert "partly estimated" in text
    assert "no price" in text


@pytest.mark.parametrize("by", ["day", "user", "model", "provider", "call"])
def test_a_file_has_the_same_figures(team: Account, by: str) -> None:
    ann = User.objects.get(username="ann")
    answer = get(ann, "account-usage-csv", "team", by=by)
    assert answer["Content-Disposition"] == f'attachment; filename="usage-team-2026-11-{by}.csv"'
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = lines(by, Filters(account=team.pk))
    assert [(Decimal(row["cost"]), row["currency"]) for row in rows] == [
        (line.cost, line.currency) for line in expected
    ]


def test_others_may_not_be_asked_for_in_a_file(team: Account, bob: User) -> None:
    assert get(bob, "usage-csv", by="user").status_code == 404
    assert get(bob, "usage-csv", by="nonsense").status_code == 404
    answer = get(bob, "usage-csv", by="model", user=str(team.pk), account=str(team.pk))
    assert b"7.00" in b"".join(answer.streaming_content)


def test_the_page_takes_few_queries_however_much_there_is(
    team: Account, bob: User, django_assert_max_num_queries: Any
) -> None:
    for hour in range(20):
        used(bob, team, at(12, hour), 1, call_id=call(bob, team, at(12, hour)).pk)
    client = site_of(bob)
    with django_assert_max_num_queries(20):
        client.get(reverse("usage"), NOVEMBER)
    assert Usage.objects.count() == 23
