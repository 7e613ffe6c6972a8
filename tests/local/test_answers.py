"""Responses through a session: their events, what ends them and what they cost."""

import asyncio
import base64
from typing import Any

import pytest

from realtime.local.reply import Pace
from tests.local.conftest import Rooms
from tests.local.room import error_of, quick_engine, quiet, tone, transcript

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather for a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
# Sends the head start, then next to nothing: an answer that is still being spoken.
SLOW = Pace(head_start_ms=500, factor=0.001)


async def test_a_spoken_answer_has_the_order_of_the_protocol(rooms: Rooms) -> None:
    room = rooms()
    room.say("what time is it")
    start = len(room.events)
    response = await room.respond()
    kinds = room.kinds(start)
    deltas = [
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
    ]
    assert [kind for kind in kinds if kind not in deltas] == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert kinds[5:7] == deltas
    assert response["status"] == "completed"
    assert transcript(response) == "It is 12:05 PM."
    assert response["conversation_id"] == room.session.conversation.id
    said = "".join(e["delta"] for e in room.all("response.output_audio_transcript.delta"))
    assert said == "It is 12:05 PM."


async def test_audio_comes_in_pieces_of_100_ms_and_is_all_counted(rooms: Rooms) -> None:
    room = rooms()
    response = await room.ask("what time is it")
    sizes = [len(base64.b64decode(e["delta"])) for e in room.all("response.output_audio.delta")]
    assert sizes == [4800] * 7 + [960]
    assert response["usage"]["output_token_details"] == {"text_tokens": 4, "audio_tokens": 15}


async def test_the_context_of_the_second_answer_is_partly_cached(rooms: Rooms) -> None:
    room = rooms()
    room.update(instructions="12345678")
    first = await room.ask("hello")
    second = await room.ask("help")
    before = first["usage"]["input_tokens"]
    assert before == 4
    details = second["usage"]["input_token_details"]
    assert details["cached_tokens_details"] == {
        "text_tokens": 4,
        "audio_tokens": 0,
        "image_tokens": 0,
    }
    spoken = first["usage"]["output_token_details"]["audio_tokens"]
    assert details["audio_tokens"] == spoken
    assert second["usage"]["total_tokens"] == (
        second["usage"]["input_tokens"] + second["usage"]["output_tokens"]
    )


async def test_a_text_answer_has_no_audio(rooms: Rooms) -> None:
    room = rooms()
    response = await room.ask("what time is it", output_modalities=["text"])
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "It is 12:05 PM."}]
    assert [kind for kind in room.kinds() if kind.startswith("response.output_")] == [
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_item.done",
    ]
    assert response["usage"]["output_token_details"] == {"text_tokens": 4, "audio_tokens": 0}


async def test_only_one_answer_at_a_time(rooms: Rooms) -> None:
    room = rooms(engine=quick_engine(pace=SLOW))
    room.say("tell me a story")
    room.send("response.create")
    error = error_of(room.send("response.create", event_id="again"))
    assert (error["code"], error["event_id"]) == (
        "conversation_already_has_active_response",
        "again",
    )


async def test_the_client_can_cancel_and_pays_for_what_was_made(rooms: Rooms) -> None:
    room = rooms(engine=quick_engine(pace=SLOW))
    room.say("tell me a story")
    room.send("response.create")
    await room.until("response.output_audio.delta", 5)
    room.send("response.cancel")
    done = await room.until("response.done")
    response = done["response"]
    assert (response["status"], response["status_details"]) == (
        "cancelled",
        {"type": "cancelled", "reason": "client_cancelled"},
    )
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"]["output_token_details"]["audio_tokens"] == 10
    assert transcript(response) == "Here is a"
    await asyncio.sleep(0)
    assert room.events[-1]["type"] == "response.done"


async def test_cancelling_nothing_is_an_error(rooms: Rooms) -> None:
    error = error_of(rooms().send("response.cancel", event_id="x"))
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "x")


async def test_speaking_ends_the_answer_at_once(rooms: Rooms) -> None:
    room = rooms(engine=quick_engine(pace=SLOW))
    room.say("tell me a story")
    room.send("response.create")
    await room.until("response.output_audio.delta", 5)
    events = room.hear(quiet(500) + tone(300))
    assert [event["type"] for event in events] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert events[-1]["response"]["status_details"] == {
        "type": "cancelled",
        "reason": "turn_detected",
    }


async def test_interrupting_can_be_switched_off(rooms: Rooms) -> None:
    room = rooms(engine=quick_engine(pace=SLOW))
    detection = {"type": "server_vad", "interrupt_response": False}
    room.update(audio={"input": {"turn_detection": detection}})
    room.say("tell me a story")
    room.send("response.create")
    await room.until("response.output_audio.delta")
    room.hear(quiet(500) + tone(500) + quiet(1000))
    assert len(room.all("input_audio_buffer.committed")) == 1
    assert (len(room.all("response.created")), room.all("response.done")) == (1, [])


async def test_an_answer_beside_the_conversation_leaves_no_trace(rooms: Rooms) -> None:
    room = rooms()
    room.say("my name is Bob")
    before = room.session.conversation.items()
    response = await room.respond(
        conversation="none",
        output_modalities=["text"],
        metadata={"topic": "title"},
        input=[
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "what is two plus two"}],
            }
        ],
    )
    assert transcript(response) == "2 plus 2 is 4."
    assert (response["conversation_id"], response["metadata"]) == (None, {"topic": "title"})
    assert room.session.conversation.items() == before


async def test_given_input_can_refer_to_known_items(rooms: Rooms) -> None:
    room = rooms()
    item_id = room.say("what is one plus one")
    room.say("what time is it")
    response = await room.respond(
        conversation="none", input=[{"type": "item_reference", "id": item_id}]
    )
    assert transcript(response) == "1 plus 1 is 2."
    error = error_of(
        room.send("response.create", response={"input": [{"type": "item_reference", "id": "gone"}]})
    )
    assert error["param"] == "response.input[0].id"


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({"conversation": "mine"}, "invalid_value", "response.conversation"),
        ({"modalities": ["text"]}, "unknown_parameter", "response.modalities"),
        ({"metadata": {"a": 1}}, "invalid_type", "response.metadata.a"),
        ({"input": [{"type": "nothing"}]}, "invalid_value", "response.input[0].type"),
        ({"max_output_tokens": 5000}, "invalid_value", "response.max_output_tokens"),
    ],
)
async def test_a_wrong_request_starts_nothing(
    rooms: Rooms, wanted: dict[str, Any], code: str, param: str
) -> None:
    room = rooms()
    error = error_of(room.send("response.create", response=wanted))
    assert (error["code"], error["param"]) == (code, param)
    assert room.all("response.created") == []


@pytest.mark.parametrize("modality", ["audio", "text"])
async def test_max_output_tokens_cuts_the_answer(rooms: Rooms, modality: str) -> None:
    room = rooms()
    response = await room.ask("tell me a story", max_output_tokens=40, output_modalities=[modality])
    assert (response["status"], response["status_details"]) == (
        "incomplete",
        {"type": "incomplete", "reason": "max_output_tokens"},
    )
    assert 40 <= response["usage"]["output_tokens"] <= 48


async def test_a_tool_is_called_and_its_answer_spoken(rooms: Rooms) -> None:
    room = rooms()
    room.update(tools=[WEATHER])
    room.say("what is the weather in Paris?")
    start = len(room.events)
    response = await room.respond()
    assert room.kinds(start) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    (call,) = response["output"]
    assert (call["type"], call["name"], call["arguments"]) == (
        "function_call",
        "get_weather",
        '{"city": "Paris"}',
    )
    assert len(call["call_id"]) <= 32
    item = {
        "type": "function_call_output",
        "call_id": call["call_id"],
        "output": '{"temp_c": 11, "sky": "clear"}',
    }
    room.send("conversation.item.create", item=item)
    answer = await room.respond()
    assert transcript(answer) == (
        "Here is what the get weather tool says: temp c is 11, sky is clear."
    )


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_telephone_formats_go_out_at_8000_bytes_a_second(rooms: Rooms, kind: str) -> None:
    room = rooms()
    room.update(audio={"output": {"format": {"type": kind}}})
    await room.ask("what time is it")
    audio = b"".join(
        base64.b64decode(event["delta"]) for event in room.all("response.output_audio.delta")
    )
    assert len(audio) == pytest.approx(720 * 8, abs=8)


async def test_silence_after_the_answer_is_answered_too(rooms: Rooms) -> None:
    room = rooms()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    room.update(audio={"input": {"turn_detection": detection}})
    room.hear(quiet(6000))
    await room.ask("hello")
    await asyncio.sleep(0)
    # The timer is the loop's own; it is only asked when it is due, and run early.
    timer = room.session._responding._idle_timer
    assert timer is not None
    assert timer.when() - asyncio.get_running_loop().time() > 4
    room.session._idle(5000)
    done = await room.until("response.done", 2)
    start = room.kinds().index("input_audio_buffer.timeout_triggered")
    assert room.kinds()[start : start + 5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    timeout = room.all("input_audio_buffer.timeout_triggered")[0]
    assert (timeout["audio_start_ms"], timeout["audio_end_ms"]) == (1000, 6000)
    assert timeout["item_id"] == room.all("input_audio_buffer.committed")[0]["item_id"]
    assert transcript(done["response"]).startswith("Are you still there?")


async def test_speaking_stops_the_idle_timer(rooms: Rooms) -> None:
    room = rooms()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    room.update(audio={"input": {"turn_detection": detection}})
    await room.ask("hello")
    await asyncio.sleep(0)
    assert room.session._responding._idle_timer is not None
    room.hear(quiet(500) + tone(300))
    assert room.session._responding._idle_timer is None


async def test_closing_a_session_stops_its_answer(rooms: Rooms) -> None:
    room = rooms(engine=quick_engine(pace=SLOW))
    room.say("tell me a story")
    room.send("response.create")
    await room.until("response.output_audio.delta")
    before = len(room.events)
    room.session.close()
    await asyncio.sleep(0)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.gather(*others, return_exceptions=True)
    assert len(room.events) == before
