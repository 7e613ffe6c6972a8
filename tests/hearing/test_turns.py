from typing import Any

import pytest

from realtime.hearing.turns import Started, Stopped, TurnDetector, detector_for, silence_ms

FRAME = 32.0


def changes(
    probabilities: list[float], detector: TurnDetector | None = None
) -> list[Started | Stopped]:
    detector = detector or TurnDetector(threshold=0.5, prefix_ms=0, silence_ms=96)
    found = [
        detector.feed(value, (index + 1) * FRAME, FRAME)
        for index, value in enumerate(probabilities)
    ]
    return [change for change in found if change is not None]


def test_three_voiced_frames_start_a_turn_at_the_first() -> None:
    assert changes([0.1, 0.9, 0.9, 0.9]) == [Started(32)]


def test_the_padding_lies_before_the_first_voiced_frame() -> None:
    detector = TurnDetector(threshold=0.5, prefix_ms=64, silence_ms=96)
    assert changes([0.1] * 4 + [0.9] * 3, detector) == [Started(64)]


def test_the_padding_never_reaches_before_the_session() -> None:
    detector = TurnDetector(threshold=0.5, prefix_ms=5000, silence_ms=96)
    assert changes([0.9] * 3, detector) == [Started(0)]


def test_a_click_starts_nothing() -> None:
    assert changes([0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.9, 0.1]) == []


def test_silence_of_the_given_length_ends_the_turn_and_counts_into_it() -> None:
    assert changes([0.9] * 4 + [0.1] * 3) == [Started(0), Stopped(224)]


def test_a_short_pause_does_not_end_the_turn() -> None:
    assert changes([0.9] * 4 + [0.1] * 2 + [0.9] + [0.1] * 2) == [Started(0)]


def test_a_doubtful_frame_inside_speech_is_not_silence() -> None:
    assert changes([0.9] * 4 + [0.4] * 10) == [Started(0)]


def test_a_turn_that_never_pauses_is_ended_at_the_limit() -> None:
    detector = TurnDetector(threshold=0.5, prefix_ms=0, silence_ms=96, longest_ms=320)
    assert changes([0.9] * 11, detector) == [Started(0), Stopped(320)]


def test_new_settings_carry_a_running_turn_on() -> None:
    old = TurnDetector(threshold=0.5, prefix_ms=0, silence_ms=96)
    changes([0.9] * 4, old)
    new = TurnDetector(threshold=0.5, prefix_ms=0, silence_ms=32)
    new.carry_on(old)
    assert new.feed(0.1, 160, FRAME) == Stopped(160)


@pytest.mark.parametrize(
    "odd",
    [
        {"threshold": None, "prefix_padding_ms": None, "silence_duration_ms": None},
        {"threshold": "high", "prefix_padding_ms": [], "silence_duration_ms": True},
        {"threshold": -1, "prefix_padding_ms": float("inf"), "silence_duration_ms": -5},
        {"threshold": 7, "prefix_padding_ms": 1e30, "silence_duration_ms": 1e30},
    ],
)
def test_settings_that_are_none_are_the_usual_ones(odd: dict[str, Any]) -> None:
    found, usual = detector_for({"type": "server_vad", **odd}), detector_for({})
    assert (found.on, found.prefix_ms, found.silence_ms) == (
        usual.on,
        usual.prefix_ms,
        usual.silence_ms,
    )


@pytest.mark.parametrize("odd", [None, "eager", ["low"], {}])
def test_an_eagerness_that_is_none_is_the_usual_one(odd: Any) -> None:
    assert silence_ms({"type": "semantic_vad", "eagerness": odd}) == 700
