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
    "GPT-Live": (
        {"usage": {"seconds": 61.5}, "context_window": {"usage_ratio": 0.1}},
        Counts(seconds=Decimal("61.5")),
    ),
    "LocalAI": (
        {"total_tokens": 40, "input_tokens": 30, "output_tokens": 10},
        Counts(other_in=30, other_out=10),
    ),
    "chat's spelling": (
        {"prompt_tokens": 30, "completion_tokens": 10},
        Counts(other_in=30, other_out=10),
    ),
    "all and what was read": (
        {"total_tokens": 40, "input_tokens": 30},
        Counts(other_in=30, other_out=10),
    ),
    "all and the parts that were read": (
        {"total_tokens": 40, "input_token_details": {"audio_tokens": 40}},
        Counts(audio_in=40),
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


def test_counts_add_up_and_take_away() -> None:
    counts = counts_of(GA)
    assert (counts + counts) - counts == counts
    assert (counts.tokens_in, counts.tokens_cached, counts.tokens_out) == (500, 256, 90)
