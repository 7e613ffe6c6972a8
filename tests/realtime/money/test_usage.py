"""Usage in every spelling there is."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.money.usage import MEASURES, Counts, counts_of, tame

GA = {
    "total_tokens": 590,
    "input_tokens": 500,
    "output_tokens": 90,
    "input_token_details": {
        "text_tokens": 120,
        "audio_tokens": 300,
        "image_tokens": 80,
        "cached_tokens": 256,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 128, "image_tokens": 64},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 70},
}

SHAPES: dict[str, tuple[dict[str, Any], Counts]] = {
    "OpenAI GA": (
        GA,
        Counts(120, 64, 20, 300, 128, 70, 80, 64),
    ),
    "OpenAI beta": (
        {
            "input_tokens": 300,
            "output_tokens": 50,
            "input_token_details": {"text_tokens": 100, "audio_tokens": 200, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
        },
        Counts(text_in=100, audio_in=200, text_out=10, audio_out=40),
    ),
    "Azure, cached and not split": (
        {
            "input_tokens": 300,
            "output_tokens": 50,
            "input_token_details": {"text_tokens": 100, "audio_tokens": 200, "cached_tokens": 64},
            "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
        },
        Counts(
            text_in=100,
            text_cached=21,
            audio_in=200,
            audio_cached=43,
            text_out=10,
            audio_out=40,
            doubts=("cached_not_split",),
        ),
    ),
    "cached and not split, mostly of text": (
        {
            "input_tokens": 300,
            "input_token_details": {"text_tokens": 200, "audio_tokens": 100, "cached_tokens": 64},
        },
        Counts(200, 43, 0, 100, 21, doubts=("cached_not_split",)),
    ),
    "cached and split in part": (
        {
            "input_tokens": 300,
            "input_token_details": {
                "text_tokens": 100,
                "audio_tokens": 200,
                "cached_tokens": 150,
                "cached_tokens_details": {"text_tokens": 60},
            },
        },
        Counts(100, 75, 0, 200, 75, doubts=("cached_not_split",)),
    ),
    "cached and not split, of text alone": (
        {"input_tokens": 100, "input_token_details": {"text_tokens": 100, "cached_tokens": 64}},
        Counts(text_in=100, text_cached=64),
    ),
    "Qwen": (
        {
            "total_tokens": 377,
            "input_tokens": 336,
            "output_tokens": 41,
            "input_tokens_details": {"text_tokens": 228, "audio_tokens": 108},
            "output_tokens_details": {"text_tokens": 9, "audio_tokens": 32},
        },
        Counts(text_in=228, audio_in=108, text_out=9, audio_out=32),
    ),
    "Voice Live, which thinks": (
        {
            "input_tokens": 10,
            "output_tokens": 40,
            "input_token_details": {"text_tokens": 10},
            "output_token_details": {"text_tokens": 5, "audio_tokens": 20, "reasoning_tokens": 15},
        },
        Counts(text_in=10, text_out=20, audio_out=20),
    ),
    "reasoning that is part of the text": (
        {
            "output_tokens": 25,
            "output_token_details": {"text_tokens": 5, "audio_tokens": 20, "reasoning_tokens": 3},
        },
        Counts(text_out=5, audio_out=20),
    ),
    "MiniMax": (
        {
            "total_tokens": 130,
            "input_tokens": 100,
            "output_tokens": 30,
            "total_asr_time": 4.2,
            "total_audio_characters": 61,
        },
        Counts(
            other_in=100,
            other_out=30,
            seconds=Decimal("4.2"),
            characters=61,
            doubts=("asr_unit",),
        ),
    ),
    "Gemini": (
        {
            "promptTokenCount": 500,
            "cachedContentTokenCount": 100,
            "responseTokenCount": 80,
            "toolUsePromptTokenCount": 30,
            "thoughtsTokenCount": 12,
            "totalTokenCount": 622,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 150},
                {"modality": "AUDIO", "tokenCount": 300},
                {"modality": "VIDEO", "tokenCount": 50},
            ],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
            "responseTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 70},
                {"modality": "TEXT", "tokenCount": 10},
            ],
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}],
        },
        Counts(text_in=180, text_cached=100, audio_in=300, image_in=50, text_out=22, audio_out=70),
    ),
    "Gemini's other model": (
        {
            "promptTokenCount": 17,
            "toolUsePromptTokenCount": 2,
            "candidatesTokenCount": 9,
            "cachedContentTokenCount": 4,
            "promptTokensDetails": [
                {"modality": "DOCUMENT", "tokenCount": 5},
                {"modality": "IMAGE", "tokenCount": 6},
                {"modality": "TEXT", "tokenCount": 1},
                {"modality": "SCENT", "tokenCount": 2},
            ],
            "cacheTokensDetails": [{"modality": "IMAGE", "tokenCount": 4}],
            "candidatesTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 4},
                {"modality": "IMAGE", "tokenCount": 3},
            ],
        },
        Counts(text_in=6, image_in=6, image_cached=4, other_in=7, audio_out=4, other_out=5),
    ),
    "Gemini, cached and not split": (
        {
            "promptTokenCount": 10,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
            "cachedContentTokenCount": 4,
        },
        Counts(audio_in=10, audio_cached=4),
    ),
    "Gemini, which only read": (
        {"promptTokenCount": 5, "cachedContentTokenCount": 2, "totalTokenCount": 5},
        Counts(other_in=5, other_cached=2),
    ),
    "Gemini, which only made": (
        {"responseTokenCount": 7, "totalTokenCount": 7},
        Counts(other_out=7),
    ),
    "Gemini, all alone": ({"totalTokenCount": 7}, Counts(other_in=7, doubts=("total_only",))),
    "Gemini in its message": (
        {"usageMetadata": {"promptTokenCount": 5, "responseTokenCount": 7}},
        Counts(other_in=5, other_out=7),
    ),
    "xAI": (
        {
            "type": "response.done",
            "response": {"id": "r", "usage": None},
            "billable_audio_seconds": 12.75,
            "input_text_messages": 2,
        },
        Counts(seconds=Decimal("12.75"), messages=2),
    ),
    "xAI, in writing": (
        {"type": "response.done", "response": {"id": "r"}, "input_text_messages": 2},
        Counts(messages=2),
    ),
    "a whole answer": (
        {"type": "response.done", "response": {"id": "r", "usage": {"input_tokens": 3}}},
        Counts(other_in=3),
    ),
    "numbers around numbers": (
        {"total_tokens": 40, "usage": {"input_tokens": 30, "output_tokens": 9}},
        Counts(other_in=30, other_out=9),
    ),
    "GPT-Live": (
        {"usage": {"seconds": 61.5}, "context_window": {"usage_ratio": 0.1}},
        Counts(seconds=Decimal("61.5")),
    ),
    "LocalAI": (
        {"total_tokens": 40, "input_tokens": 30, "output_tokens": 10},
        Counts(other_in=30, other_out=10),
    ),
    "chat's spelling": (
        {
            "prompt_tokens": 30,
            "completion_tokens": 10,
            "prompt_tokens_details": {"audio_tokens": 20, "cached_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 7, "reasoning_tokens": 1},
        },
        Counts(audio_in=20, other_in=10, text_out=1, audio_out=7, other_out=2),
    ),
    "cached of what nobody names": (
        {"input_tokens": 9, "input_token_details": {"cached_tokens": 4}},
        Counts(other_in=9, other_cached=4),
    ),
    "as much as there can be": (
        {"input_tokens": 10**8, "seconds": 7 * 86400},
        Counts(other_in=10**8, seconds=Decimal(604800)),
    ),
    "whole numbers with a point, and a time in words": (
        {"output_tokens": 3.0, "seconds": "1.23456789"},
        Counts(other_out=3, seconds=Decimal("1.234568")),
    ),
    "all and what was read": (
        {"total_tokens": 40, "input_tokens": 30},
        Counts(other_in=30, other_out=10),
    ),
    "all and the parts that were read": (
        {"total_tokens": 40, "input_token_details": {"audio_tokens": 40}},
        Counts(audio_in=40),
    ),
    "all and what was made": ({"total_tokens": 5, "output_tokens": 5}, Counts(other_out=5)),
    "all and the parts that were made": (
        {"total_tokens": 7, "output_token_details": {"audio_tokens": 7}},
        Counts(audio_out=7),
    ),
    "one number": ({"total_tokens": 40}, Counts(other_in=40, doubts=("total_only",))),
    "transcription by tokens": (
        {
            "type": "tokens",
            "total_tokens": 26,
            "input_tokens": 17,
            "output_tokens": 9,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 17},
        },
        Counts(audio_in=17, other_out=9),
    ),
    "transcription by duration": (
        {"type": "duration", "seconds": 3.2},
        Counts(seconds=Decimal("3.2")),
    ),
    "no time": ({"type": "duration", "seconds": 0}, Counts()),
    "nothing used": ({"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}, Counts()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_provider_s_words_become_counts(shape: str) -> None:
    raw, counts = SHAPES[shape]
    assert counts_of(raw) == counts


NONSENSE: dict[str, tuple[Any, Counts]] = {
    "null": (None, Counts(doubts=("missing",))),
    "empty": ({}, Counts(doubts=("missing",))),
    "a list": ([1, 2], Counts(doubts=("missing",))),
    "negative": ({"input_tokens": -5}, Counts(doubts=("negative", "missing"))),
    "not a number": (
        {"input_tokens": math.nan, "output_tokens": 3},
        Counts(other_out=3, doubts=("not_a_count",)),
    ),
    "nothing of Gemini": ({"promptTokenCount": None}, Counts(doubts=("missing",))),
    "negative of Gemini": (
        {"promptTokenCount": -5, "responseTokenCount": "9"},
        Counts(doubts=("negative", "not_a_count", "missing")),
    ),
    "half a token": ({"output_tokens": 2.5}, Counts(doubts=("not_a_count", "missing"))),
    "true": ({"output_tokens": True}, Counts(doubts=("not_a_count", "missing"))),
    "words": ({"output_tokens": "many"}, Counts(doubts=("not_a_count", "missing"))),
    "huge": ({"output_tokens": 10**15}, Counts(doubts=("too_many", "missing"))),
    "endless": ({"seconds": math.inf}, Counts(doubts=("not_a_time", "missing"))),
    "a second more than a week": ({"seconds": 604801}, Counts(doubts=("too_long", "missing"))),
    "a token too many": ({"output_tokens": 10**8 + 1}, Counts(doubts=("too_many", "missing"))),
    "a time in words": ({"seconds": "soon"}, Counts(doubts=("not_a_time", "missing"))),
    "a time that is true": ({"seconds": True}, Counts(doubts=("not_a_time", "missing"))),
    "a year": ({"seconds": 86400 * 365}, Counts(doubts=("too_long", "missing"))),
    "back in time": ({"seconds": -1.5}, Counts(doubts=("negative", "missing"))),
    "details that are none": (
        {"input_tokens": 9, "input_token_details": "audio", "output_token_details": [1]},
        Counts(other_in=9),
    ),
    "more cached than read": (
        {"input_tokens": 9, "input_token_details": {"text_tokens": 9, "cached_tokens": 10}},
        Counts(text_in=9, text_cached=9, doubts=("more_cached_than_read",)),
    ),
    "more audio cached than heard": (
        {
            "input_tokens": 9,
            "input_token_details": {
                "text_tokens": 9,
                "cached_tokens": 4,
                "cached_tokens_details": {"audio_tokens": 4},
            },
        },
        Counts(text_in=9, text_cached=4, doubts=("more_cached_than_read",)),
    ),
    "parts beyond the total": (
        {"input_tokens": 9, "input_token_details": {"text_tokens": 9, "audio_tokens": 9}},
        Counts(text_in=9, audio_in=9, doubts=("more_than_total",)),
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_cannot_be_is_not_believed_and_said_so(what: str) -> None:
    raw, counts = NONSENSE[what]
    assert counts_of(raw) == counts


def test_a_time_is_what_was_on_the_wire() -> None:
    # 0.1 + 0.2 would be 0.30000000000000004.
    total = counts_of(orjson.loads('{"seconds":0.1}')) + counts_of(orjson.loads('{"seconds":0.2}'))
    assert total.seconds == Decimal("0.3")


names = st.sampled_from(
    sorted({name for raw, _ in SHAPES.values() for name in raw} | {"text_tokens", "tokenCount"})
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_nothing_makes_it_fail_and_no_count_is_negative(raw: Any) -> None:
    counts = counts_of(raw)
    assert all(value >= 0 for value in counts.measures().values())
    for name in ("text", "audio", "image", "other"):
        assert getattr(counts, f"{name}_cached") <= getattr(counts, f"{name}_in")
    assert type(counts.seconds) is Decimal
    assert {type(getattr(counts, name)) for name in MEASURES if name != "seconds"} == {int}


@given(values)
def test_what_is_kept_of_it_can_always_be_stored(raw: Any) -> None:
    kept = tame(raw)
    assert b"\\u0000" not in orjson.dumps(kept)


def test_what_is_kept_of_it_is_what_was_said() -> None:
    said = {"a": None, "b": [True, 1.5, -(2**62), "\u00e4"], "c": {"d": {"e": [{}, 1e299]}}}
    assert tame(said) == said
    odd = {"a\0": "b\0\ud800", "huge": [2**63, -math.inf, math.nan]}
    assert tame(odd) == {"a": "b?", "huge": [str(2**63), "-inf", "nan"]}


def test_what_is_kept_of_it_has_an_end() -> None:
    assert (len(tame([0] * 65)), len(tame(dict.fromkeys(range(65)))), len(tame("x" * 201))) == (
        64,
        64,
        200,
    )
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        deep = orjson.loads(opening * 1000 + "1" + closing * 1000)
        assert orjson.dumps(tame(deep)).decode() == opening * 8 + '"…"' + closing * 8


def test_counts_add_up_and_take_away() -> None:
    counts = counts_of(GA)
    assert (counts + counts) - counts == counts
    assert (counts.tokens_in, counts.tokens_cached, counts.tokens_out) == (500, 256, 90)
    others = Counts(other_in=3, other_cached=2, other_out=1)
    assert (others.tokens_in, others.tokens_cached, others.tokens_out) == (3, 2, 1)


def test_counts_are_something_when_one_was_measured() -> None:
    assert Counts(messages=1) and Counts(seconds=Decimal("-0.1"))
    assert not Counts(doubts=("missing",))
