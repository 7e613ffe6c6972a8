import base64
from typing import Any

import pytest

from tests.local.conftest import Rooms
from tests.local.room import b64, error_of, tone, transcript


def message(role: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, **fields}]}


async def test_a_created_item_is_added_and_done_behind_the_last(rooms: Rooms) -> None:
    room = rooms()
    first = room.say("one")
    events = room.send(
        "conversation.item.create",
        item={**message("assistant", "output_text", text="two"), "id": "mine"},
    )
    assert [(e["type"], e["previous_item_id"]) for e in events] == [
        ("conversation.item.added", first),
        ("conversation.item.done", first),
    ]
    assert events[1]["item"] == {
        "id": "mine",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "two"}],
    }


async def test_items_can_go_first_or_after_a_given_one(rooms: Rooms) -> None:
    room = rooms()
    one = room.say("one")
    zero = room.say("zero", previous_item_id="root")
    room.say("one and a half", previous_item_id=one)
    room.say("two")
    assert [item.text for item in room.session.conversation.items()] == [
        "zero",
        "one",
        "one and a half",
        "two",
    ]
    assert room.session.conversation.items()[0].id == zero


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "missing_required_parameter", "item"),
    ({"item": {}}, "missing_required_parameter", "item.type"),
    ({"item": {"type": "thing"}}, "invalid_value", "item.type"),
    ({"item": {"type": "message"}}, "missing_required_parameter", "item.role"),
    ({"item": {"type": "message", "role": "user"}}, "missing_required_parameter", "item.content"),
    (
        {"item": message("user", "text", text="beta")},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"item": message("user", "input_text")},
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (
        {"item": message("assistant", "output_audio", audio="AAA=")},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"item": message("user", "input_audio", audio="!")},
        "invalid_value",
        "item.content[0].audio",
    ),
    (
        {"item": message("user", "input_text", text="x"), "previous_item_id": "nobody"},
        "item_create_invalid_previous_item_id",
        "previous_item_id",
    ),
    (
        {"item": {"type": "function_call_output", "call_id": "none", "output": "x"}},
        "invalid_tool_call_id",
        "item.call_id",
    ),
]


@pytest.mark.parametrize(("fields", "code", "param"), WRONG)
async def test_a_wrong_item_is_refused_and_not_added(
    rooms: Rooms, fields: dict[str, Any], code: str, param: str | None
) -> None:
    room = rooms()
    error = error_of(room.send("conversation.item.create", **fields))
    assert (error["code"], error["param"]) == (code, param)
    assert room.session.conversation.items() == []


async def test_an_id_can_be_used_once(rooms: Rooms) -> None:
    room = rooms()
    item = {**message("user", "input_text", text="x"), "id": "same"}
    room.send("conversation.item.create", item=item)
    error = error_of(room.send("conversation.item.create", item=item))
    assert error["code"] == "item_create_duplicate_item_id"


async def test_deleting_and_retrieving(rooms: Rooms) -> None:
    room = rooms()
    item_id = room.say("secret")
    (found,) = room.send("conversation.item.retrieve", item_id=item_id)
    assert (found["type"], found["item"]["content"][0]["text"]) == (
        "conversation.item.retrieved",
        "secret",
    )
    (deleted,) = room.send("conversation.item.delete", item_id=item_id)
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", item_id)
    for kind, code in (("retrieve", "retrieve"), ("delete", "delete")):
        error = error_of(room.send(f"conversation.item.{kind}", item_id=item_id))
        assert error["code"] == f"item_{code}_invalid_item_id"


async def test_committed_audio_can_be_retrieved_whole(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"turn_detection": None}})
    pcm = tone(500)
    room.hear(pcm)
    events = room.send("input_audio_buffer.commit")
    assert [event["type"] for event in events] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    (found,) = room.send("conversation.item.retrieve", item_id=events[0]["item_id"])
    assert base64.b64decode(found["item"]["content"][0]["audio"]) == pcm


async def test_audio_in_an_item_is_transcribed(rooms: Rooms) -> None:
    room = rooms()
    room.update(audio={"input": {"transcription": {"model": "any"}}})
    item = message("user", "input_audio", audio=b64(tone(500)))
    room.send("conversation.item.create", item=item)
    failed = await room.until("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "recogniser_unavailable"


async def spoken(rooms: Rooms) -> tuple[Any, str]:
    """A session in which `1, 2, 3 ...` was said, 180 ms for each."""
    room = rooms()
    response = await room.ask("count to ten")
    return room, response["output"][0]["id"]


async def test_truncating_keeps_the_words_that_were_heard(rooms: Rooms) -> None:
    room, item_id = await spoken(rooms)
    (done,) = room.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=560
    )
    assert (done["type"], done["item_id"], done["content_index"], done["audio_end_ms"]) == (
        "conversation.item.truncated",
        item_id,
        0,
        560,
    )
    (found,) = room.send("conversation.item.retrieve", item_id=item_id)
    assert found["item"]["content"] == [{"type": "output_audio", "transcript": "1, 2, 3,"}]
    assert transcript(await room.ask("say that again")) == "1, 2, 3,"


async def test_nothing_can_be_truncated_beyond_its_end(rooms: Rooms) -> None:
    room, item_id = await spoken(rooms)
    for end_ms, said_ms in ((1801, 1800), (700, 700)):
        if end_ms == said_ms:
            room.send(
                "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms
            )
        error = error_of(
            room.send(
                "conversation.item.truncate",
                item_id=item_id,
                content_index=0,
                audio_end_ms=said_ms + 1,
            )
        )
        assert error["message"] == (
            f"Audio content of {said_ms}ms is already shorter than {said_ms + 1}ms"
        )


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"item_id": "none"}, "item_truncate_invalid_item_id", "item_id"),
        ({}, "missing_required_parameter", "item_id"),
        ({"item_id": "mine"}, "item_truncate_invalid_item_id", "item_id"),
        ({"item_id": "text"}, "invalid_value", "content_index"),
    ],
)
async def test_only_spoken_answers_can_be_truncated(
    rooms: Rooms, fields: dict[str, Any], code: str, param: str
) -> None:
    room = rooms()
    typed = {**message("user", "input_text", text="x"), "id": "mine"}
    written = {**message("assistant", "output_text", text="x"), "id": "text"}
    room.send("conversation.item.create", item=typed)
    room.send("conversation.item.create", item=written)
    error = error_of(
        room.send("conversation.item.truncate", **fields, content_index=0, audio_end_ms=1)
    )
    assert (error["code"], error["param"]) == (code, param)
