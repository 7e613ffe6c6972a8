from __future__ import annotations

from realtime.bridge import Limits
from realtime.bridge.heard import split_heard
from realtime.bridge.items import Items
from realtime.bridge.memory import Memory, packed
from tests.bridge.doubles import Rig
from tests.scripted import audio_delta, item_added, load_wire, response_created

PCM = bytes(48_000)  # one second


def said(item_id, text):
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "transcript": text,
    }


def spoke(item_id, text):
    return {"type": "response.output_audio_transcript.delta", "item_id": item_id, "delta": text}


def told(rig):
    """Role, content type and text of what another session would be told."""
    return [
        (item["role"], item["content"][0]["type"], item["content"][0]["text"])
        for item in rig.call.memory.conversation()
    ]


def test_both_sides_are_remembered_in_the_conversation_s_order_however_they_came():
    rig = Rig()
    rig.provider(
        item_added("u1", None),
        item_added("a1", "u1", "assistant"),
        spoke("a1", "Nice to "),
        item_added("u2", "a1"),
        spoke("a1", "meet you."),
        said("u2", "And you?"),
        said("u1", " My name is Ann."),
    )
    assert told(rig) == [
        ("user", "input_text", "My name is Ann."),
        ("assistant", "output_text", "Nice to meet you."),
        ("user", "input_text", "And you?"),
    ]


class Id(str):
    """An id that counts how often it is compared with another one."""

    __slots__ = ()
    __hash__ = str.__hash__
    compared = 0

    def __eq__(self, other):
        Id.compared += 1
        return str.__eq__(self, other)


def test_of_a_long_call_each_item_is_looked_at_a_few_times_only():
    items = Items()
    memory, ids = Memory(items, 24_000), [Id(f"u{number}") for number in range(500)]
    for item_id, before in zip(ids, [None, *ids], strict=False):
        items.place(item_id, before)
        memory.on_event({"type": "input_audio_buffer.committed", "item_id": item_id})
    Id.compared = 0
    assert memory.order() == ids
    assert Id.compared < 10 * len(ids)


def test_a_turn_nobody_has_words_for_is_left_out():
    rig = Rig()
    rig.provider(item_added("u1", None), item_added("a1", "u1", "assistant"), said("u1", " "))
    assert told(rig) == []


def test_what_the_provider_refused_is_not_told_the_next_session():
    rig = Rig()
    picture = {"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA"}
    for number, part in enumerate(({"type": "input_text", "text": "Hello"}, picture)):
        item = {"id": f"u{number}", "type": "message", "role": "user", "content": [part]}
        create = {"type": "conversation.item.create", "event_id": f"e{number}", "item": item}
        rig.call.put(create, [part])
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No pictures."}
    rig.provider(
        item_added("u0", None),
        {"type": "error", "error": error | {"event_id": "e1"}},
        {"type": "error", "error": error | {"event_id": "e0"}},  # which was taken
    )
    assert told(rig) == [("user", "input_text", "Hello")]


def test_an_answer_that_was_cut_ends_where_it_was_heard():
    rig = Rig()
    rig.provider(
        item_added("item_a", None, "assistant"),
        audio_delta(PCM),
        spoke("item_a", "Once upon a time there was"),
    )
    cut = {"item_id": "item_a", "content_index": 0, "audio_end_ms": 400}
    rig.page({"type": "conversation.item.truncate", **cut})
    assert told(rig) == [("assistant", "output_text", "Once upon a")]


def test_a_deleted_item_is_forgotten():
    rig = Rig(attached=False)
    rig.attach(history=[{"id": "h1", "type": "message", "role": "user", "content": []}])
    rig.provider(item_added("u1", None), said("u1", "Forget it."))
    for item_id in ("u1", "h1"):
        rig.provider({"type": "conversation.item.deleted", "item_id": item_id})
    assert rig.call.memory.conversation() == []


def test_what_the_call_was_opened_with_comes_first():
    rig = Rig(attached=False)
    old = {"id": "h1", "type": "message", "role": "user", "content": [{"text": "Earlier"}]}
    rig.attach(history=[old])
    rig.provider(item_added("h1", None), item_added("u1", "h1"), said("u1", "Later"))
    ids = [item["id"] for item in rig.call.memory.conversation()]
    assert ids == ["h1", "u1"]


def test_only_the_newest_is_remembered_when_there_is_too_much():
    rig = Rig(limits=Limits(remembered_letters=8))
    rig.provider(item_added("u1", None), said("u1", "12345"))
    rig.provider(item_added("u2", "u1"), said("u2", "6789"))
    assert [text for _, _, text in told(rig)] == ["6789"]


def test_an_id_too_long_for_a_provider_is_replaced():
    rig = Rig()
    rig.provider(item_added("u" * 33, None), said("u" * 33, "Hi"))
    [item] = rig.call.memory.conversation()
    assert len(item["id"]) <= 32


def test_a_whole_recorded_call_is_remembered():
    rig = Rig()
    rig.provider(*[e["event"] for e in load_wire("ga_call.json") if e["dir"] == "s2c"])
    assert [(role, text) for role, _, text in told(rig)][:3] == [
        ("user", "What's the weather in Paris?"),
        ("assistant", "It's eleven degrees and clear in Paris."),
        ("user", "Tell me a long story."),
    ]


def test_odd_content_is_no_words():
    rig = Rig()
    event = item_added("u1", None)
    event["item"]["content"] = [{"type": "input_audio", "transcript": None}, {"text": 7}]
    rig.provider(event, response_created())
    assert told(rig) == []


def test_a_conversation_is_packed_into_one_system_message():
    items = [
        {"type": "message", "role": "user", "content": [{"text": "My name\nis Ann."}]},
        {"type": "message", "role": "assistant", "content": [{"text": "Nice to meet you, Ann."}]},
        {"type": "function_call", "name": "x"},
    ]
    [item] = packed(items)
    assert (item["role"], item["content"][0]["type"]) == ("system", "input_text")
    assert item["content"][0]["text"].endswith(
        "voice.\nUser: My name is Ann.\nAssistant: Nice to meet you, Ann."
    )
    assert packed([]) == []


def test_a_transcript_is_split_at_the_end_of_the_last_word_begun():
    assert split_heard("Once upon a time", 400, 1000) == ("Once upon", "a time")
    assert split_heard("Once", 1000, 1000) == ("Once", "")
    assert split_heard("你好世界", 500, 1000) == ("你好", "世界")


def test_memory_of_nothing_is_empty():
    assert Memory(Rig().call.items, 10).conversation() == []
