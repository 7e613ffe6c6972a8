"""What a call may still use, as its tap sees it: no database, no clock but the test's."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from realtime.bridge.audio import BYTES_PER_SECOND
from realtime.models import Usage
from realtime.money.allowance import Allowance, Tariff
from realtime.money.pricing import Prices
from realtime.money.terms import Limit, OverQuota, Terms, Wish
from realtime.money.usage import Counts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CENT = Decimal("0.01")
# A token of speech is a hundredth of a cent.
PRICES = Prices(text_in=Decimal(0), text_out=Decimal(0), audio_out=Decimal(100))


class Bench:
    """An allowance and what it says."""

    def __init__(
        self, *, prices: Prices | None = PRICES, rate: int | str = 1, limits: Sequence[Limit] = ()
    ) -> None:
        self.told: list[dict[str, Any]] = []
        self.ends: list[str] = []
        self.under_way: Sequence[Counts] = []
        self.unsettled: dict[str, Counts] = {}
        self.quiet = 0.0
        self.now = NOON
        self.allowance = Allowance(
            call_id=uuid.UUID(int=1),
            account_id=1,
            user_id=1,
            tariff=Tariff(prices, Decimal(rate)),
            terms=Terms(limits, began=NOON),
            under_way=lambda without: [
                *self.under_way,
                *[counts for name, counts in self.unsettled.items() if name not in without],
            ],
            unsettled=lambda: self.unsettled,
            idle_seconds=lambda: self.quiet,
            end=lambda reason, words: self.ends.append(reason),
            tell=self.told.append,
            now=lambda: self.now,
            clock=lambda: 1e6 + (self.now - NOON).total_seconds(),
        )

    def speaks(self, tokens: int) -> None:
        self.under_way = [Counts(audio_out=tokens)]

    @property
    def shown(self) -> list[dict[str, Any]]:
        return [event for event in self.told if event["type"] == "nextvoice.quota"]

    @property
    def codes(self) -> list[str]:
        return [event["code"] for event in self.told if event["type"] == "nextvoice.notice"]


def money(most: Decimal, used: Decimal = Decimal(0), what: str = "money_day") -> Limit:
    return Limit("person", what, most, used, NOON + timedelta(hours=12))


def a_second(bench: Bench) -> None:
    bench.allowance.on_assistant_audio("item", 0, bytes(BYTES_PER_SECOND))


def test_it_looks_with_each_second_of_audio() -> None:
    bench = Bench()
    bench.allowance.told(Terms([money(CENT)], began=NOON))
    bench.speaks(99)
    a_second(bench)
    assert bench.ends == []
    bench.speaks(100)
    for ends in ([], [], ["quota_used_up"], ["quota_used_up"]):
        bench.allowance.on_assistant_audio("item", 0, bytes(BYTES_PER_SECOND // 3))
        assert bench.ends == ends


def test_what_was_left_at_the_start_holds_until_the_first_look() -> None:
    bench = Bench(limits=[money(CENT)])
    bench.speaks(99)
    bench.allowance.on_event({"type": "response.created"})
    assert bench.ends == []
    bench.speaks(100)
    bench.allowance.on_event({"type": "response.done"})
    assert bench.ends == []
    bench.allowance.on_event({"type": "response.created"})
    assert bench.ends == ["quota_used_up"]


def test_money_is_held_against_the_tightest_limit_of_money_alone() -> None:
    minutes = Limit("site", "minutes_day", Decimal(1), Decimal("0.999"))
    month = money(2 * CENT, what="money_month")
    bench = Bench(limits=[money(3 * CENT), minutes, month, money(4 * CENT)])
    bench.speaks(199)
    a_second(bench)
    assert bench.ends == []
    bench.speaks(200)
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


@pytest.mark.parametrize("is_free", [False, True])
def test_without_a_limit_or_a_cost_calls_go_on(is_free: bool) -> None:
    free = Prices(text_in=Decimal(0), text_out=Decimal(0))
    limits = [money(CENT, used=CENT)] if is_free else []
    bench = Bench(prices=free if is_free else PRICES, limits=limits)
    bench.speaks(1000)
    a_second(bench)
    bench.allowance.told(Terms(limits, began=NOON))
    assert bench.ends == []
    assert [event["free"] for event in bench.shown] == [is_free]


@pytest.mark.parametrize(
    ("running", "ahead", "is_free"),
    [("0", "0", True), ("0.01", "0", False), ("0", "0.01", False), (None, "0", False)],
)
def test_free_is_what_costs_nothing_now_nor_ahead(
    running: str | None, ahead: str, is_free: bool
) -> None:
    """Talk may be free and pictures not."""
    costs = None if running is None else Decimal(running)
    assert Wish(uuid.UUID(int=1), 1, 1, costs, Decimal(ahead)).free is is_free


def test_a_call_that_nobody_judges_ends_when_what_was_left_is_used_up() -> None:
    bench = Bench()
    longest = timedelta(minutes=10)
    bench.allowance.told(Terms([money(CENT)], longest=longest, began=NOON))
    bench.speaks(100)
    bench.now = NOON + longest
    bench.allowance.unheard()
    assert bench.ends == ["quota_used_up"]


@pytest.mark.parametrize(
    "limit",
    [None, Limit("site", "minutes_day", Decimal(1), Decimal("1.5"))],
    ids=["unpriced", "minutes"],
)
def test_a_limit_that_is_not_of_money_ends_a_call_whatever_is_under_way(
    limit: Limit | None,
) -> None:
    bench = Bench()
    bench.speaks(1000)
    for _ in range(2):
        bench.allowance.told(Terms([], over=OverQuota(limit), began=NOON))
    assert bench.ends == ["quota_used_up"]


def test_about_ten_seconds_are_reserved_ahead_of_what_runs() -> None:
    bench = Bench(prices=Prices(per_minute=Decimal("0.6")), rate="7.123456789012345")
    assert bench.allowance.wish().ahead == Decimal("0.712345678901")
    bench.under_way = [Counts(seconds=Decimal(10)), Counts(seconds=Decimal(20))]
    assert bench.allowance.wish().running == Decimal("2.137037036704")


def test_what_no_price_speaks_of_is_asked_for_as_unpriced() -> None:
    bench = Bench(prices=Prices(audio_out=Decimal(100)))
    bench.under_way = [Counts(text_out=1)]
    assert (bench.allowance.wish().running, bench.allowance.wish().ahead) == (None, None)


def test_amounts_are_compared_in_the_reporting_currency() -> None:
    bench = Bench(rate=7)
    bench.allowance.told(Terms([money(7 * CENT)], began=NOON))
    bench.speaks(99)
    a_second(bench)
    assert bench.ends == []
    bench.speaks(100)
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


def test_what_went_into_the_ledger_since_the_last_look_counts_too() -> None:
    bench = Bench(rate=2)
    bench.allowance.told(Terms([money(2 * CENT)], began=NOON))
    bench.allowance.costs("1", Usage(cost=CENT / 4, currency="USD"))
    bench.allowance.costs("2", Usage(cost=CENT, currency="CNY"))
    bench.allowance.costs("3", Usage(cost=None))
    bench.allowance.costs("4", Usage(cost=CENT, currency="USD", own=True))
    bench.allowance.costs("5", Usage(cost=CENT / 4, currency="USD"))
    bench.speaks(49)
    a_second(bench)
    assert bench.ends == []
    bench.speaks(50)
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


def test_an_answer_that_was_counted_twice_ends_nothing() -> None:
    """The quotas were asked with the answer under way, and read the ledger when it was in it."""
    bench = Bench()
    limit = money(2 * CENT, used=CENT)
    bench.allowance.told(Terms([limit], over=OverQuota(limit), began=NOON))
    assert bench.ends == []
    bench.speaks(100)
    for _ in range(2):
        bench.allowance.told(Terms([limit], over=OverQuota(limit), began=NOON))
    assert bench.ends == ["quota_used_up"]


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_row_that_the_quotas_read_before_the_call_knew_is_counted_once(
    asked_before: bool,
) -> None:
    bench = Bench()
    limit = money(CENT, used=CENT * 8 / 10)
    bench.unsettled["row"] = Counts(audio_out=80)
    bench.allowance.told(
        Terms([limit], over=None if asked_before else OverQuota(limit), began=NOON)
    )
    a_second(bench)
    bench.unsettled.clear()
    bench.allowance.costs("row", Usage(cost=CENT * 8 / 10, currency="USD"))
    bench.speaks(19)
    a_second(bench)
    assert bench.ends == []
    bench.speaks(20)
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


def test_a_row_that_does_not_reach_the_ledger_counts_from_the_second_look_on() -> None:
    bench = Bench()
    bench.unsettled["row"] = Counts(audio_out=100)
    terms = Terms([money(CENT)], began=NOON)
    bench.allowance.told(terms)
    a_second(bench)
    assert bench.ends == []
    bench.allowance.told(terms)
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


def test_the_price_of_now_is_what_counts() -> None:
    bench = Bench()
    bench.allowance.told(Terms([money(CENT)], began=NOON))
    bench.speaks(50)
    a_second(bench)
    assert bench.ends == []
    bench.allowance.costs_now(Tariff(replace(PRICES, audio_out=Decimal(200))))
    a_second(bench)
    assert bench.ends == ["quota_used_up"]


def test_a_call_ends_when_nobody_says_anything_for_as_long_as_the_quota_allows() -> None:
    bench = Bench()
    terms = Terms(idle=timedelta(minutes=2), began=NOON)
    bench.quiet = 120.0
    bench.allowance.told(terms)
    assert bench.ends == []
    bench.quiet = 120.5
    for _ in range(2):
        bench.allowance.told(terms)
    assert bench.ends == ["idle"]


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("before", [0, 3], ids=["its process", "another process"])
def test_a_call_ends_when_it_is_as_long_as_it_may_be(away: bool, before: int) -> None:
    bench = Bench()
    terms = Terms(longest=timedelta(minutes=10 + before), began=NOON - timedelta(minutes=before))
    bench.allowance.told(terms)
    for minutes, codes, ends in [
        (8.9, [], []),
        (9, ["call_ends_soon"], []),
        (9.5, ["call_ends_soon"], []),
        (10, ["call_ends_soon"], ["call_too_long"]),
        (11, ["call_ends_soon"], ["call_too_long"]),
    ]:
        bench.now = NOON + timedelta(minutes=minutes)
        if away:
            bench.allowance.unheard()
        else:
            bench.allowance.told(terms)
        assert (bench.codes, bench.ends) == (codes, ends)


def test_each_limit_is_warned_of_once_and_the_page_is_told_only_news() -> None:
    bench = Bench()
    limits = [money(CENT, used=CENT * 8 / 10), money(CENT, what="money_month")]
    for _ in range(3):
        bench.allowance.told(Terms(limits, began=NOON))
    assert bench.codes == ["quota_nearly_used_up"]
    limits[1] = money(CENT, used=CENT * 9 / 10, what="money_month")
    bench.allowance.told(Terms(limits, began=NOON))
    assert bench.codes == ["quota_nearly_used_up"] * 2
    assert [[limit["left"] for limit in event["limits"]] for event in bench.shown] == [
        ["0.002", "0.01"],
        ["0.002", "0.001"],
    ]


def test_a_limit_that_begins_anew_or_is_raised_is_warned_of_again() -> None:
    bench = Bench()
    today = money(CENT, used=CENT * 8 / 10)
    tomorrow = replace(today, renews=NOON + timedelta(hours=36))
    raised = replace(tomorrow, most=2 * CENT, used=2 * CENT * 8 / 10)
    for warned, limit in enumerate((today, tomorrow, raised), start=1):
        for _ in range(2):
            bench.allowance.told(Terms([limit], began=NOON))
        assert bench.codes == ["quota_nearly_used_up"] * warned


@pytest.mark.parametrize(
    ("used", "told"), [("0.0001", ["0.01"]), ("0.0002", ["0.01", "0.0098"])], ids=["less", "more"]
)
def test_the_page_is_told_anew_when_more_than_a_hundredth_of_what_was_left_is_gone(
    used: str, told: list[str]
) -> None:
    bench = Bench()
    bench.allowance.told(Terms([money(CENT)], began=NOON))
    bench.allowance.told(Terms([money(CENT, used=Decimal(used))], began=NOON))
    assert [event["limits"][0]["left"] for event in bench.shown] == told


@pytest.mark.parametrize(
    "news",
    [
        {"renews": NOON + timedelta(hours=36)},
        {"most": CENT * 10001 / 10000},
        {"used": CENT * 8 / 10},
        {"scope": "site"},
    ],
    ids=lambda news: next(iter(news)),
)
def test_the_page_is_told_of_another_limit_however_little_less_is_left(
    news: dict[str, Any],
) -> None:
    bench = Bench()
    limit = money(CENT, used=CENT * 7995 / 10000)
    for each in (limit, replace(limit, **news)):
        bench.allowance.told(Terms([each], began=NOON))
    assert len(bench.shown) == 2


def test_the_page_is_told_what_is_left_until_when_and_when_the_call_ends() -> None:
    bench = Bench()
    tightest, more = money(CENT, used=CENT * 8 / 9), replace(money(2 * CENT), scope="site")
    limits = [more, tightest, more, Limit("site", "calls", Decimal(2), Decimal(2))]
    bench.allowance.told(Terms(limits, longest=timedelta(minutes=10), began=NOON))
    midnight = {"renews": "2026-11-23T00:00:00+00:00"}
    today = {"what": "money_day", "most": "0.01", "left": "0.0011", "warn": True} | midnight
    calls = {"what": "calls", "most": "2.00", "left": "0.00", "warn": False, "renews": None}
    assert bench.shown == [
        {
            "type": "nextvoice.quota",
            "currency": "USD",
            "priced": True,
            "prices_in": "USD",
            "free": False,
            "limits": [{"scope": "person", **today}, {"scope": "site", **calls}],
            "over": None,
            "ends_at": "2026-11-22T12:10:00+00:00",
        }
    ]
    assert bench.codes == ["quota_nearly_used_up"]
    over = Terms(limits, over=OverQuota(tightest), began=NOON)
    bench.speaks(1000)
    bench.allowance.told(over)
    assert [event["over"] for event in bench.shown] == [None, {"scope": "person", **today}]


def test_without_a_price_money_ends_nothing_by_itself() -> None:
    bench = Bench(prices=None)
    bench.allowance.told(Terms([money(CENT, used=CENT)], began=NOON))
    bench.speaks(1000)
    a_second(bench)
    assert bench.ends == []
    (event,) = bench.shown
    assert (event["priced"], event["prices_in"], event["free"]) == (False, None, False)
    assert (bench.allowance.wish().running, bench.allowance.wish().ahead) == (None, None)
