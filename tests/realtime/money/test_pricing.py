"""Prices to the last digit, each worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.money.pricing import Prices, Unpriced, cost, costs, per_minute, plain, priced_part
from realtime.money.usage import Counts, counts_of
from tests.realtime.money.test_usage import SHAPES

D = Decimal
GPT_REALTIME = Prices(D(4), D("0.4"), D(16), D(32), D("0.4"), D(64), D(5), D("0.5"))
GPT_MINI = Prices(D("0.6"), D("0.06"), D("2.4"), D(10), D("0.3"), D(20), D("0.8"), D("0.08"))
GEMINI = Prices(text_in=D("0.75"), text_out=D("4.5"), audio_in=D(3), audio_out=D(12), image_in=D(1))
GROK = Prices(per_minute=D("0.08"), per_message=D("0.004"))
GPT_LIVE = Prices(per_minute=D("0.05"))
WHISPER = Prices(per_minute=D("0.006"))
TRANSCRIBE = Prices(text_in=D("2.5"), audio_in=D(6), text_out=D(10))
MINIMAX = Prices(
    text_in=D(2), text_out=D(8), per_minute=D("0.006"), per_million_characters=D(30), currency="CNY"
)

GOLDEN = [
    # 56 x 4 + 64 x .4 + 20 x 16 + 172 x 32 + 128 x .4 + 70 x 64 + 16 x 5 + 64 x .5 = 10716.8
    ("OpenAI GA", GPT_REALTIME, "0.0107168"),
    # 56 x .6 + 64 x .06 + 20 x 2.4 + 172 x 10 + 128 x .3 + 70 x 20 + 16 x .8 + 64 x .08 = 3261.76
    ("OpenAI GA", GPT_MINI, "0.00326176"),
    # 100 x 4 + 200 x 32 + 10 x 16 + 40 x 64 = 9520
    ("OpenAI beta", GPT_REALTIME, "0.00952"),
    # 79 x 4 + 21 x .4 + 157 x 32 + 43 x .4 + 160 + 2560 = 8085.6
    ("Azure, cached and not split", GPT_REALTIME, "0.0080856"),
    # 228 x 4 + 108 x 32 + 9 x 16 + 32 x 64 = 6560
    ("Qwen", GPT_REALTIME, "0.00656"),
    # 80 x .75 + 100 x .75 (no cheaper rate) + 300 x 3 + 50 x 1 + 22 x 4.5 + 70 x 12 = 2024
    ("Gemini", GEMINI, "0.002024"),
    # 12.75 s x .08 / 60 + 2 x .004 = .017 + .008
    ("xAI", GROK, "0.025"),
    # 61.5 s x .05 / 60
    ("GPT-Live", GPT_LIVE, "0.05125"),
    # 100 x 2 + 30 x 8 = 440 millionths; 4.2 s x .006 / 60 = .00042; 61 x 30 = 1830 millionths
    ("MiniMax", MINIMAX, "0.00269"),
    # 17 x 6 + 9 x 10, the words as text
    ("transcription by tokens", TRANSCRIBE, "0.000192"),
    # 3.2 s x .006 / 60
    ("transcription by duration", WHISPER, "0.00032"),
]


@pytest.mark.parametrize(("shape", "prices", "exactly"), GOLDEN)
def test_usage_times_price(shape: str, prices: Prices, exactly: str) -> None:
    counts = counts_of(SHAPES[shape][0])
    assert cost(counts, prices) == Decimal(exactly)


def test_time_that_does_not_divide_is_rounded_once_at_the_last_digit() -> None:
    # 1 s x .017 / 60 = .000283333...
    assert cost(Counts(seconds=D(1)), Prices(per_minute=D("0.017"))) == D("0.000283333333")


def test_one_token_at_the_smallest_price() -> None:
    assert cost(Counts(text_in=1), Prices(text_in=D("0.000001"))) == D("0.000000000001")


def test_a_cancelled_answer_costs_what_was_made_of_it() -> None:
    assert cost(Counts(audio_out=1), GPT_REALTIME) == D("0.000064")


def test_cached_tokens_are_not_paid_for_twice() -> None:
    whole, cached = Counts(audio_in=1000), Counts(audio_in=1000, audio_cached=1000)
    assert (cost(whole, GPT_REALTIME), cost(cached, GPT_REALTIME)) == (D("0.032"), D("0.0004"))


@pytest.mark.parametrize(
    ("counts", "prices", "missing"),
    [
        (Counts(seconds=D(1)), TRANSCRIBE, ("seconds",)),
        (Counts(audio_in=1), WHISPER, ("audio_in",)),
        (Counts(characters=1), GPT_REALTIME, ("characters",)),
        (Counts(text_in=1), Prices(), ("text_in",)),
        (Counts(text_in=2, text_cached=1, text_out=1), Prices(text_in=D(1)), ("text_out",)),
    ],
)
def test_what_has_no_rate_is_never_free(
    counts: Counts, prices: Prices, missing: tuple[str, ...]
) -> None:
    with pytest.raises(Unpriced) as unpriced:
        cost(counts, prices)
    assert unpriced.value.measures == missing


def test_a_rate_of_nothing_is_free() -> None:
    free = Prices(text_in=D(0), text_out=D(0))
    assert cost(Counts(10, 5, 3, 100, 50, 20, 7, 1), free) == 0


def test_who_bills_by_time_may_count_tokens_all_the_same() -> None:
    counts = Counts(audio_in=500, audio_out=90, seconds=D(60), messages=1)
    assert cost(counts, GROK) == D("0.084")


def test_tokens_nobody_sorted_cost_the_dearest_they_can_have_been() -> None:
    assert cost(Counts(other_in=10, other_out=10), GPT_REALTIME) == D("0.00096")
    assert cost(Counts(other_in=10), Prices(text_in=D(2))) == D("0.00002")


def test_an_estimate_is_priced_by_what_the_price_speaks_of() -> None:
    estimate = Counts(audio_in=30, text_out=5, seconds=D(3))
    assert cost(priced_part(estimate, WHISPER), WHISPER) == D("0.0003")
    assert cost(priced_part(estimate, TRANSCRIBE), TRANSCRIBE) == D("0.00023")


def test_connected_time_is_priced_where_tokens_are_too() -> None:
    both = Prices(text_in=D("1.8"), text_out=D(9), per_minute=D("0.08"))
    assert cost(priced_part(Counts(seconds=D(15)), both), both) == D("0.02")
    assert cost(priced_part(Counts(text_in=10, seconds=D(15)), both), both) == D("0.000018")
    with pytest.raises(Unpriced):
        cost(priced_part(Counts(seconds=D(15)), GPT_REALTIME), GPT_REALTIME)


def test_the_parts_add_up_to_the_whole() -> None:
    counts = counts_of(SHAPES["OpenAI GA"][0])
    parts = costs(counts, GPT_REALTIME)
    assert parts["audio_out"] == D("0.00448")
    assert sum(parts.values()) == cost(counts, GPT_REALTIME)


small = st.integers(0, 10**7)
rate = st.decimals(0, 1000, places=6)


@given(st.lists(small, min_size=8, max_size=8), st.lists(rate, min_size=8, max_size=8))
def test_cost_is_exact_whatever_the_counts(numbers: list[int], rates: list[Decimal]) -> None:
    from fractions import Fraction

    text, cached, out = numbers[0] + numbers[1], numbers[1], numbers[2]
    counts = Counts(text_in=text, text_cached=cached, text_out=out, audio_out=numbers[3])
    prices = Prices(rates[0], rates[1], rates[2], audio_in=rates[3], audio_out=rates[4])
    exact = (
        numbers[0] * Fraction(rates[0])
        + cached * Fraction(rates[1])
        + out * Fraction(rates[2])
        + numbers[3] * Fraction(rates[4])
    ) / 10**6
    assert Fraction(cost(counts, prices)) == exact


def test_a_minute_of_talk() -> None:
    # A turn: 200 x 4 + 1800 x .4 + 35 x 16 + 110 x 32 + 450 x .4 + 140 x 64 = 14740 millionths
    assert per_minute(GPT_REALTIME) == D("0.05896")
    assert per_minute(GPT_LIVE) == D("0.05")
    assert per_minute(Prices()) is None
    assert per_minute(Prices(text_in=D(1))) is None


def test_amounts_are_written_with_all_their_digits() -> None:
    amounts = ["0.0107168000", "0E-12", "12", "-0.5", "0.000000000001"]
    assert [plain(D(each)) for each in amounts] == [
        "0.0107168",
        "0.00",
        "12.00",
        "-0.50",
        "0.000000000001",
    ]
