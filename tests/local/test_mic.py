import pytest

from realtime.hearing.turns import Started, Stopped, TurnDetector
from realtime.hearing.vad import VadPool
from realtime.local.errors import Refused
from realtime.local.mic import BUFFER_LIMIT_MS, Mic
from tests.local.room import quiet, tone


def listening(silence_ms: int = 200) -> Mic:
    mic = Mic(VadPool("energy"))
    mic.detect(TurnDetector(threshold=0.5, prefix_ms=100, silence_ms=silence_ms))
    return mic


def turns(mic: Mic, pcm: bytes) -> list[Started | Stopped]:
    found: list[Started | Stopped] = []
    for start in range(0, len(pcm), 960):
        found += [x for x in mic.feed(pcm[start : start + 960]) if not isinstance(x, bytes)]
    return found


def test_times_count_audio_and_not_what_is_left_in_the_buffer() -> None:
    mic = listening()
    first, second = (
        turns(mic, quiet(5000) + tone(600) + quiet(600)),
        turns(mic, quiet(5000) + tone(600) + quiet(600)),
    )
    assert [type(change) for change in first + second] == [Started, Stopped, Started, Stopped]
    assert second[0].at_ms - first[0].at_ms == pytest.approx(6200, abs=64)
    assert first[0].at_ms == pytest.approx(4900, abs=64)
    assert first[1].at_ms == pytest.approx(5800, abs=96)


def test_a_turn_can_be_cut_out_of_the_buffer_exactly() -> None:
    mic = listening()
    started, sizes = 0, []
    for found in mic.feed(quiet(2000) + tone(600) + quiet(600)):
        if isinstance(found, Started):
            started = found.at_ms
        elif isinstance(found, Stopped):
            sizes.append((len(mic.take(started, found.at_ms)), found.at_ms - started))
    assert [size == ms * 48 for size, ms in sizes] == [True]


def test_an_open_microphone_in_a_quiet_room_keeps_little() -> None:
    mic = listening()
    assert turns(mic, quiet(20_000)) == []
    assert mic.buffered_ms < 1200
    assert mic.end_ms == 20_000


def test_without_a_detector_every_frame_is_for_the_recogniser() -> None:
    mic = Mic(VadPool("energy"))
    frames = [x for x in mic.feed(quiet(1000)) if isinstance(x, bytes)]
    assert sum(map(len, frames)) + len(mic.tail()) == pytest.approx(32_000, abs=4)


def test_the_recogniser_gets_audio_from_before_the_first_sound() -> None:
    mic = listening()
    found = list(mic.feed(quiet(1000) + tone(300)))
    place = next(i for i, x in enumerate(found) if isinstance(x, Started))
    first = found[place + 1]
    assert isinstance(first, bytes)
    assert len(first) >= 32 * 400


def test_clearing_forgets_a_turn_that_was_being_spoken() -> None:
    mic = listening()
    turns(mic, quiet(1000) + tone(600))
    mic.clear()
    assert turns(mic, quiet(1000)) == []


def test_more_than_five_minutes_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        Mic(VadPool("energy")).check_room((BUFFER_LIMIT_MS + 1) * 48)
    assert refused.value.code == "input_audio_buffer_full"
