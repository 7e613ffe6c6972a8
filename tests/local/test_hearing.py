"""Speech in: turns, commits and transcription, through a session."""

import asyncio
from typing import Any

import pytest

from realtime.local.ears import FINISH_LIMIT_S
from realtime.local.endpoints import EARS_LIMIT_S, EndpointEars
from realtime.local.http import Endpoint
from tests.local.conftest import Rooms
from tests.local.fake_http import plain
from tests.local.room import error_of, quick_engine, quiet, tone, transcript

TURN = quiet(1000) + tone(800) + quiet(700)


async def test_a_spoken_turn_has_its_events_in_order(rooms: Rooms) -> None:
    room = rooms()
    room.update(
        audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
    )
    room.hear(TURN)
    assert room.kinds(2) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    started, stopped, committed, added, done = room.events[2:]
    assert {e.get("item_id") or e["item"]["id"] for e in room.events[2:]} == {started["item_id"]}
    assert started["audio_start_ms"] == pytest.approx(700, abs=40)
    assert stopped["audio_end_ms"] == pytest.approx(2300, abs=60)
    assert committed["previous_item_id"] is added["previous_item_id"] is None
    assert done["item"]["content"] == [{"type": "input_audio", "transcript": None}]


async def test_the_second_turn_follows_the_first_answer(rooms: Rooms) -> None:
    room = rooms()
    room.hear(TURN)
    first = await room.until("response.done")
    room.hear(TURN)
    second = await room.until("response.done", 2)
    answer = first["response"]["output"][0]["id"]
    assert room.all("input_audio_buffer.committed")[1]["previous_item_id"] == answer
    turn = room.all("input_audio_buffer.committed")[1]["item_id"]
    added = room.all("conversation.item.added")[-1]
    assert (added["previous_item_id"], added["item"]["id"]) == (
        turn,
        second["response"]["output"][0]["id"],
    )


async def test_several_turns_in_one_append_are_all_found(rooms: Rooms) -> None:
    room = rooms()
    room.hear(TURN * 3)
    assert len(room.all("input_audio_buffer.committed")) == 3


async def test_a_longer_silence_setting_joins_what_a_pause_would_split(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    room.hear(quiet(500) + tone(500) + quiet(900) + tone(500) + quiet(1400))
    assert len(room.all("input_audio_buffer.committed")) == 1


async def test_without_turn_detection_the_client_decides(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": None}})
    assert room.hear(TURN) == []
    room.send("input_audio_buffer.commit")
    assert room.all("response.created") == []
    done = await room.respond()
    assert done["status"] == "completed"


@pytest.mark.parametrize("ms", [0, 99])
async def test_next_to_nothing_cannot_be_committed(rooms: Rooms, ms: int) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": None}})
    room.hear(quiet(ms))
    error = error_of(room.send("input_audio_buffer.commit", event_id="c1"))
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "c1")


async def test_clearing_forgets_the_audio(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": None}})
    room.hear(tone(500))
    assert [event["type"] for event in room.send("input_audio_buffer.clear")] == [
        "input_audio_buffer.cleared"
    ]
    assert error_of(room.send("input_audio_buffer.commit"))["code"] == (
        "input_audio_buffer_commit_empty"
    )


async def test_five_minutes_of_audio_are_the_limit(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}})
    for _ in range(3):
        assert room.hear(bytes(8000 * 99)) == []
    error = error_of(room.hear(bytes(8000 * 9)))
    assert (error["code"], error["param"]) == ("input_audio_buffer_full", "audio")
    assert room.send("input_audio_buffer.clear")[0]["type"] == "input_audio_buffer.cleared"


@pytest.mark.outside
async def test_words_come_beside_the_response(rooms: Rooms, fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(200, b'{"text": "What is two plus three, dear machine?"}')]
    room = rooms(engine=quick_engine(ears=EndpointEars(Endpoint(server.url, "key", "model"))))
    room.update(audio={"input": {"transcription": {"model": "x", "language": "en"}}})
    room.hear(TURN)
    completed = await room.until("conversation.item.input_audio_transcription.completed")
    done = await room.until("response.done")
    turn = room.all("input_audio_buffer.committed")[0]["item_id"]
    seconds = completed["usage"]["seconds"]
    assert completed["item_id"] == turn
    assert completed["usage"] == {"type": "duration", "seconds": seconds}
    assert seconds == pytest.approx(1.6, abs=0.1)
    deltas = room.all("conversation.item.input_audio_transcription.delta")
    assert "".join(event["delta"] for event in deltas) == completed["transcript"]
    assert transcript(done["response"]) == "2 plus 3 is 5."


@pytest.mark.outside
async def test_without_transcription_asked_for_there_are_no_such_events(
    rooms: Rooms, fake_http: Any
) -> None:
    server = await fake_http()
    server.scripts = [plain(200, b'{"text": "two plus three"}')]
    room = rooms(engine=quick_engine(ears=EndpointEars(Endpoint(server.url))))
    room.hear(TURN)
    done = await room.until("response.done")
    assert transcript(done["response"]) == "2 plus 3 is 5."
    assert [kind for kind in room.kinds() if "transcription" in kind] == []


@pytest.mark.outside
async def test_failed_recognition_is_told_and_still_answered(rooms: Rooms, fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(500, b"broken")]
    room = rooms(engine=quick_engine(ears=EndpointEars(Endpoint(server.url))))
    room.update(audio={"input": {"transcription": {"model": "x"}}})
    room.hear(TURN)
    failed = await room.until("conversation.item.input_audio_transcription.failed")
    done = await room.until("response.done")
    assert failed["error"] == {
        "type": "transcription_error",
        "code": "transcription_failed",
        "message": "The endpoint answered 500: broken",
        "param": None,
    }
    assert transcript(done["response"]).startswith("I heard you, but I could not understand")


@pytest.mark.outside
async def test_a_slow_recogniser_does_not_hold_the_answer_back(
    rooms: Rooms, fake_http: Any
) -> None:
    release = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await plain(200, b'{"text": "late"}')(writer)

    server = await fake_http()
    server.scripts = [slow]
    ears = EndpointEars(Endpoint(server.url))
    room = rooms(engine=quick_engine(ears=ears, recognition_wait_s=0.01))
    room.update(audio={"input": {"transcription": {"model": "x"}}})
    room.hear(TURN)
    done = await room.until("response.done")
    assert transcript(done["response"]).startswith("I heard you, but I could not understand")
    release.set()
    late = await room.until("conversation.item.input_audio_transcription.completed")
    assert late["transcript"] == "late"


def test_words_that_a_recogniser_may_still_bring_are_waited_for() -> None:
    # Audio that comes all at once, or a busy machine, take it longer than speaking them did.
    assert quick_engine().recognition_wait_s >= max(EARS_LIMIT_S, FINISH_LIMIT_S)


async def test_no_recogniser_at_all_is_said_honestly(rooms: Rooms) -> None:
    room = rooms()
    room.hear(TURN)
    done = await room.until("response.done")
    assert "no speech recogniser" in transcript(done["response"])
