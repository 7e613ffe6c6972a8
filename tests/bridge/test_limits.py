from __future__ import annotations

from realtime.bridge.limits import FloodGuard, Limits
from realtime.bridge.waiting import Waiting


def test_real_time_audio_in_small_frames_is_admitted_for_ever():
    guard = FloodGuard(Limits())
    assert all(guard.admits(n * 0.02, audio=960) for n in range(3000))


def test_what_a_phone_kept_during_a_stall_is_admitted_at_once():
    guard = FloodGuard(Limits())
    assert all(guard.admits(0.0, audio=960) for _ in range(250))  # five seconds
    assert all(guard.admits(n * 0.02, audio=960) for n in range(500))


def test_stalls_in_a_row_are_admitted_when_they_took_their_time():
    guard = FloodGuard(Limits())
    for stall in range(1, 20):
        assert all(guard.admits(stall * 5.0, audio=1920) for _ in range(125))


def test_audio_at_twice_real_time_is_refused_within_some_seconds():
    guard = FloodGuard(Limits())
    refused = [n for n in range(400) if not guard.admits(n * 0.04, audio=3840)]
    assert 4 < refused[0] * 0.04 < 9


def test_audio_that_pours_is_refused_at_once():
    guard = FloodGuard(Limits())
    assert [guard.admits(n / 1000, audio=9600) for n in range(40)].index(False) == 30


def test_a_storm_of_tiny_frames_is_refused():
    guard = FloodGuard(Limits())
    assert 500 < [guard.admits(n / 1000, audio=2) for n in range(600)].index(False) < 560


def test_text_is_bounded_by_its_length():
    guard = FloodGuard(Limits())
    assert guard.admits(0, text=262_144)
    assert guard.admits(0.1, text=262_144)
    assert not guard.admits(0.2, text=262_144)


def test_what_is_long_ago_is_forgotten():
    guard = FloodGuard(Limits())
    for _ in range(500):
        guard.admits(0.0, audio=2)
    assert guard.admits(1.0, audio=2)


def test_waiting_keeps_the_order():
    waiting = Waiting(Limits())
    waiting.add_audio(b"ab")
    waiting.add_event({"type": "x"})
    waiting.add_audio(b"cd")
    assert waiting.take() == [b"ab", {"type": "x"}, b"cd"]
    assert waiting.take() == []


def test_waiting_drops_the_oldest_audio_beyond_its_bound():
    waiting = Waiting(Limits(buffered_seconds=2))
    pieces = [bytes([n]) * 9600 for n in range(12)]
    assert [waiting.add_audio(piece) for piece in pieces] == [True] * 10 + [False] * 2
    assert waiting.take() == pieces[2:]


def test_waiting_keeps_only_so_many_events():
    waiting = Waiting(Limits(buffered_events=1))
    assert waiting.add_event({"type": "x"})
    assert not waiting.add_event({"type": "y"})
    assert waiting.take() == [{"type": "x"}]
