from __future__ import annotations

import base64
import os

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge import ENDS, Limits, Tap
from tests.bridge.doubles import SESSION, Rig
from tests.examples import examples
from tests.scripted import (
    audio_delta,
    item_added,
    load_wire,
    response_created,
    response_done,
    session_created,
)

PCM = bytes(range(256)) * 7 + bytes(128)  # 40 ms, 1920 bytes


def append_event(pcm):
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}


def typed(text="Hello", **fields):
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return {"type": "conversation.item.create", "item": item | fields}


def truncate(ms, item_id="item_a"):
    return {
        "type": "conversation.item.truncate",
        "event_id": "mine",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": ms,
    }


def played(ms, item_id="item_a"):
    return {
        "type": "nextvoice.played",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": ms,
    }


def provider_error(code, event_id=None, message="No."):
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return {"type": "error", "error": error | {"event_id": event_id}}


def codes(frames):
    return [f["error"]["code"] for f in frames if isinstance(f, dict) and f["type"] == "error"]


# Opening


def test_ready_comes_first_and_shows_the_session_without_its_instructions():
    rig = Rig(attached=False, ready={"call_id": "c1", "model": {"id": "m"}})
    rig.attach()
    assert rig.browser.types() == ["nextvoice.ready", "session.created"]
    ready = rig.browser.frames[0]
    assert (ready["call_id"], ready["model"]) == ("c1", {"id": "m"})
    assert ready["session"]["audio"]["output"]["voice"] == "marin"
    assert ready["session"]["audio"]["input"]["turn_detection"] == {"type": "server_vad"}
    assert [f for f in rig.browser.frames if "instructions" in f["session"]] == []


def test_the_provider_is_configured_and_told_the_history():
    rig = Rig(attached=False)
    history = [{"type": "message", "role": "user", "content": []}, {"id": "kept", "type": "x"}]
    rig.attach(history=history)
    update, first, second = rig.upstream.frames
    assert update["session"]["instructions"] == "Be brief."
    assert first["item"]["id"].startswith("item_")
    assert second["item"] == {"id": "kept", "type": "x"}


def test_history_the_provider_repeats_is_shown_to_nobody_but_ordered():
    rig = Rig(attached=False)
    rig.attach(history=[{"id": "old", "type": "message"}])
    rig.browser.take()
    rig.provider(item_added("old", None), item_added("new", "old"))
    assert rig.browser.types() == ["conversation.item.added"]
    assert [e["item"]["id"] for e in rig.tap.events if "item" in e] == ["new"]
    assert rig.call.items.order() == ["old", "new"]


def test_what_came_before_the_provider_is_sent_on_in_order_after_the_opening():
    rig = Rig(attached=False)
    rig.call.from_browser(PCM)
    rig.page(typed())
    rig.call.from_browser(PCM)
    assert rig.upstream.frames == []
    rig.attach()
    assert rig.upstream.types() == [
        "session.update",
        "input_audio_buffer.append",
        "conversation.item.create",
        "input_audio_buffer.append",
    ]
    rig.call.taps.catch_up()
    assert rig.tap.user_audio == [(PCM, 0), (PCM, 960)]


def test_what_is_said_while_a_session_is_mended_waits_for_the_next_one():
    limits = Limits()
    rig = Rig(attached=False)
    longest = 1.25 * sum(limits.reconnect_waits)
    longest += len(limits.reconnect_waits) * limits.reconnect_try
    speak(rig, longest)
    assert rig.browser.frames == []
    rig.attach()
    rig.call.taps.catch_up()
    assert sum(len(pcm) for pcm, _ in rig.tap.user_audio) == round(longest * 25) * len(PCM)


def test_only_so_much_waits_and_the_loss_is_told_once():
    rig = Rig(attached=False, limits=Limits(buffered_seconds=2))
    for n in range(60):
        rig.clock.now += 0.04
        rig.call.from_browser(bytes([n, 0]) * 960)
    assert rig.browser.types() == ["nextvoice.notice"]
    assert rig.browser.frames[0]["code"] == "audio_dropped"
    rig.attach()
    kept = b"".join(pcm for pcm, _ in rig.tap.user_audio)
    assert kept == b"".join(bytes([n, 0]) * 960 for n in range(10, 60))


def test_events_beyond_what_can_wait_are_told():
    rig = Rig(attached=False, limits=Limits(buffered_events=1))
    rig.page(typed("a"), typed("b"))
    assert [f["code"] for f in rig.browser.frames] == ["event_dropped"]


def test_a_change_before_the_provider_is_part_of_the_opening():
    rig = Rig(attached=False)
    rig.page({"type": "session.update", "session": {"audio": {"output": {"voice": "cedar"}}}})
    rig.attach()
    assert rig.upstream.types() == ["session.update"]
    assert rig.upstream.frames[0]["session"]["audio"]["output"]["voice"] == "cedar"


# From the browser


def test_taps_hear_of_audio_a_little_later_but_before_what_comes_after_it():
    rig = Rig()
    for _ in range(4):
        rig.call.from_browser(PCM)
    rig.provider(audio_delta(b"\1\2", "item_a"))
    assert (rig.tap.user_audio, rig.tap.assistant_audio) == ([], [])
    rig.call.from_browser(PCM)
    assert rig.tap.user_audio == [(PCM * 5, 0)]
    rig.call.from_browser(PCM)
    rig.page({"type": "input_audio_buffer.commit"})
    assert rig.tap.user_audio[1:] == [(PCM, 960 * 5)]
    assert rig.tap.assistant_audio == [("item_a", 0, b"\1\2")]


@pytest.mark.parametrize(
    ("kind", "words"), [("output_audio_transcript", "transcript"), ("output_text", "text")]
)
def test_words_of_an_answer_that_come_after_all_of_them_are_not_told_again(kind, words):
    rig = Rig()
    rig.page({"type": "session.update", "session": {"output_modalities": ["text"]}})
    place = {"item_id": "item_a", "response_id": "resp_1", "output_index": 0, "content_index": 0}
    more = {"type": f"response.{kind}.delta", "delta": "Hello", **place}
    whole = {"type": f"response.{kind}.done", words: "Hello.", **place}
    rig.provider(response_created(), item_added("item_a", None, "assistant"), more, whole, more)
    assert rig.browser.types()[-2:] == [more["type"], whole["type"]]
    assert rig.call.memory.text("item_a") == "Hello."


def test_words_of_a_turn_that_come_after_all_of_them_are_not_told_again():
    rig, words = Rig(), "conversation.item.input_audio_transcription"
    place = {"item_id": "u1", "content_index": 0}
    rig.provider(
        {"type": f"{words}.delta", **place, "delta": "Hello "},
        {"type": f"{words}.completed", **place, "transcript": "Hello there"},
        {"type": f"{words}.delta", **place, "delta": "there"},
    )
    assert rig.browser.types() == [f"{words}.delta", f"{words}.completed"]


def test_microphone_audio_goes_up_as_it_is_and_is_timed():
    rig = Rig()
    rig.call.from_browser(PCM)
    rig.page(append_event(PCM))
    assert [base64.b64decode(f["audio"]) for f in rig.upstream.frames] == [PCM, PCM]
    rig.call.taps.catch_up()
    assert rig.tap.user_audio == [(PCM * 2, 0)]
    assert rig.tap.client_events == []


@pytest.mark.parametrize("kind", ["input_audio_buffer.commit", "input_audio_buffer.clear"])
def test_buffer_events_go_up_under_the_pages_event_id(kind):
    rig = Rig()
    rig.page({"type": kind, "event_id": "mine", "extra": 1})
    assert rig.upstream.frames == [{"type": kind, "event_id": "mine"}]
    assert rig.tap.client_events == rig.upstream.frames


def test_a_typed_message_goes_up_with_an_id_and_nothing_unchecked():
    rig = Rig()
    rig.page(typed("Hi", secret=1))
    (sent,) = rig.upstream.frames
    assert sent["event_id"].startswith("nextvoice_")
    assert sent["item"].pop("id").startswith("item_")
    assert sent["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }


def test_a_message_that_is_sent_again_is_told_once():
    rig = Rig()
    rig.page(typed(id="t1"), typed(id="t1"))
    rig.provider(item_added("t1", None))
    rig.page(typed(id="t1"))
    assert rig.upstream.types() == ["conversation.item.create"]
    rig.page(typed("Another", id="t1"))
    assert codes(rig.browser.frames) == ["item_create_duplicate_item_id"]


@pytest.mark.parametrize("gone", ["refused", "deleted"])
def test_a_message_the_conversation_does_not_have_may_be_sent_again(gone):
    rig = Rig()
    rig.page(typed(id="t1") | {"event_id": "mine"})
    if gone == "refused":
        rig.provider(provider_error("invalid_value", "mine"))
    else:
        deleted = {"type": "conversation.item.deleted", "item_id": "t1"}
        rig.provider(item_added("t1", None), deleted)
    rig.page(typed("Another", id="t1"))
    assert rig.upstream.types() == ["conversation.item.create"] * 2


def test_a_message_can_only_follow_an_item_there_is():
    rig = Rig()
    rig.provider(item_added("u1", None))
    rig.page(typed() | {"previous_item_id": "u1"}, typed() | {"previous_item_id": "nowhere"})
    rig.page(typed() | {"previous_item_id": "root"})
    assert [f["previous_item_id"] for f in rig.upstream.frames] == ["u1", "root"]
    assert codes(rig.browser.frames) == ["item_not_found"]


BAD_TEXT = ["", "{", "[]", "{}", '{"type":"no"}', '{"type":"input_audio_buffer.append"}']


@pytest.mark.parametrize("frame", BAD_TEXT)
def test_a_bad_text_frame_is_answered_and_changes_nothing(frame):
    rig = Rig()
    rig.call.from_browser(frame)
    assert rig.browser.types() == ["error"]
    assert rig.upstream.frames == []
    assert rig.call.ended is None


@pytest.mark.parametrize("pcm", [b"", b"abc", bytes(65_538)])
def test_a_bad_audio_frame_is_answered_and_changes_nothing(pcm):
    rig = Rig()
    rig.call.from_browser(pcm)
    assert rig.browser.types() == ["error"]
    assert rig.upstream.frames == []


def test_a_second_start_is_answered():
    rig = Rig()
    rig.page({"type": "nextvoice.start", "event_id": "mine"})
    assert rig.browser.frames[0]["error"]["code"] == "already_started"
    assert rig.browser.frames[0]["error"]["event_id"] == "mine"


def test_a_setting_a_page_may_not_change_is_answered_and_not_sent():
    rig = Rig()
    rig.page({"type": "session.update", "event_id": "mine", "session": {"tools": []}})
    assert codes(rig.browser.frames) == ["not_allowed"]
    assert rig.upstream.frames == []


def test_a_setting_the_provider_refuses_is_taken_back_and_shown():
    rig = Rig()
    rig.page(
        {
            "type": "session.update",
            "event_id": "mine",
            "session": {"audio": {"output": {"voice": "cedar"}}},
        }
    )
    rig.provider(provider_error("invalid_value", "mine"))
    assert codes(rig.browser.frames) == ["invalid_value"]
    assert rig.call.settings.session == SESSION


def test_a_setting_refused_after_the_opening_was_accepted_is_taken_back():
    rig = Rig()
    voice = {"audio": {"output": {"voice": "cedar"}}}
    rig.page({"type": "session.update", "event_id": "mine", "session": voice})
    rig.provider(session_created() | {"type": "session.updated", "event_id": "e1"})
    rig.provider(provider_error("invalid_value", "mine"))
    assert rig.call.settings.session == SESSION


def test_a_refused_opening_is_noticed():
    rig = Rig()
    rig.provider(provider_error("invalid_value", "nextvoice_open_session"))
    assert rig.browser.types() == ["nextvoice.notice", "error"]
    assert rig.browser.frames[0]["code"] == "setting_refused"


def test_hanging_up_ends_the_call():
    rig = Rig()
    rig.page({"type": "nextvoice.hang_up"})
    assert rig.call.ended is ENDS["hang_up"]


def test_after_the_end_the_page_is_not_heard():
    rig = Rig()
    rig.call.end("idle")
    rig.call.end("flood")
    rig.call.from_browser(PCM)
    rig.page(typed())
    assert rig.upstream.frames == []
    assert rig.call.ended is ENDS["idle"]


def test_a_flood_of_audio_ends_the_call():
    rig = Rig()
    for _ in range(250):
        rig.clock.now += 0.01
        rig.call.from_browser(PCM)
    assert rig.call.ended is ENDS["flood"]


def test_a_flood_in_base64_ends_the_call_too():
    rig = Rig()
    for _ in range(250):
        rig.clock.now += 0.01
        rig.page(append_event(PCM))
    assert rig.call.ended is ENDS["flood"]


def test_a_flood_of_bad_frames_ends_the_call():
    rig = Rig()
    for _ in range(600):
        rig.call.from_browser("{")
    assert rig.call.ended is ENDS["flood"]
    assert rig.browser.types() == ["error"] * 500


# Answers


def test_audio_is_announced_once_for_each_item_and_sent_as_bytes():
    rig = Rig()
    rig.provider(
        response_created(),
        audio_delta(b"\1\2"),
        {"type": "response.output_audio_transcript.delta", "item_id": "item_a", "delta": "Hi"},
        audio_delta(b"\3\4"),
        audio_delta(b"\5\6", "item_b"),
    )
    announced = {
        "type": "nextvoice.audio",
        "item_id": "item_a",
        "response_id": "resp_1",
        "output_index": 0,
        "content_index": 0,
    }
    audio = [f for f in rig.browser.frames if isinstance(f, bytes) or f["type"][:9] == "nextvoice"]
    assert audio == [
        announced,
        b"\1\2",
        b"\3\4",
        announced | {"item_id": "item_b"},
        b"\5\6",
    ]
    rig.call.taps.catch_up()
    heard = [(item_id, pcm) for item_id, _, pcm in rig.tap.assistant_audio]
    assert heard == [("item_a", b"\1\2"), ("item_a", b"\3\4"), ("item_b", b"\5\6")]
    assert [e for e in rig.tap.events if e["type"] == "response.output_audio.delta"] == []


def test_half_a_sample_waits_for_its_other_half():
    rig = Rig()
    rig.provider(audio_delta(b"\1"), audio_delta(b"\2\3\4"), audio_delta(b"\5"))
    assert [f for f in rig.browser.frames if isinstance(f, bytes)] == [b"\1\2\3\4"]


def test_an_answer_is_cut_no_later_than_its_audio():
    rig = Rig()
    rig.provider(audio_delta(bytes(4800)))  # 100 ms
    rig.page(truncate(250), truncate(60), truncate(80))
    assert [f["audio_end_ms"] for f in rig.upstream.frames] == [100, 60, 60]
    assert [e["audio_end_ms"] for e in rig.tap.client_events] == [100, 60, 60]


def test_an_answer_without_audio_is_not_cut():
    rig = Rig()
    rig.provider(item_added("item_a", None, "assistant"))
    rig.page(truncate(10))
    assert rig.upstream.frames == []
    assert rig.browser.types() == ["conversation.item.added"]


@pytest.mark.parametrize("event", [truncate(1, "no"), played(1, "no")])
def test_an_item_nobody_knows_is_answered(event):
    rig = Rig()
    rig.page(event)
    assert codes(rig.browser.frames) == ["item_not_found"]
    assert rig.upstream.frames == []


def test_what_was_heard_only_grows_and_never_beyond_what_came():
    rig = Rig()
    rig.provider(audio_delta(bytes(4800)))
    rig.page(played(40), played(20), played(900))
    assert rig.tap.played == [("item_a", 0, 40), ("item_a", 0, 40), ("item_a", 0, 100)]


def test_a_deleted_item_is_forgotten():
    rig = Rig()
    rig.provider(item_added("u1", None))
    rig.page({"type": "conversation.item.delete", "item_id": "u1"})
    rig.provider({"type": "conversation.item.deleted", "item_id": "u1"})
    rig.page({"type": "conversation.item.delete", "item_id": "u1"})
    assert rig.upstream.types() == ["conversation.item.delete"]
    assert codes(rig.browser.frames) == ["item_not_found"]


def test_an_answer_is_asked_for_in_the_sessions_modality():
    rig = Rig()
    rig.page({"type": "response.create"})
    rig.provider(response_created(), response_done())
    rig.page({"type": "response.create", "response": {"output_modalities": ["text"]}})
    modalities = [f["response"]["output_modalities"] for f in rig.upstream.frames]
    assert modalities == [["audio"], ["text"]]


def test_an_answer_asked_for_during_another_waits_for_its_end():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.page({"type": "response.create"}, {"type": "response.cancel"})
    assert [f.get("response_id") for f in rig.upstream.take()] == ["r1"]
    rig.provider(response_done("r1", "cancelled"))
    assert rig.upstream.types() == ["response.create"]


def test_an_answer_refused_because_one_was_begun_is_asked_for_again():
    rig = Rig()
    rig.page({"type": "response.create", "event_id": "mine"})
    rig.upstream.take()
    rig.provider(
        response_created("r1"),
        provider_error("conversation_already_has_active_response", "mine"),
        response_done("r1"),
    )
    assert rig.upstream.types() == ["response.create"]
    assert codes(rig.browser.frames) == []


@pytest.mark.parametrize("about", ["mine", None])
@pytest.mark.parametrize("code", ["conversation_already_has_active_response", None])
def test_a_refusal_in_words_or_of_nothing_in_particular_is_asked_for_again_too(code, about):
    rig = Rig()
    rig.page({"type": "response.create", "event_id": "mine"})
    rig.upstream.take()
    refusal = provider_error(code, about, "Conversation already has an active response.")
    rig.provider(refusal, response_created("r1"), response_done("r1"))
    assert rig.upstream.take()[0]["event_id"] == "mine"
    rig.provider(response_created("r2"), provider_error(code, None, refusal["error"]["message"]))
    rig.provider(response_done("r2"))
    assert rig.upstream.frames == []


def test_a_refusal_that_comes_after_the_end_of_the_other_answer_is_asked_again_once():
    rig = Rig()
    rig.page({"type": "response.create", "event_id": "mine"})
    rig.upstream.take()
    refusal = provider_error("conversation_already_has_active_response", "mine")
    rig.provider(response_created("r1"), response_done("r1"), refusal)
    assert [f["event_id"] for f in rig.upstream.take()] == ["mine"]
    # Refused again while nothing is known to have ended, it waits.
    rig.provider(refusal)
    assert rig.upstream.frames == []
    rig.provider(response_done("r2"))
    assert rig.upstream.types() == ["response.create"]


@pytest.mark.parametrize(
    ("status", "of_item"), [("completed", "completed"), ("cancelled", "incomplete")]
)
def test_an_end_that_names_no_items_is_that_of_the_messages_that_came(status, of_item):
    rig = Rig()
    called = item_added("item_f", None)
    called["item"] = {"id": "item_f", "type": "function_call", "name": "f", "call_id": "c"}
    called |= {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 1}
    rig.provider(response_created(), audio_delta(PCM), called, response_done(status=status))
    (item,) = rig.browser.frames[-1]["response"]["output"]
    assert (item["id"], item["status"]) == ("item_a", of_item)


@pytest.mark.parametrize("told", [{"response": None}, {"response": {"status": "completed"}}, {}])
def test_an_end_that_does_not_say_of_what_is_that_of_the_answer_under_way(told):
    rig = Rig()
    rig.provider(response_created("r1"), audio_delta(PCM, response_id="r1"))
    rig.page({"type": "response.create"})
    rig.provider({"type": "response.done", **told})
    assert (rig.browser.frames[-1]["response"]["id"], rig.call.answering.active) == ("r1", None)
    assert rig.upstream.types() == ["response.create"]


def test_an_answer_whose_end_was_lost_is_over_when_the_next_begins():
    rig = Rig()
    rig.provider(response_created("r1"), audio_delta(PCM), response_created("r2"))
    assert rig.browser.types()[-2:] == ["response.done", "response.created"]
    over = rig.tap.events[-2]["response"]
    assert (over["id"], over["status"]) == ("r1", "incomplete")
    assert [item["id"] for item in over["output"]] == ["item_a"]


def test_what_waits_for_an_answer_that_is_silent_is_asked_for_after_a_while():
    rig, waits = Rig(), []
    rig.call.answering.on_held = lambda: waits.append(rig.clock.now)
    rig.provider(response_created("r1"), audio_delta(PCM))
    rig.clock.now += 4
    rig.page({"type": "response.create"})
    rig.clock.now += 4
    rig.provider(audio_delta(PCM))
    rig.clock.now += 1
    rig.call.hurry()
    assert (rig.upstream.frames, len(waits)) == ([], 2)
    rig.clock.now += 5
    rig.call.hurry()
    [asked] = rig.upstream.take()
    # Should the provider be making it all the same, it says so.
    rig.provider(provider_error("conversation_already_has_active_response", asked["event_id"]))
    assert (len(waits), codes(rig.browser.frames)) == (3, [])
    rig.provider(response_done("r1"))
    assert [f["event_id"] for f in rig.upstream.take()] == [asked["event_id"]]
    rig.call.hurry()
    assert rig.upstream.frames == []


def test_a_late_end_of_an_earlier_answer_starts_nothing():
    rig = Rig()
    rig.provider(response_created("r1"), response_created("r2"))
    rig.page({"type": "response.create"})
    rig.provider(response_done("r1"))
    assert rig.upstream.frames == []
    assert rig.call.answering.active == "r2"


@pytest.mark.parametrize(
    ("code", "notice"),
    [
        ("rate_limit_exceeded", "rate_limited"),
        ("insufficient_quota", "provider_quota"),
        ("server_error", "answer_failed"),
        (None, "answer_failed"),
    ],
)
def test_a_failed_answer_is_noticed_and_the_call_goes_on(code, notice):
    rig = Rig()
    details = {"type": "failed", "error": {"code": code}} if code else None
    rig.provider(response_done(status="failed", status_details=details))
    assert rig.browser.types() == ["response.done", "nextvoice.notice"]
    assert rig.browser.frames[1]["code"] == notice
    assert rig.call.ended is None


@pytest.mark.parametrize(("reason", "told"), [("content_filter", 1), ("max_output_tokens", 0)])
def test_an_answer_that_the_provider_holds_back_is_noticed(reason, told):
    rig = Rig()
    details = {"type": "incomplete", "reason": reason}
    rig.provider(response_created(), response_done(status="incomplete", status_details=details))
    notices = [f["code"] for f in rig.browser.frames if f["type"] == "nextvoice.notice"]
    assert notices == ["answer_filtered"] * told


def test_barging_in_keeps_the_order_of_events_and_audio():
    rig = Rig()
    speech = {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 5}
    rig.provider(
        response_created(),
        audio_delta(bytes(4800)),
        speech,
        audio_delta(bytes(2)),
        response_done(status="cancelled"),
    )
    assert rig.browser.types() == [
        "response.created",
        "nextvoice.audio",
        "audio",
        "input_audio_buffer.speech_started",
        "audio",
        "response.done",
    ]


def test_cancelling_twice_asks_for_one_end_and_changes_nothing_else():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.page({"type": "response.cancel"}, {"type": "response.cancel"})
    assert [event["response_id"] for event in rig.upstream.frames] == ["r1", "r1"]
    rig.provider(response_done("r1", "cancelled"))
    refused = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
    rig.provider({"type": "error", "error": {**refused, "message": "No active response."}})
    assert rig.browser.types().count("response.done") == 1
    assert rig.call.ended is None


def test_an_answer_that_the_provider_does_not_know_to_stop_is_over():
    rig = Rig()
    rig.provider(response_created("r1"), audio_delta(PCM))
    rig.page({"type": "response.cancel", "event_id": "stop"}, {"type": "response.create"})
    rig.upstream.take()
    rig.browser.take()
    rig.provider(provider_error("response_cancel_not_active", "stop"))
    (done,) = rig.browser.frames
    assert (done["response"]["id"], done["response"]["status"]) == ("r1", "cancelled")
    assert [(i["id"], i["status"]) for i in done["response"]["output"]] == [
        ("item_a", "incomplete")
    ]
    assert rig.tap.events[-1] == done
    assert rig.upstream.types() == ["response.create"]


def test_a_stop_that_came_too_late_ends_no_other_answer():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.page({"type": "response.cancel", "event_id": "stop"})
    late = provider_error("response_cancel_not_active", "stop")
    rig.provider(response_done("r1"), response_created("r2"), late)
    assert rig.call.answering.active == "r2"


def test_of_an_answer_that_is_being_stopped_a_second_stop_says_nothing():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.page(*({"type": "response.cancel", "event_id": each} for each in ("first", "second")))
    rig.provider(provider_error("response_cancel_not_active", "second"))
    assert rig.call.answering.active == "r1"


def test_cancelling_an_answer_needs_one():
    rig = Rig()
    assert rig.call.cancel_answer() is False
    rig.provider(response_created("r1"))
    assert rig.call.cancel_answer() is True
    assert rig.upstream.frames[0]["response_id"] == "r1"


# Another upstream session


def test_without_a_provider_the_page_waits_and_the_open_answer_is_closed():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.browser.take()
    rig.call.detach()
    assert rig.browser.frames[0]["response"]["status"] == "incomplete"
    assert rig.browser.frames[0]["response"]["usage"] is None
    rig.call.from_browser(PCM)
    assert rig.upstream.frames == []


def test_a_call_goes_on_with_another_session_on_one_timeline():
    rig = Rig(limits=Limits(onset_seconds=0))
    for _ in range(25):
        rig.clock.now += 0.04
        rig.call.from_browser(PCM)  # one second in all
    rig.call.detach()
    rig.call.from_browser(PCM)
    rig.browser.take()
    rig.upstream.take()
    rig.attach("sess_2")
    assert rig.browser.types() == ["session.created"]
    assert rig.upstream.types() == ["session.update", "input_audio_buffer.append"]
    rig.provider({"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 5})
    assert rig.browser.frames[-1]["audio_start_ms"] == 1005
    assert rig.tap.user_audio[-1] == (PCM, 24_000)


def speech(kind, **ms):
    return {"type": f"input_audio_buffer.speech_{kind}", "item_id": "u", **ms}


def test_who_says_nothing_when_asked_is_not_there():
    rig = Rig()
    silence = {"item_id": "u1", "previous_item_id": None, "audio_start_ms": 0, "audio_end_ms": 5000}
    began = rig.call.active_at

    def ask(place):
        for kind in ("timeout_triggered", "committed"):
            rig.clock.now += 5
            rig.provider({"type": f"input_audio_buffer.{kind}", **silence, "item_id": f"u{place}"})
        rig.provider(response_created(f"r{place}"), audio_delta(PCM, item_id=f"a{place}"))
        rig.provider(response_done(f"r{place}"))
        played = {"type": "nextvoice.played", "item_id": f"a{place}", "content_index": 0}
        rig.page({**played, "audio_end_ms": 20}, {"type": "nextvoice.received", "received": 1})

    ask(1)
    ask(2)
    assert rig.call.active_at == began
    rig.provider(speech("started", audio_start_ms=0))
    assert rig.call.active_at == rig.clock.now
    rig.provider(speech("stopped", audio_end_ms=9), response_created("r3"))
    ask(4)
    rig.page({"type": "response.create"})
    rig.clock.now += 1
    rig.provider(response_created("r5"))
    assert rig.call.active_at == rig.clock.now


def heard_again(rig):
    """How many ms of microphone audio a new session is given again."""
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_2")
    appends = [f for f in rig.upstream.frames if f["type"] == "input_audio_buffer.append"]
    return sum(len(base64.b64decode(f["audio"])) for f in appends) // 48


WRITTEN = {
    "type": "conversation.item.input_audio_transcription.completed",
    "item_id": "u",
    "transcript": "What time is it?",
}


def speak(rig, seconds):
    for _ in range(round(seconds * 25)):
        rig.clock.now += 0.04
        rig.call.from_browser(PCM)


def test_a_turn_under_way_is_heard_again_by_the_next_session_and_taped_once():
    rig = Rig()
    speak(rig, 2)
    rig.provider(speech("started", audio_start_ms=1900))
    speak(rig, 4)
    assert heard_again(rig) == 4480  # with what came before the start was told
    assert b"".join(pcm for pcm, _ in rig.tap.user_audio) == PCM * 150
    rig.provider(speech("started", audio_start_ms=380))
    assert rig.browser.frames[-1]["audio_start_ms"] == 1900


def test_a_turn_that_is_said_to_begin_again_began_where_it_was_first_said_to():
    rig = Rig()
    recorded(rig)
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 4)
    rig.provider(speech("started", audio_start_ms=3000))
    speak(rig, 2)
    assert rig.browser.types().count("input_audio_buffer.speech_started") == 1
    assert heard_again(rig) == 6000
    rig.provider(speech("started", audio_start_ms=0))
    assert rig.browser.types().count("input_audio_buffer.speech_started") == 2


def test_a_turn_of_half_a_minute_that_nobody_keeps_is_heard_again_whole():
    rig = Rig()
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 30)
    assert heard_again(rig) == 30_000


def test_of_a_very_long_turn_only_the_newest_is_heard_again():
    rig = Rig(limits=Limits(repeated_seconds=1))
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 3)
    assert heard_again(rig) == 1000


def recorded(rig):
    """Give the call a `recall` that has all audio sent; returns what it was asked for."""
    asked = []

    def recall(start, count):
        asked.append((start, count))
        return b"".join(pcm for pcm, _ in rig.tap.user_audio)[start : start + count]

    rig.call.tail.recall = recall
    return asked


def test_what_somebody_else_keeps_of_a_long_turn_is_fetched_when_it_is_needed():
    rig = Rig()
    asked = recorded(rig)
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 6)
    assert (list(rig.call.tail), asked) == ([], [])
    assert heard_again(rig) == 6000
    assert asked == [(0, 288_000)]
    rig.provider(speech("stopped", audio_end_ms=6000))
    assert rig.browser.frames[-1]["audio_end_ms"] == 6000
    speak(rig, 1)
    assert heard_again(rig) == 500


def test_a_turn_of_which_some_is_kept_by_nobody_any_more_is_not_heard_again():
    rig = Rig()
    rig.call.tail.recall = lambda start, count: PCM
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 6)
    assert heard_again(rig) == 0
    rig.provider(speech("stopped", audio_end_ms=0))
    assert rig.browser.frames[-1]["audio_end_ms"] == 6000


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_session_was_given_and_broke_with_is_given_to_the_next(kept):
    rig = Rig()
    if kept:
        recorded(rig)
    rig.call.detach()
    speak(rig, 6)
    rig.attach("sess_2")
    assert heard_again(rig) == 6000
    speak(rig, 1)
    rig.provider(speech("started", audio_start_ms=500))
    speak(rig, 1)
    whole = 7500 if kept else 8000  # who keeps it knows where the turn begins
    assert [heard_again(rig), heard_again(rig)] == [whole, whole]
    # As nobody was heard in it, nobody spoke.
    speak(rig, 4)
    assert heard_again(rig) <= 500


BY_HAND = {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}}
COMMIT = {"type": "input_audio_buffer.commit", "event_id": "mine"}


def test_a_turn_the_page_threw_away_is_not_heard_again():
    rig = Rig()
    rig.page(BY_HAND)
    speak(rig, 3)
    assert rig.call.is_quiet() is False
    rig.page({"type": "input_audio_buffer.clear"})
    assert rig.call.is_quiet() is True
    assert heard_again(rig) == 0


@pytest.mark.parametrize("asked", [True, False])
def test_a_turn_the_page_ended_when_the_provider_was_gone_already_is_ended_again(asked):
    rig = Rig()
    rig.page(BY_HAND)
    speak(rig, 3)
    rig.page(COMMIT, *([{"type": "response.create"}] if asked else []))
    assert heard_again(rig) == 3000
    wanted = ["input_audio_buffer.commit"] + ["response.create"] * asked
    assert rig.upstream.types()[-len(wanted) - 1 :] == ["input_audio_buffer.append", *wanted]
    assert "nextvoice.notice" not in rig.browser.types()


COMMITTED = {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(COMMITTED, id="committed"),
        pytest.param(response_created(), id="answered"),
        pytest.param(provider_error("input_audio_buffer_commit_empty"), id="nothing to commit"),
        pytest.param(provider_error("invalid_value", "mine"), id="refused"),
    ],
)
def test_a_turn_the_page_ended_is_not_heard_again_once_the_provider_knows(told):
    rig = Rig()
    rig.page(BY_HAND)
    speak(rig, 3)
    rig.page(COMMIT)
    rig.provider(told)
    assert heard_again(rig) == 0
    assert "input_audio_buffer.commit" not in rig.upstream.types()


@pytest.mark.parametrize("waited", [True, False])
def test_a_turn_the_page_ended_is_not_heard_again_when_the_next_has_begun(waited):
    rig = Rig()
    rig.page(BY_HAND)
    if waited:
        rig.call.detach()
    speak(rig, 3)
    rig.page(COMMIT)
    speak(rig, 1)
    if waited:
        rig.attach("sess_2")
    rig.provider(COMMITTED)
    assert heard_again(rig) == 1000
    assert "input_audio_buffer.commit" not in rig.upstream.types()


def test_a_turn_the_provider_ended_is_not_heard_again():
    rig = Rig()
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 3)
    committed = {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None}
    rig.provider(speech("stopped", audio_end_ms=2900), committed, WRITTEN)
    assert heard_again(rig) == 0


@pytest.mark.parametrize("kept", [True, False])
def test_a_turn_of_which_nothing_came_is_heard_again(kept):
    rig = Rig()
    if kept:
        sound = PCM * 200
        rig.call.tail.recall = lambda start, count: sound[start : start + count]
    speak(rig, 2)
    rig.provider(speech("started", audio_start_ms=1520))
    speak(rig, 3)
    committed = {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None}
    rig.provider(speech("stopped", audio_end_ms=4700), committed)
    speak(rig, 1)
    # It is told again from its beginning, and with all that was sent since.
    assert heard_again(rig) == 4480
    assert "nextvoice.notice" not in rig.browser.types()
    assert rig.tap.user_audio[-1][1] == 24 * 1520
    # Until it is over again it is whole, and not asked for: the provider does so by itself.
    assert "response.create" not in rig.upstream.types()
    assert heard_again(rig) == 4480
    rig.provider(speech("started", audio_start_ms=0), speech("stopped", audio_end_ms=3200))
    rig.provider(committed, WRITTEN)
    assert heard_again(rig) == 1280


def test_a_turn_is_not_heard_again_when_the_next_has_begun():
    rig = Rig()
    rig.provider(speech("started", audio_start_ms=0))
    speak(rig, 2)
    committed = {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None}
    rig.provider(speech("stopped", audio_end_ms=1900), committed)
    rig.provider({**speech("started", audio_start_ms=2000), "item_id": "v"})
    speak(rig, 1)
    assert heard_again(rig) == 1000
    assert [f["code"] for f in rig.browser.frames if "code" in f] == ["turn_lost"]


def test_it_is_quiet_when_nobody_speaks_is_heard_or_is_waited_for():
    rig = Rig()
    quiet = [rig.call.is_quiet()]

    def then(*events):
        rig.provider(*events)
        quiet.append(rig.call.is_quiet())

    committed = {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None}
    then(speech("started", audio_start_ms=0))
    then(speech("stopped", audio_end_ms=0), committed)
    then(response_created(), audio_delta(bytes(48_000)))
    then(response_done())
    rig.clock.now += 1.1
    then()
    assert quiet == [True, False, False, False, False, True]


def test_an_answer_that_was_cut_plays_no_longer():
    rig = Rig()
    rig.provider(response_created(), audio_delta(bytes(480_000)), response_done())
    assert rig.call.is_quiet() is False
    rig.page(truncate(100))
    assert rig.call.is_quiet() is True


@pytest.mark.parametrize("late", [True, False], ids=["late", "twice"])
def test_the_end_of_an_answer_is_not_taken_for_that_of_the_next(late):
    rig = Rig()
    rig.provider(response_created("r1"), audio_delta(bytes(4800)))
    if not late:
        rig.provider(response_done("r1"))
    rig.provider(speech("started", audio_start_ms=0), speech("stopped", audio_end_ms=0))
    rig.provider(COMMITTED, WRITTEN, response_done("r1"))
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_2")
    assert rig.upstream.types()[-1] == "response.create"
    rig.provider(response_created("r2"), response_done("r2"))
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_3")
    assert "response.create" not in rig.upstream.types()


def test_a_held_answer_survives_the_change_of_session():
    rig = Rig()
    rig.provider(response_created("r1"))
    rig.page({"type": "response.create"})
    rig.call.detach()
    rig.attach("sess_2")
    assert rig.upstream.types()[-1] == "response.create"


# Taps and the account


class Failing(Tap):
    """A tap that always fails."""

    def on_user_audio(self, pcm, start_sample):
        raise RuntimeError("tap")

    def on_assistant_audio(self, item_id, content_index, pcm):
        raise RuntimeError("tap")

    def on_event(self, event):
        raise RuntimeError("tap")

    def on_client_event(self, event):
        raise RuntimeError("tap")

    def on_played(self, item_id, content_index, audio_end_ms):
        raise RuntimeError("tap")

    def on_end(self, record):
        raise RuntimeError("tap")


def exercise(rig):
    rig.call.from_browser(PCM)
    rig.page(typed(id="t"))
    rig.provider(audio_delta(bytes(960)), response_created())
    rig.page(played(5))


def test_a_failing_tap_reaches_neither_the_call_nor_other_taps(caplog):
    plain, failing = Rig(), Rig(attached=False)
    failing = Rig(taps=[Failing(), failing.tap])
    exercise(plain)
    exercise(failing)
    assert [f for f in failing.browser.frames if isinstance(f, bytes)] == [bytes(960)]
    assert failing.browser.types() == plain.browser.types()
    record = failing.call.finish()
    assert record.tap_errors == 6
    # 1, 2, 4: a tap that fails on every frame must not flood the log.
    assert len([r for r in caplog.records if "Failing" in r.message]) == 3


def test_the_account_says_how_it_was():
    rig = Rig()
    rig.clock.now += 3
    rig.call.from_browser(PCM)
    rig.provider(audio_delta(bytes(960)), {"type": "unheard.of"})
    rig.call.end("provider_quota", "Pay\n sk-abcdefghijkl now", "closed with 1008")
    record = rig.call.finish()
    assert rig.tap.ends == [record]
    assert (record.reason, record.close_code) == ("provider_quota", 4502)
    assert (record.duration_ms, record.user_ms, record.assistant_ms) == (3000, 40, 20)
    assert (record.skipped_events, record.detail) == (1, "closed with 1008")
    assert rig.call.ended_event(record) == {
        "type": "nextvoice.ended",
        "reason": "provider_quota",
        "message": "The voice provider's quota or credit is used up. (Pay [key] now)",
        "remedy": "Ask your administrator to check the provider's account.",
        "duration_ms": 3000,
    }


def test_a_call_that_was_never_ready_lasted_no_time():
    rig = Rig(attached=False)
    rig.clock.now += 9
    rig.call.end("provider_timeout")
    assert rig.call.finish().duration_ms == 0


def test_after_the_account_taps_hear_nothing_more():
    rig = Rig()
    rig.call.end("idle")
    rig.call.finish()
    rig.provider(item_added("late", None))
    assert [e["type"] for e in rig.tap.events] == ["session.created"]


def test_what_people_read_is_translated():
    rig = Rig(attached=False, translate=str.upper)
    rig.call.notice("turn_lost")
    assert rig.browser.frames[0]["remedy"] == "PLEASE SAY IT AGAIN."
    rig.call.end("idle")
    assert rig.call.ended_event(rig.call.finish())["remedy"] == "START THE CALL AGAIN TO GO ON."


# Robustness: a whole recorded call, disturbed

CALL = [e["event"] for e in load_wire("ga_call.json") if e["dir"] == "s2c"]


def final_state(events):
    rig = Rig(attached=False)
    rig.attach("other")
    rig.provider(*events)
    audio: dict[str, bytes] = {}
    for item_id, _, pcm in rig.tap.assistant_audio:
        audio[item_id] = audio.get(item_id, b"") + pcm
    texts = {
        e["item_id"]: e["transcript"]
        for e in rig.tap.events
        if e["type"].endswith(("transcription.completed", "audio_transcript.done"))
    }
    return rig.call.items.order(), audio, texts, rig.call.ended


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.integers(0, len(CALL) - 1), max_size=20))
def test_repeated_events_change_nothing(repeats):
    events = []
    for n, event in enumerate(CALL):
        events += [event] * (1 + repeats.count(n))
    assert final_state(events) == final_state(CALL)


@settings(max_examples=examples(20), deadline=None)
@given(st.randoms(use_true_random=False))
def test_items_and_words_do_not_depend_on_the_order_of_arrival(random):
    events = list(CALL)
    random.shuffle(events)
    order, _, texts, ended = final_state(events)
    wanted = final_state(CALL)
    assert (order, texts, ended) == (wanted[0], wanted[2], None)


@settings(max_examples=examples(25), deadline=None)
@given(st.sets(st.integers(0, len(CALL) - 1)), st.integers(0, 2**32))
def test_lost_events_and_garbage_end_nothing(lost, seed):
    rig = Rig()
    for n, event in enumerate(CALL):
        if n not in lost:
            rig.provider(event)
        rig.call.from_upstream(orjson.dumps(event)[: seed % (n + 2)])
        rig.call.from_upstream(os.urandom(8))
    assert rig.call.ended is None


STEP = st.one_of(
    st.sampled_from(
        [
            {"type": "response.create"},
            {"type": "response.cancel"},
            {"type": "input_audio_buffer.commit"},
            typed(),
            truncate(50),
            played(70),
            {"type": "session.update", "session": {"output_modalities": ["text"]}},
        ]
    ).map(lambda event: ("page", event)),
    st.sampled_from(
        [
            response_created("r1"),
            response_created("r2"),
            response_done("r1"),
            response_done("r2", "cancelled"),
            audio_delta(bytes(4800)),
            item_added("item_a", None, "assistant"),
            provider_error("conversation_already_has_active_response", "mine"),
            provider_error("response_cancel_not_active"),
            session_created("again"),
        ]
    ).map(lambda event: ("provider", event)),
    st.sampled_from([("detach", None), ("attach", None), ("audio", None)]),
)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(STEP, max_size=30))
def test_whatever_happens_a_call_keeps_its_promises(steps):
    rig = Rig()
    for kind, event in steps:
        rig.clock.now += 0.1
        if kind == "page":
            rig.page(event)
        elif kind == "provider":
            rig.provider(event)
        elif kind == "audio":
            rig.call.from_browser(PCM)
        elif kind == "detach":
            rig.call.detach()
        elif rig.call.upstream is None:
            rig.attach("again")
    # One answer at a time, and no cut beyond the audio received.
    received = sum(len(pcm) for _, _, pcm in rig.tap.assistant_audio) // 48
    assert [e for e in rig.tap.client_events if e.get("audio_end_ms", 0) > received] == []
    assert [ms for _, _, ms in rig.tap.played if ms > received] == []
    # One line of time, told in pieces of any size.
    told = [start + len(pcm) // 2 for pcm, start in rig.tap.user_audio]
    assert [start for _, start in rig.tap.user_audio] == [0, *told][: len(told)]
    assert rig.call.ended is None
