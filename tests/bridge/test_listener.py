"""Which microphone audio is part of a turn: real recordings, with every detector there is."""

from __future__ import annotations

import pytest

from realtime.bridge.audio import bytes_to_ms, ms_to_bytes
from realtime.bridge.listener import SLACK_MS, Listener
from realtime.hearing.turns import Started, Stopped
from realtime.hearing.vad import shared_pool
from tests.local.recordings import microphone

pytestmark = pytest.mark.outside

SPEECH = microphone("hello_what_time.wav")
"""1.5 s of quiet, about 1.8 s of speech, 3 s of quiet."""
FRAME = ms_to_bytes(20)


@pytest.fixture
def vad():
    detector = shared_pool().take()
    yield detector
    shared_pool().give(detector)


def heard(listener, pcm, piece=FRAME):
    return [
        found for at in range(0, len(pcm), piece) for found in listener.hear(pcm[at : at + piece])
    ]


def places(found):
    return [each for each in found if not isinstance(each, bytes)]


def sent(found):
    return b"".join(each for each in found if isinstance(each, bytes))


def test_a_turn_is_sent_with_what_went_before_it_and_nothing_else_is(vad):
    found = heard(Listener(vad, 0, {"type": "server_vad"}), SPEECH)
    started, stopped = places(found)
    assert isinstance(started, Started) and isinstance(stopped, Stopped)
    # The first sound is at 1.5 s, and the turn begins before it.
    assert 1100 <= started.at_ms <= 1500
    audio = sent(found)
    assert audio == SPEECH[ms_to_bytes(started.at_ms) :][: len(audio)]
    # Nothing is missing up to where the turn ends; the audio is cut where pieces are.
    assert 0 <= started.at_ms + bytes_to_ms(len(audio)) - stopped.at_ms <= 80


def test_the_padding_is_what_was_asked_for(vad):
    starts = []
    for padding in (0, 300, 900):
        vad.reset()
        settings = {"type": "server_vad", "prefix_padding_ms": padding}
        starts.append(places(heard(Listener(vad, 0, settings), SPEECH))[0].at_ms)
    assert [starts[0] - starts[1], starts[0] - starts[2]] == [300, 900]


def test_the_silence_that_ends_a_turn_is_what_was_asked_for(vad):
    ends = []
    for silence in (200, 800):
        settings = {"type": "server_vad", "silence_duration_ms": silence}
        listener = Listener(vad, 0, settings)
        ends.append(places(heard(listener, SPEECH))[-1].at_ms)
    # Whole frames of 32 ms are counted.
    assert abs(ends[1] - ends[0] - 600) <= 32


def test_times_are_those_of_the_calls_timeline(vad):
    at_once = places(heard(Listener(vad, 0, {}), SPEECH))
    later = places(heard(Listener(vad, 240_000, {}), SPEECH))
    assert [each.at_ms for each in later] == [each.at_ms + 10_000 for each in at_once]


@pytest.mark.parametrize("piece", [2, 960, 7_000, 65_536])
def test_it_does_not_matter_how_the_audio_is_cut(vad, piece):
    pcm = SPEECH[: ms_to_bytes(4_200)] if piece > 2 else SPEECH[ms_to_bytes(1_400) :][:20_000]
    whole = places(heard(Listener(vad, 0, {}), pcm))
    vad.reset()
    assert places(heard(Listener(vad, 0, {}), pcm, piece)) == whole


def test_little_is_kept_while_nobody_speaks(vad):
    listener = Listener(vad, 0, {"prefix_padding_ms": 100})
    assert heard(listener, bytes(ms_to_bytes(60_000))) == []
    assert len(listener._recent) <= ms_to_bytes(100 + SLACK_MS)


def test_new_settings_let_a_turn_go_on(vad):
    listener = Listener(vad, 0, {"silence_duration_ms": 10_000})
    first = heard(listener, SPEECH[: ms_to_bytes(2_500)])
    listener.configure({"silence_duration_ms": 200})
    rest = heard(listener, SPEECH[ms_to_bytes(2_500) :])
    assert [type(each) for each in places(first + rest)] == [Started, Stopped]


def test_a_turn_that_was_ended_is_not_ended_again_by_silence(vad):
    listener = Listener(vad, 0, {})
    heard(listener, SPEECH[: ms_to_bytes(2_500)])
    assert listener.speaking
    listener.end_turn()
    assert places(heard(listener, bytes(ms_to_bytes(2_000)))) == []
