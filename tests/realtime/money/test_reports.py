"""Reports: the same figures everywhere, exact, and nothing left out."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum

from chats.models import Account, User
from realtime.models import ExchangeRate, Price, Usage, UsageDay
from realtime.models.exact import ExactSum
from realtime.money import report_sums, reports, rollups
from realtime.money.report_filters import Filters
from realtime.money.reports import BY, call_lines, lines, totals
from realtime.money.spending import Scope, spent
from tests.chats.test_takeout import query_is_open
from tests.realtime.money.spending import OPENAI, at, call, estimated, prices, used

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(bob: User) -> Account:
    """Ann: 3 and 1 USD on two days of one call, Bob: 2 USD, 7 CNY and something without a price."""
    prices()
    ann, team = User.objects.get(username="ann"), Account.objects.get(slug="team")
    one, two = call(ann, team, at(2), 90), call(bob, team, at(9), 30)
    used(ann, team, at(2), 3_000_000, call_id=one.pk)
    used(ann, team, at(3), 1_000_000, call_id=one.pk, status="cancelled")
    used(bob, team, at(9), 2_000_000, call_id=two.pk, status="failed")
    used(bob, team, at(9), 7_000_000, call_id=two.pk, model="q")
    used(bob, team, at(9), 5, call_id=two.pk, model="w")
    return team


def table(by: str, filters: Filters | None = None) -> list[tuple[str, Decimal | None, str]]:
    return [(each.label, each.cost, each.currency) for each in lines(by, filters or Filters())]


def test_days_weeks_and_months_are_those_of_utc(team: Account) -> None:
    assert table("day") == [
        ("2026-11-02", Decimal(3), "USD"),
        ("2026-11-03", Decimal(1), "USD"),
        ("2026-11-09", Decimal(2), "USD"),
        ("2026-11-09", Decimal(7), "CNY"),
    ]
    assert table("week")[:2] == [("2026-11-02", Decimal(4), "USD"), ("2026-11-09", 2, "USD")]
    assert table("month") == [("2026-11", Decimal(6), "USD"), ("2026-11", Decimal(7), "CNY")]
    ann = User.objects.get(username="ann")
    used(ann, team, at(30, 23), 1)
    assert table("day")[-1] == ("2026-11-30", Decimal("0.000001"), "USD")


def test_sums_of_a_currency_of_small_units_are_exact_however_large(
    team: Account, settings: Any
) -> None:
    """More than a whole number of SQLite's holds, of so many digits after the point."""
    settings.REPORTING_CURRENCY = "VND"
    Price.objects.create(model="v", since=at(1), text_in=Decimal("100000.000001"), currency="VND")
    ann = User.objects.get(username="ann")
    rows = [used(ann, team, at(day), 20_000_003, model="v") for day in range(2, 4)]
    rows += [used(ann, team, at(day), 20_000_003, model="v", call_id=OPENAI) for day in range(4, 8)]
    whole = sum(row.cost or 0 for row in rows)
    assert whole > 2**63 / 10**12
    of_it = Filters(model="v")
    found = [totals(of_it), *(lines(by, of_it) for by in BY)]
    assert [sum(line.cost or 0 for line in each) for each in found] == [whole] * len(found)
    assert spent(Scope(), date(2026, 11, 1)).amount == whole
    text = io.StringIO()
    call_command("reconcile", stdout=text)
    assert f"= {whole}" in text.getvalue()


def test_one_day_of_a_person_is_exact_however_dear(team: Account, settings: Any) -> None:
    """More than a whole number of SQLite's holds in one row: of a day, and of the ledger."""
    settings.REPORTING_CURRENCY = "VND"
    Price.objects.create(model="v", since=at(1), text_in=Decimal("200000.000001"), currency="VND")
    ann, whole = User.objects.get(username="ann"), Decimal(0)
    for tokens in (30_000_003, 40_000_001, 1, 80_000_007):
        row = used(ann, team, at(3), tokens, model="v")
        assert Usage.objects.get(pk=row.pk).cost == row.cost
        whole += row.cost or 0
        assert UsageDay.objects.get(model="v").cost == whole
        assert [line.cost for line in lines("user", Filters(model="v"))] == [whole]
        assert [line.cost for line in call_lines(Filters(model="v"))] == [whole]
    assert spent(Scope(), date(2026, 11, 3)).amount == whole
    assert list(rollups.differences()) == []
    rollups.rebuild()
    assert UsageDay.objects.get(model="v").cost == whole
    text = io.StringIO()
    call_command("reconcile", stdout=text)
    assert f"= {whole}" in text.getvalue()


def test_what_is_converted_has_every_digit(team: Account, settings: Any) -> None:
    settings.REPORTING_CURRENCY = "VND"
    rate = Decimal("25411.123456789013")
    ExchangeRate.objects.create(currency="USD", into="VND", since=at(1).date(), rate=rate)
    Price.objects.create(model="v", since=at(1), text_in=Decimal("31.234567"))
    ann, of_it = User.objects.get(username="ann"), Filters(model="v")
    rows = [used(ann, team, at(day), 20_000_003 + day, model="v") for day in range(2, 9)]
    found = [totals(of_it), *(lines(by, of_it) for by in BY)]
    with localcontext(prec=80):
        whole = sum((row.cost or 0) * rate for row in rows)
        assert [sum(line.cost or 0 for line in each) for each in found] == [whole] * len(found)


def test_amounts_beyond_a_whole_number_of_sqlites_add_up(db: None) -> None:
    edge = Decimal(2**63).scaleb(-12)
    least = Decimal("0.000000000001")
    costs = [edge, edge - least, -edge, -edge - least, edge, Decimal("98765432101234.5"), -least]
    for number, cost in enumerate(costs):
        row = UsageDay.objects.create(day=at(1), model=str(number), cost=cost)
        assert UsageDay.objects.get(pk=row.pk).cost == cost
    assert UsageDay.objects.aggregate(sum=ExactSum("cost")) == {"sum": sum(costs)}


def test_a_currency_without_a_rate_has_a_line_of_its_own_and_with_one_it_has_not(
    team: Account,
) -> None:
    assert table("account") == [("Team", Decimal(6), "USD"), ("Team", Decimal(7), "CNY")]
    ExchangeRate.objects.create(currency="CNY", into="USD", since=at(9).date(), rate="0.1395")
    ExchangeRate.objects.create(currency="CNY", into="USD", since=at(10).date(), rate="5")
    assert table("account") == [("Team", Decimal("6.9765"), "USD")]
    assert table("model") == [
        ("m", Decimal(6), "USD"),
        ("q", Decimal("0.9765"), "USD"),
        ("w", None, ""),
    ]


@pytest.mark.parametrize("most", [0, 60])
def test_each_day_is_converted_at_its_own_rate(
    team: Account, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_sums, "MOST_PERIODS", most)
    bob = User.objects.get(username="bob")
    for day, rate in ((5, "2"), (9, "3"), (10, "5")):
        ExchangeRate.objects.create(currency="CNY", into="USD", since=at(day).date(), rate=rate)
    for day in (2, 6, 11):
        used(bob, team, at(day), 1_000_000, model="q")
    expected = Decimal(2 + 2 + 7 * 3 + 5)
    for found in (lines("model", Filters(model="q")), totals(Filters(model="q"))):
        assert [(each.cost, each.currency) for each in found] == [(expected, "USD")]
    by_call = [each.cost for each in call_lines(Filters(model="q"))]
    assert sum(each for each in by_call if each) == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="others keep it in memory")
def test_no_query_is_open_while_somebody_takes_calls_slowly(
    team: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "CHUNK", 1)
    assert [query_is_open() for _line in call_lines(Filters())] == [False] * 3


def test_what_has_no_price_is_counted_and_never_a_zero(team: Account) -> None:
    (line,) = lines("model", Filters(model="w"))
    assert (line.cost, line.currency, line.figures["unpriced"]) == (None, "", 1)
    by_person = [(each.label, each.figures["unpriced"]) for each in lines("user", Filters())]
    assert by_person == [("bob", 1), ("bob", 0), ("ann", 0)]


def test_parts_are_shown_and_add_up(team: Account) -> None:
    ann = User.objects.get(username="ann")
    estimated(ann, team, at(4), 500_000, key="late")
    used(ann, team, at(4), 600_000, key="late")
    used(
        ann,
        team,
        at(4),
        0,
        model="t",
        kind="transcription",
        raw={"type": "duration", "seconds": 30},
    )
    (line,) = [each for each in totals(Filters()) if each.currency == "USD"]
    figures = line.figures
    assert figures["estimated"] == Decimal("0.5")
    assert figures["corrections"] == Decimal("0.1")
    assert figures["transcription_cost"] == Decimal("0.003")
    assert (figures["interrupted"], figures["interrupted_cost"]) == (1, Decimal(1))
    assert (figures["failed"], figures["failed_cost"]) == (1, Decimal(2))
    parts = figures["reported"] + figures["estimated"] + figures["corrections"]
    assert parts == line.cost == Decimal("6.603")
    assert (figures["calls"], figures["minutes"]) == (2, Decimal(2))


@pytest.mark.parametrize("by", BY)
def test_every_grouping_adds_up_to_the_ledger(team: Account, by: str) -> None:
    ledger: dict[str, Any] = {
        row["currency"]: row["cost"]
        for row in Usage.objects.exclude(cost=None).values("currency").annotate(cost=Sum("cost"))
    }
    found: dict[str, Decimal] = {}
    for line in lines(by, Filters()):
        if line.cost is not None:
            found[line.currency] = found.get(line.currency, Decimal(0)) + line.cost
    assert found == ledger
    assert sum(line.figures["answers"] for line in lines(by, Filters())) == 5
    assert sum(line.figures["calls"] for line in lines(by, Filters())) == 2


@pytest.mark.parametrize(
    ("filters", "costs"),
    [
        ({"since": date(2026, 11, 3)}, [1, 2, 7]),
        ({"until": date(2026, 11, 3)}, [3, 1]),
        ({"status": "cancelled"}, [1]),
        ({"model": "q"}, [7]),
        ({"provider": str(OPENAI)}, [3, 1, 2]),
        ({"kind": "transcription"}, []),
        ({"source": "unpriced"}, [None]),
    ],
)
def test_filters_hold_for_daily_sums_and_for_calls(
    team: Account, filters: dict[str, Any], costs: list[int | None]
) -> None:
    given = Filters(**filters)
    assert [line.cost for line in lines("day", given)] == costs
    by_call = [line.cost for line in call_lines(given) if line.cost is not None]
    assert sum(by_call) == sum(each for each in costs if each is not None)


def test_calls_are_listed_the_latest_first_with_whose_they_were(team: Account) -> None:
    found = list(call_lines(Filters()))
    told = [(each.about["user"], each.cost, each.currency) for each in found]
    assert told == [("bob", 2, "USD"), ("bob", 7, "CNY"), ("ann", 4, "USD")]
    assert found[2].figures["minutes"] == Decimal("1.5")
    (one,) = lines("day", Filters(call=found[0].key, model="q"))
    assert (one.cost, one.currency) == (7, "CNY")


def test_who_is_deleted_keeps_the_name_of_then(team: Account) -> None:
    team.name = "Squad"
    team.save()
    assert [line.label for line in lines("account", Filters())] == ["Squad", "Squad"]
    User.objects.get(username="bob").delete()
    found = {(each.label, each.currency): each for each in lines("user", Filters())}
    assert {key: (each.gone, each.cost, each.figures["calls"]) for key, each in found.items()} == {
        ("ann", "USD"): (False, 4, 1),
        ("bob", "CNY"): (True, 7, 0),
        ("bob", "USD"): (True, 2, 0),
        # The call's row no longer says whose it was.
        ("Deleted or nobody's", "USD"): (True, 0, 1),
    }


def test_nothing_used_is_a_true_zero() -> None:
    (line,) = totals(Filters())
    assert (line.cost, line.currency, line.figures["calls"]) == (0, "USD", 0)
    assert lines("day", Filters()) == []


@pytest.mark.parametrize("by", ["day", "week", "month", "account", "user", "provider", "model"])
def test_queries_do_not_grow_with_what_there_is(
    team: Account, by: str, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(4):
        lines(by, Filters())
    with django_assert_max_num_queries(5):
        totals(Filters())


def test_listing_calls_takes_a_few_queries_for_many(
    team: Account, django_assert_max_num_queries: Any
) -> None:
    ann = User.objects.get(username="ann")
    for hour in range(20):
        used(ann, team, at(5, hour), 1, call_id=call(ann, team, at(5, hour)).pk)
    with django_assert_max_num_queries(4):
        assert len(list(call_lines(Filters()))) == 23


def printed(*words: str) -> str:
    out = io.StringIO()
    call_command("usage", *words, stdout=out)
    return out.getvalue()


def test_the_command_prints_words_and_days_from_the_left_and_numbers_from_the_right(
    team: Account,
) -> None:
    head, first, *_ = printed("--by", "day").splitlines()
    assert (head[:4], first[:10]) == ("day ", "2026-11-02")
    head, first, *_ = printed("--by", "call").splitlines()
    started = head.index("started")
    assert first[started : started + 10] == "2026-11-09"
    assert first[head.index("answers") + len("answers") - 1] == "2"


@pytest.mark.parametrize("by", BY)
def test_the_command_prints_the_same_figures(team: Account, by: str) -> None:
    rows = list(csv.DictReader(io.StringIO(printed("--by", by, "--csv"))))
    expected = [
        ("" if line.cost is None else line.cost, line.currency) for line in lines(by, Filters())
    ]
    assert [(row["cost"] and Decimal(row["cost"]), row["currency"]) for row in rows] == expected
    assert set(rows[0]) >= {by, "calls", "minutes", "answers", "estimated", "unpriced", "cost"}


def test_the_command_aligns_a_table_and_takes_a_span(team: Account) -> None:
    text = printed("--from", "2026-11-03", "--to", "2026-11-03", "--by", "model")
    head, row = text.splitlines()
    assert head.split() == [
        "model",
        "answers",
        "interrupted",
        "text_in",
        "reported",
        "interrupted_cost",
        "cost",
        "currency",
    ]
    assert row.split() == ["m", "1", "1", "1000000", "1.00", "1.00", "1.00", "USD"]


def test_the_command_takes_any_last_day(team: Account) -> None:
    always = printed("--by", "call", "--csv", "--from", "0001-01-01", "--to", "9999-12-31")
    assert always == printed("--by", "call", "--csv")


def test_the_command_says_that_days_are_swapped() -> None:
    with pytest.raises(CommandError, match="--to 2026-11-01 is before --from 2026-11-30"):
        call_command("usage", "--from", "2026-11-30", "--to", "2026-11-01")
