"""A model that answers in text although it should speak."""

from __future__ import annotations

import json

import pytest

from realtime.bridge.dialects import DIALECTS
from realtime.bridge.dialects.openai_ga import OpenAIGA
from realtime.bridge.memory import packed
from tests.bridge.doubles import Rig
from tests.scripted import (
    WIRE,
    audio_delta,
    item_added,
    response_created,
    response_done,
)

SAMPLE = json.loads((WIRE / "history_replay.json").read_text())
FLIP = SAMPLE["flip_detect_and_recover"]
ANSWER = {"response_id": "resp_101", "item_id": "item_a101", "output_index": 0, "content_index": 0}
TEXT_PART = {"type": "response.content_part.added", "part": {"type": "text", "text": ""}}
AUDIO_PART = {"type": "response.content_part.added", "part": {"type": "audio", "transcript": ""}}
TEXT_DELTA = {"type": "response.output_text.delta", "delta": "Hi"}
HISTORY = [step["event"]["item"] for step in SAMPLE["ga_individual_items"]]


def said(item_id, text):
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "transcript": text,
    }


def asked(**options):
    """A call with a history, in which the person has just said something."""
    rig = Rig(attached=False, **options)
    rig.attach(history=HISTORY)
    rig.provider(item_added("u1", None), said("u1", "Hello?"))
    rig.browser.take()
    rig.upstream.take()
    rig.tap.events.clear()
    return rig


def flip(rig, number=101, shown=TEXT_PART):
    """The beginning of an answer, up to the event that shows that it is text."""
    place = {**ANSWER, "response_id": f"resp_{number}", "item_id": f"item_a{number}"}
    item = item_added(place["item_id"], "u1", "assistant")
    rig.provider(
        response_created(f"resp_{number}"),
        {**item, "type": "response.output_item.added", "response_id": f"resp_{number}"},
        item,
        {**shown, **place},
    )


def flip_again(rig, number):
    """The same, after which the provider cancels the answer as it was asked to."""
    flip(rig, number)
    rig.provider(response_done(f"resp_{number}", "cancelled"))


def without_ids(frames):
    return [{name: value for name, value in f.items() if name != "event_id"} for f in frames]


def test_the_sampled_flip_is_recovered_from_as_the_sample_says():
    rig = asked()
    rig.provider(response_created("resp_101"))
    for step in FLIP:
        if step["dir"] == "s2c":
            rig.provider(step["event"])
    wanted = [step["event"] for step in FLIP if step["dir"] == "c2s"]
    assert without_ids(rig.upstream.frames) == wanted
    assert rig.browser.types() == ["response.created", "response.done"]
    done = rig.browser.frames[-1]["response"]
    # Nobody sees the answer that was taken back; what it cost is counted.
    assert (done["output"], done["usage"]["total_tokens"]) == ([], 123)
    assert [e["type"] for e in rig.tap.events] == rig.browser.types()


@pytest.mark.parametrize("shown", [TEXT_PART, TEXT_DELTA], ids=["part", "delta"])
def test_nothing_of_the_text_is_seen_by_page_or_taps(shown):
    rig = asked()
    flip(rig, shown=shown)
    rig.provider(
        {**TEXT_DELTA, **ANSWER},
        {"type": "response.output_text.done", "text": "Hi", **ANSWER},
        {"type": "conversation.item.done", "item": item_added("item_a101", "u1")["item"]},
        response_done("resp_101", "cancelled"),
        {"type": "conversation.item.deleted", "item_id": "item_a101"},
    )
    assert rig.browser.types() == ["response.created", "response.done"]
    assert [e["type"] for e in rig.tap.events] == ["response.created", "response.done"]
    assert rig.upstream.types() == [
        "response.cancel",
        "conversation.item.delete",
        "response.create",
    ]


def test_a_spoken_answer_is_passed_on_in_order():
    rig = asked()
    flip(rig, shown=AUDIO_PART)
    rig.provider(audio_delta(bytes(960), "item_a101", "resp_101"))
    assert rig.browser.types() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "nextvoice.audio",
        "audio",
    ]
    assert rig.upstream.frames == []


def test_what_others_say_meanwhile_is_not_held_back():
    rig = asked()
    rig.provider(response_created("resp_101"), item_added("a", "u1", "assistant"))
    rig.provider(item_added("u2", "u1"), said("u2", "And"))
    assert [f["type"] for f in rig.browser.frames] == [
        "response.created",
        "conversation.item.added",
        "conversation.item.input_audio_transcription.completed",
    ]


def test_an_answer_that_shows_nothing_is_passed_on_at_its_end():
    rig = asked()
    rig.provider(response_created("r"), item_added("a", "u1", "assistant"), response_done("r"))
    assert rig.browser.types() == ["response.created", "conversation.item.added", "response.done"]


def test_a_second_flip_packs_the_conversation_but_not_the_turn_to_be_answered():
    rig = asked()
    flip_again(rig, 101)
    rig.upstream.take()
    flip_again(rig, 102)
    frames = without_ids(rig.upstream.frames)
    system = next(step["event"]["item"] for step in SAMPLE["packed_system_message"])
    [create] = [f for f in frames if f["type"] == "conversation.item.create"]
    assert create["previous_item_id"] == "root"
    assert {k: v for k, v in create["item"].items() if k != "id"} == system
    deleted = [f["item_id"] for f in frames if f["type"] == "conversation.item.delete"]
    assert ("u1" in deleted, len(deleted)) == (False, 3)  # its own item and two of the history
    assert frames[-1]["type"] == "response.create"
    # What is packed was seen before: neither its deletion nor the message is news.
    rig.browser.take()
    for item_id in deleted:
        rig.provider({"type": "conversation.item.deleted", "item_id": item_id})
    rig.provider(item_added(create["item"]["id"], None, "system"))
    assert rig.browser.frames == []


def test_a_third_flip_shows_the_text_and_says_so():
    rig = asked()
    flip_again(rig, 101)
    flip_again(rig, 102)
    rig.browser.take()
    rig.upstream.take()
    flip(rig, 103)
    rig.provider({**TEXT_DELTA, "response_id": "resp_103", "item_id": "item_a103"})
    rig.provider(response_done("resp_103"))
    assert rig.browser.types() == [
        "response.created",
        "nextvoice.notice",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.done",
    ]
    assert rig.browser.frames[1]["code"] == "answered_in_text"
    assert rig.upstream.frames == []


def test_a_model_that_only_writes_is_asked_no_more_until_it_speaks():
    rig = asked()
    flip_again(rig, 101)
    flip_again(rig, 102)
    for number in (103, 104, 105):
        rig.upstream.take()
        flip(rig, number)
        rig.provider(response_done(f"resp_{number}"))
        assert rig.upstream.frames == []
    assert rig.browser.types().count("nextvoice.notice") == 1
    rig.provider(response_created("resp_1"), audio_delta(bytes(960)), response_done("resp_1"))
    flip(rig, 106)
    assert rig.upstream.types() == ["response.cancel"]


def test_a_packed_call_that_flips_is_asked_once_more():
    rig = asked()
    rig.call.packed = True
    flip_again(rig, 101)
    assert rig.upstream.types()[-1] == "response.create"
    rig.upstream.take()
    flip(rig, 102)
    assert rig.upstream.frames == []
    assert "nextvoice.notice" in rig.browser.types()


def test_speaking_again_sets_the_count_back():
    rig = asked()
    flip_again(rig, 101)
    rig.provider(
        response_created("resp_1"),
        audio_delta(bytes(960)),
        response_done("resp_1"),
    )
    flip_again(rig, 103)
    assert rig.call.packed is False


def test_an_answer_asked_for_in_text_is_no_flip():
    rig = asked()
    rig.page({"type": "response.create", "response": {"output_modalities": ["text"]}})
    rig.upstream.take()
    flip(rig)
    assert rig.upstream.frames == []
    rig.provider(response_done("resp_101"))
    # The next one is the call's own kind again.
    flip(rig, 102)
    assert rig.upstream.types() == ["response.cancel"]


def test_a_call_in_text_never_flips():
    rig = asked()
    rig.page({"type": "session.update", "session": {"output_modalities": ["text"]}})
    rig.upstream.take()
    flip(rig)
    assert rig.upstream.frames == []


def test_who_speaks_again_meanwhile_is_answered_by_their_new_turn():
    rig = asked()
    flip(rig)
    start = {"type": "input_audio_buffer.speech_started", "item_id": "u2", "audio_start_ms": 0}
    rig.provider(start, response_done("resp_101", "cancelled"))
    assert "response.create" not in rig.upstream.types()


def test_an_answer_asked_for_meanwhile_is_the_only_one():
    rig = asked()
    flip(rig)
    rig.page({"type": "response.create"})
    rig.provider(response_done("resp_101", "cancelled"))
    assert rig.upstream.types().count("response.create") == 1


def test_a_break_during_a_flip_forgets_it():
    rig = asked()
    flip(rig)
    rig.call.detach()
    rig.attach("sess_2")
    rig.browser.take()
    rig.upstream.take()
    rig.provider(item_added("item_a101", "u1", "assistant"))
    assert rig.browser.types() == ["conversation.item.added"]


def test_a_packed_call_opens_its_next_session_packed():
    rig = asked()
    rig.call.packed = True
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_2")
    items = [f["item"] for f in rig.upstream.frames if "item" in f]
    assert [(i["role"], i["content"][0]["text"]) for i in items] == [
        ("system", packed(HISTORY)[0]["content"][0]["text"]),
        ("user", "Hello?"),
    ]


def test_a_dialect_can_ask_for_a_packed_history():
    class Packed(OpenAIGA):
        history_mode = "packed"

    rig = Rig(attached=False)
    rig.call.attach(rig.upstream, Packed(), (), HISTORY)
    items = [f["item"]["role"] for f in rig.upstream.frames if "item" in f]
    assert items == ["system"]
    assert {dialect.history_mode for dialect in DIALECTS.values()} <= {"items", "packed"}
