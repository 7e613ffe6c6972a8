from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.resample import Resampler
from tests.examples import examples

RATES = [(24_000, 16_000), (16_000, 24_000), (24_000, 8_000), (8_000, 24_000), (44_100, 24_000)]


def tone(rate: int, hertz: float, seconds: float, loud: float = 10_000) -> bytes:
    at = numpy.arange(round(rate * seconds)) / rate
    return (numpy.sin(2 * math.pi * hertz * at) * loud).astype("<i2").tobytes()


def whole(pcm: bytes, from_rate: int, to_rate: int) -> bytes:
    resampler = Resampler(from_rate, to_rate)
    return resampler.feed(pcm) + resampler.flush()


def assert_same(one: bytes, other: bytes) -> None:
    """Assert that both are equal, except for dither in the last bit."""
    left, right = (numpy.frombuffer(pcm, "<i2").astype(int) for pcm in (one, other))
    assert len(left) == len(right)
    assert numpy.abs(left - right).max() <= 2


def level(pcm: bytes) -> float:
    samples = numpy.frombuffer(pcm, "<i2").astype(float)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(numpy.sqrt(numpy.mean(middle**2)))


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_tone_stays_the_same_tone_at_the_same_place(from_rate, to_rate):
    got = numpy.frombuffer(whole(tone(from_rate, 1000, 1), from_rate, to_rate), "<i2")
    wanted = numpy.frombuffer(tone(to_rate, 1000, 1), "<i2")
    assert len(got) == len(wanted)
    middle = slice(to_rate // 10, -to_rate // 10)
    error = got[middle].astype(float) - wanted[middle]
    assert numpy.sqrt(numpy.mean(error**2)) < 3


def test_what_the_lower_rate_cannot_hold_is_not_folded_into_it():
    assert level(whole(tone(24_000, 9_500, 1), 24_000, 16_000)) < 2
    assert level(whole(tone(24_000, 4_800, 1), 24_000, 8_000)) < 2


def test_equal_rates_pass_through():
    pcm = tone(24_000, 440, 0.1)
    resampler = Resampler(24_000, 24_000)
    assert resampler.feed(pcm) == pcm
    assert resampler.flush() == b""


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_no_more_than_two_frames_wait_inside(from_rate, to_rate):
    resampler, frame, given_out = Resampler(from_rate, to_rate), bytes(from_rate // 50 * 2), 0
    for number in range(1, 200):
        given_out += len(resampler.feed(frame)) / 2 / to_rate
        assert number * 0.02 - given_out <= 0.041


def test_after_a_flush_another_stream_begins():
    resampler = Resampler(24_000, 16_000)
    first = resampler.feed(tone(24_000, 440, 0.2)) + resampler.flush()
    again = resampler.feed(tone(24_000, 440, 0.2)) + resampler.flush()
    assert_same(first, again)
    assert resampler.flush() == b""


@settings(max_examples=examples(40), deadline=None)
@given(
    st.sampled_from(RATES),
    st.integers(min_value=1, max_value=6_000),
    st.lists(st.integers(min_value=1, max_value=4_001), max_size=12),
)
def test_however_a_stream_is_cut_every_sample_is_accounted_for(rates, samples, cuts):
    from_rate, to_rate = rates
    pcm = numpy.random.default_rng(7).integers(-9000, 9000, samples).astype("<i2").tobytes()
    resampler, out, place = Resampler(from_rate, to_rate), b"", 0
    for size in [*cuts, len(pcm)]:
        out += resampler.feed(pcm[place : place + size])
        place += size
    out += resampler.flush()
    assert len(out) == 2 * round(samples * to_rate / from_rate)
    if out:
        assert_same(out, whole(pcm, from_rate, to_rate))
