"""Sessions of the official `openai` client at `/v1/realtime`, against the scripted provider."""

from __future__ import annotations

import asyncio
import base64
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from chats.models import Conversation, Message, Recording, User
from realtime.bridge import g711
from realtime.calls import live
from realtime.db import in_database
from realtime.keeping.rows import Row
from realtime.keeping.store import store
from realtime.models import CallRecord
from tests.api.help import opened, provider_of, session_of, session_updated, token_of
from tests.scripted import (
    Die,
    Expect,
    Hear,
    Send,
    Until,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = 48_000
OURS = TypeAdapter(RealtimeServerEvent)
PLACE = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}


def spoken_answer(pcm: bytes, text: str = "Hello there.") -> Send:
    words = {"type": "response.output_audio_transcript.delta", **PLACE, "delta": text}
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    item |= {"content": [{"type": "output_audio", "transcript": text}]}
    return Send(
        response_created(),
        item_added("item_a", None, "assistant"),
        words,
        audio_delta(pcm),
        response_done(output=[item]),
    )


async def test_the_session_is_there_before_the_provider_is(here: str, ann: User) -> None:
    async with provider_of([Expect("never", seconds=30)]):
        async with session_of(here, await token_of(ann)) as session:
            created = await session.event("session.created", seconds=2)
    whole = created.session
    assert (whole.type, whole.model, whole.output_modalities) == (
        "realtime",
        "scripted-1",
        ["audio"],
    )


async def test_what_is_sent_before_the_provider_is_there_waits_for_it(here: str, ann: User) -> None:
    late = asyncio.Event()
    script = [Until(late), *opened(Expect("session.update", "response.create"), Hear(SECOND))]
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            connection = session.connection
            await connection.session.update(session={"type": "realtime", "instructions": "Be it."})
            await connection.response.create()
            audio = base64.b64encode(bytes(SECOND)).decode()
            await connection.input_audio_buffer.append(audio=audio)
            late.set()
            visit = await provider.visit()
            async with asyncio.timeout(10):
                await visit.hear(SECOND)
            kinds = [kind for kind in visit.types()]
    assert kinds == ["session.update", "session.update", "response.create"]
    assert visit.of_type("session.update")[1]["session"] == {
        "type": "realtime",
        "instructions": "Be it.",
    }


async def test_an_update_is_answered_once_with_what_the_provider_made_of_it(
    here: str, ann: User
) -> None:
    tools = [{"type": "function", "name": "look", "description": "d", "parameters": {}}]
    script = opened(Expect("session.update"), Send(session_updated("one", tools=tools)))
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.send(
                {
                    "type": "session.update",
                    "event_id": "mine",
                    "session": {"type": "realtime", "tracing": "auto", "tools": tools},
                }
            )
            updated = await session.event("session.updated")
            visit = await provider.visit()
    assert [tool.name for tool in updated.session.tools] == ["look"]
    assert updated.session.id == session.of("session.created")[0].session.id
    assert len(session.of("session.updated")) == 1
    assert visit.of_type("session.update")[1] == {
        "type": "session.update",
        "event_id": "mine",
        "session": {"type": "realtime", "tools": tools},
    }


async def test_an_answer_comes_whole_in_small_pieces_and_pure_ga(here: str, ann: User) -> None:
    pcm = bytes(range(256)) * 375  # two seconds
    async with provider_of(opened(Expect("response.create"), spoken_answer(pcm))):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.response.create()
            done = await session.event("response.done")
    deltas = [base64.b64decode(each.delta) for each in session.of("response.output_audio.delta")]
    assert b"".join(deltas) == pcm
    assert [len(each) for each in deltas] == [24_000] * 4
    assert done.response.status == "completed"
    assert session.types == [
        "session.created",
        "response.created",
        "conversation.item.added",
        "response.output_audio_transcript.delta",
        *["response.output_audio.delta"] * 4,
        "response.done",
    ]
    for event in session.events:
        OURS.validate_python(event.to_dict())
        assert event.event_id


async def test_a_call_is_kept_as_a_conversation_of_its_token(here: str, ann: User) -> None:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    echo = {
        "type": "conversation.item.added",
        "previous_item_id": None,
        "item": said | {"id": "item_u", "status": "completed"},
    }
    script = opened(
        Expect("conversation.item.create"),
        Send(echo),
        Expect("response.create"),
        spoken_answer(bytes(SECOND)),
    )
    async with provider_of(script):
        async with session_of(here, await token_of(ann, name="kitchen")) as session:
            await session.send({"type": "conversation.item.create", "item": said})
            await session.connection.response.create()
            await session.event("response.done")
    record = await the_call()
    kept = await sync_to_async(Conversation.objects.get)()
    messages = await sync_to_async(lambda: list(kept.messages.order_by("position")))()
    assert (kept.owner_id, kept.via, kept.title) == (ann.pk, "kitchen", "Hi")
    assert [(each.role, each.text, each.status) for each in messages] == [
        ("user", "Hi", "completed"),
        ("assistant", "Hello there.", "completed"),
    ]
    recording = await the_recording()
    assert recording.duration_ms == 1000
    assert (record.end_reason, record.conversation_id) == ("browser_gone", kept.pk)
    assert (await sync_to_async(lambda: record.token)()).name == "kitchen"  # type: ignore[union-attr]


async def test_without_recording_nothing_said_is_kept_but_the_call_is(here: str, ann: User) -> None:
    async with provider_of(opened(Expect("response.create"), spoken_answer(bytes(SECOND)))):
        async with session_of(here, await token_of(ann, record=False)) as session:
            await session.connection.response.create()
            await session.event("response.done")
    record = await the_call()
    assert (record.conversation_id, record.answered_ms) == (None, 1000)
    assert await sync_to_async(Conversation.objects.count)() == 0
    assert await sync_to_async(Message.objects.count)() == 0
    assert await sync_to_async(Recording.objects.count)() == 0


async def test_a_session_in_which_nothing_is_said_leaves_no_conversation(
    here: str, ann: User
) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
    await the_call()
    await no_conversation()


async def test_what_was_said_is_kept_by_a_database_that_is_too_slow_for_the_end(
    here: str, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, write = threading.Event(), store().write

    def in_its_own_time(rows: list[Row]) -> None:
        answers.wait()
        write(rows)

    try:
        async with provider_of(opened(Expect("response.create"), spoken_answer(bytes(SECOND)))):
            async with session_of(here, await token_of(ann)) as session:
                monkeypatch.setattr(store(), "write", in_its_own_time)
                await session.connection.response.create()
                await session.event("response.done")
            async with asyncio.timeout(10):
                while live.count():  # noqa: ASYNC110 (a test may poll)
                    await asyncio.sleep(0.02)
            for _ in range(8):  # what follows a call's end is done in the threads that do this
                await in_database(Conversation.objects.count)
    finally:
        answers.set()
    await the_call()
    said = await in_database(lambda: list(Message.objects.values_list("text", flat=True)))
    assert said == ["Hello there."]


async def test_the_recording_ends_where_the_program_says_it_was_cut(here: str, ann: User) -> None:
    truncated = {
        "type": "conversation.item.truncated",
        "item_id": "item_a",
        "content_index": 0,
        "audio_end_ms": 500,
    }
    words = {
        "type": "response.output_audio_transcript.delta",
        **PLACE,
        "delta": "one two three four",
    }
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    script = opened(
        Expect("response.create"),
        Send(
            response_created(),
            item_added("item_a", None, "assistant"),
            words,
            audio_delta(bytes(SECOND)),
            response_done(output=[item]),
        ),
        Expect("conversation.item.truncate"),
        Send(truncated),
    )
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.response.create()
            await session.event("response.done")
            await session.connection.conversation.item.truncate(
                item_id="item_a", content_index=0, audio_end_ms=500
            )
            await session.event("conversation.item.truncated")
            visit = await provider.visit()
    await the_call()
    assert visit.of_type("conversation.item.truncate")[0]["audio_end_ms"] == 500
    kept = await sync_to_async(Message.objects.get)(role="assistant")
    recording = await the_recording()
    assert (kept.heard_ms, kept.text, kept.unheard, kept.status) == (
        500,
        "one two three",
        "four",
        "interrupted",
    )
    assert recording.duration_ms == 500


async def test_a_program_talks_in_telephone_sound(here: str, ann: User) -> None:
    pcm = bytes(SECOND)
    cut: Any = {"item_id": "item_a", "content_index": 0, "audio_end_ms": 1000}
    script = opened(
        Expect("session.update"),
        Send(session_updated("mine")),
        Hear(SECOND),
        Expect("input_audio_buffer.commit", "response.create"),
        spoken_answer(pcm),
        Expect("conversation.item.truncate"),
        Send({"type": "conversation.item.truncated", **cut}),
    )
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            connection, law = session.connection, {"format": {"type": "audio/pcmu"}}
            audio: Any = {"input": law, "output": law}
            await connection.session.update(session={"type": "realtime", "audio": audio})
            updated = await session.event("session.updated")
            quiet = base64.b64encode(b"\xff" * 8000).decode()
            await connection.input_audio_buffer.append(audio=quiet)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            await session.event("response.done")
            await connection.conversation.item.truncate(**cut)
            await session.event("conversation.item.truncated")
            visit = await provider.visit()
    shown = updated.session.audio
    assert (shown.input.format.type, shown.output.format.type) == ("audio/pcmu", "audio/pcmu")
    assert (len(visit.audio), loudest(visit.audio)) == (SECOND, pytest.approx(0, abs=1))
    assert visit.of_type("session.update")[1]["session"] == {
        "type": "realtime",
        "audio": {"input": {}, "output": {}},
    }
    deltas = [base64.b64decode(each.delta) for each in session.of("response.output_audio.delta")]
    given = b"".join(deltas)
    assert (len(given), loudest(g711.decode(given, "audio/pcmu"))) == (8000, 0)
    assert visit.of_type("conversation.item.truncate")[0]["audio_end_ms"] == 1000


async def test_a_function_is_called_and_its_output_goes_back(here: str, ann: User) -> None:
    call = {
        "id": "item_f",
        "type": "function_call",
        "status": "completed",
        "name": "look",
        "call_id": "call_1",
        "arguments": "{}",
    }
    place = {"response_id": "resp_1", "item_id": "item_f", "output_index": 0}
    script = opened(
        Expect("response.create"),
        Send(
            response_created(),
            {"type": "response.output_item.added", **place, "item": call},
            {
                "type": "response.function_call_arguments.done",
                **place,
                "call_id": "call_1",
                "name": "look",
                "arguments": "{}",
            },
            {"type": "response.output_item.done", **place, "item": call},
            response_done(output=[call]),
        ),
        Expect("conversation.item.create", "response.create"),
        Send(response_created("resp_2"), response_done("resp_2")),
    )
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.response.create()
            done = await session.event("response.output_item.done")
            output = {"type": "function_call_output", "call_id": done.item.call_id, "output": "7"}
            await session.event("response.done")
            await session.send({"type": "conversation.item.create", "item": output})
            await session.connection.response.create()
            await session.event("response.done", 1)
            visit = await provider.visit()
    sent = visit.of_type("conversation.item.create")[0]["item"]
    assert {name: sent[name] for name in output} == output


async def test_an_answer_aside_is_told_and_not_kept(here: str, ann: User) -> None:
    text = {"type": "response.output_text.delta", **PLACE, "delta": "sports"}
    script = opened(Expect("response.create"), Send(response_created(), text, response_done()))
    async with provider_of(script) as provider:
        async with session_of(here, await token_of(ann)) as session:
            response: Any = {
                "conversation": "none",
                "output_modalities": ["text"],
                "metadata": {"topic": "1"},
                "input": [{"type": "item_reference", "id": "item_x"}],
            }
            await session.connection.response.create(response=response)
            await session.event("response.done")
            visit = await provider.visit()
    await the_call()
    assert [each.delta for each in session.of("response.output_text.delta")] == ["sports"]
    assert visit.of_type("response.create")[0]["response"] == response
    assert await sync_to_async(Message.objects.count)() == 0


async def test_a_second_answer_at_once_is_refused_as_openai_does(here: str, ann: User) -> None:
    script = opened(Expect("response.create"), Send(response_created()))
    async with provider_of(script):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.response.create()
            await session.event("response.created")
            await session.send({"type": "response.create", "event_id": "second"})
            told = (await session.event("error")).error
    assert (told.code, told.event_id) == ("conversation_already_has_active_response", "second")


async def test_a_benign_error_of_the_provider_is_passed_on_under_the_programs_own_id(
    here: str, ann: User
) -> None:
    def refusal(event_id: str) -> Send:
        error = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
        error |= {"message": "Cancellation failed: no active response found"}
        return Send({"type": "error", "error": error | {"event_id": event_id}})

    script = opened(Expect("response.cancel"), refusal("mine"), refusal("nextvoice_0123"))
    async with provider_of(script):
        async with session_of(here, await token_of(ann)) as session:
            await session.send({"type": "response.cancel", "event_id": "mine"})
            first = await session.event("error", 0)
            second = await session.event("error", 1)
    assert [each.error.code for each in (first, second)] == ["response_cancel_not_active"] * 2
    assert [each.error.event_id for each in (first, second)] == ["mine", None]


async def test_an_item_is_retrieved_from_the_provider(here: str, ann: User) -> None:
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    item |= {"content": [{"type": "output_audio", "transcript": "Hello"}]}
    script = opened(
        Expect("conversation.item.retrieve"),
        Send({"type": "conversation.item.retrieved", "item": item}),
    )
    async with provider_of(script):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.conversation.item.retrieve(item_id="item_a")
            retrieved = await session.event("conversation.item.retrieved")
    assert retrieved.item.content[0].transcript == "Hello"


async def test_the_sites_instructions_stay_in_force_and_out_of_sight(here: str, ann: User) -> None:
    echoed = session_updated("one", instructions="Never swear.\n\nBe brief.")
    answered = Send(response_created(), response_done())
    script = opened(Expect("session.update"), Send(echoed), Expect("response.create"), answered)
    async with provider_of(script, instructions="Never swear.") as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.session.update(
                session={"type": "realtime", "instructions": "Be brief."}
            )
            updated = await session.event("session.updated")
            await session.connection.response.create(response={"instructions": "Be long."})
            await session.event("response.done")
            visit = await provider.visit()
    told = visit.of_type("session.update")
    assert told[0]["session"]["instructions"] == "Never swear."
    assert told[1]["session"]["instructions"] == "Never swear.\n\nBe brief."
    assert visit.of_type("response.create")[0]["response"]["instructions"] == (
        "Never swear.\n\nBe long."
    )
    assert session.of("session.created")[0].session.instructions == ""
    assert updated.session.instructions == "Be brief."


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (
            {"type": "session.update", "session": {"voice": "x"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "session.update", "session": {"type": "transcription"}},
            "invalid_value",
            "session.type",
        ),
        ({"type": "nextvoice.hang_up"}, "invalid_value", "type"),
        (
            {"type": "response.create", "response": {"modalities": ["text"]}},
            "unknown_parameter",
            "response.modalities",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "no",
                "content_index": 0,
                "audio_end_ms": 1,
            },
            "item_truncate_invalid_item_id",
            "item_id",
        ),
        ({"type": "input_audio_buffer.append", "audio": "%"}, "invalid_audio", "audio"),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "output_text", "text": "x"}],
                },
            },
            "invalid_value",
            "item.content[0].type",
        ),
    ],
)
async def test_what_is_wrong_is_answered_by_name_and_the_session_goes_on(
    here: str, ann: User, event: dict[str, Any], code: str, param: str
) -> None:
    async with provider_of(opened(Expect("response.create"), spoken_answer(bytes(480)))):
        async with session_of(here, await token_of(ann)) as session:
            await session.send(event | {"event_id": "mine"})
            told = (await session.event("error")).error
            await session.connection.response.create()
            await session.event("response.done")
    assert (told.code, told.param, told.event_id) == (code, param, "mine")


async def test_words_a_program_puts_into_the_assistants_mouth_are_kept_as_they_are(
    here: str, ann: User
) -> None:
    said = {"type": "message", "role": "assistant", "id": "item_put"}
    said |= {"content": [{"type": "output_audio", "transcript": "Welcome back."}]}
    taken = said | {"content": [{"type": "output_text", "text": "Welcome back."}]}
    echo = {"type": "conversation.item.added", "previous_item_id": None, "item": taken}
    async with provider_of(opened(Expect("conversation.item.create"), Send(echo))) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.send({"type": "conversation.item.create", "item": said})
            await session.event("conversation.item.added")
            visit = await provider.visit()
    await the_call()
    assert visit.of_type("conversation.item.create")[0]["item"] == taken
    kept = await sync_to_async(Message.objects.get)()
    assert (kept.role, kept.kind, kept.status, kept.text) == (
        "assistant",
        "typed",
        "completed",
        "Welcome back.",
    )


async def test_a_provider_that_is_lost_is_replaced_without_a_word(here: str, ann: User) -> None:
    first = opened(Expect("response.create"), spoken_answer(bytes(SECOND)), Die())
    second = [
        Send(session_created("sess_2")),
        Expect("session.update"),
        Send(session_updated("again")),
        Expect("response.create"),
        Send(response_created("resp_2"), response_done("resp_2")),
    ]
    async with provider_of(first, second) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.session.update(
                session={"type": "realtime", "tool_choice": "none"}
            )
            await session.connection.response.create()
            await session.event("response.done")
            visit = await provider.visit(1)
            await session.connection.response.create()
            await session.event("response.done", 1)
    assert visit.of_type("session.update")[0]["session"]["tool_choice"] == "none"
    assert session.types.count("session.created") == 1
    assert session.types.count("error") == 0


def loudest(pcm: bytes) -> int:
    return max(map(abs, array("h", pcm)))


async def the_call() -> CallRecord:
    """The only call, once it has ended."""
    return await eventually(CallRecord.objects.filter(state=CallRecord.State.ENDED).first)


async def the_recording() -> Recording:
    """The only recording, once it is made: it may take longer than the call."""
    await eventually(Recording.objects.exclude(state=Recording.State.LIVE).exists, 30)
    return await sync_to_async(Recording.objects.get)()


async def no_conversation() -> None:
    await eventually(lambda: not Conversation.objects.exists())


async def eventually(find: Callable[[], Any], seconds: float = 10) -> Any:
    """What is found in the database, as soon as it is something."""
    async with asyncio.timeout(seconds):
        while not (found := await sync_to_async(find)()):  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
    return found
