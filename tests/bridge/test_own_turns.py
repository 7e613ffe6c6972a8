"""Hands-free talking with a provider that has no turn detection: the call detects turns itself."""

from __future__ import annotations

import base64
from itertools import groupby

import pytest

from realtime.bridge.audio import bytes_to_ms, ms_to_bytes
from realtime.bridge.sdk import SdkCall, Terms
from realtime.hearing.vad import shared_pool
from tests.bridge.doubles import SESSION, Rig
from tests.local.recordings import microphone
from tests.scripted import (
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

HELLO = microphone("hello_what_time.wav")
SUM = microphone("sum.wav")
FRAME = ms_to_bytes(20)
QUIET = bytes(ms_to_bytes(1_000))
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"


@pytest.fixture
def rig():
    rig = Rig(attached=False)
    vad = shared_pool().take()
    rig.call.listen_with(vad)
    rig.attach()
    rig.browser.take()
    rig.upstream.take()
    yield rig
    shared_pool().give(vad)


def speak(rig, pcm):
    for at in range(0, len(pcm), FRAME):
        rig.clock.now += 0.02
        rig.call.from_browser(pcm[at : at + FRAME])


def detect(rig, **settings):
    """Change turn detection, as the page does; without settings, turn it off."""
    detection = {"type": "server_vad", **settings} if settings else None
    session = {"audio": {"input": {"turn_detection": detection}}}
    rig.page({"type": "session.update", "session": session})


def committed(item_id, previous=None):
    return {
        "type": "input_audio_buffer.committed",
        "item_id": item_id,
        "previous_item_id": previous,
    }


def told(rig, *kinds):
    return [f for f in rig.browser.take() if isinstance(f, dict) and f["type"] in kinds]


def kinds(frames):
    """Event types; several appends in a row count as one."""
    short = (f["type"].removeprefix("input_audio_buffer.") for f in frames)
    runs = ((kind, len(list(run))) for kind, run in groupby(short))
    return [kind for kind, size in runs for _ in range(1 if kind == "append" else size)]


def test_a_turn_is_told_committed_and_answered(rig):
    speak(rig, HELLO)
    assert kinds(rig.upstream.take()) == [
        "append",
        "commit",
        "response.create",
    ]
    started, stopped = told(rig, STARTED, STOPPED)
    assert started["item_id"] == stopped["item_id"]
    assert 1100 <= started["audio_start_ms"] <= 1500
    assert 3000 <= stopped["audio_end_ms"] <= 4500
    assert [event["type"] for event in rig.tap.events][-2:] == [STARTED, STOPPED]


def test_taps_hear_everything_and_the_provider_only_the_turn(rig):
    speak(rig, HELLO)
    rig.call.taps.catch_up()
    assert b"".join(pcm for pcm, _ in rig.tap.user_audio) == HELLO
    sent = sum(len(f["audio"]) * 3 // 4 for f in rig.upstream.take() if "audio" in f)
    started, stopped = told(rig, STARTED, STOPPED)
    lasted = stopped["audio_end_ms"] - started["audio_start_ms"]
    assert 0 <= bytes_to_ms(sent) - lasted <= 80


def test_while_nobody_speaks_nothing_is_sent(rig):
    speak(rig, QUIET * 5)
    assert rig.upstream.take() == []


def test_the_providers_name_for_a_turn_is_known_to_nobody_else(rig):
    speak(rig, HELLO)
    ours = told(rig, STARTED)[0]["item_id"]
    added = item_added("msg_001", None)
    rig.provider(committed("msg_001"), added)
    spoken = told(rig, "input_audio_buffer.committed", "conversation.item.added")
    assert [spoken[0]["item_id"], spoken[1]["item"]["id"]] == [ours, ours]
    rig.provider(item_added("msg_002", "msg_001", role="assistant"))
    assert told(rig, "conversation.item.added")[0]["previous_item_id"] == ours
    rig.upstream.take()
    rig.page({"type": "conversation.item.delete", "item_id": ours})
    assert rig.upstream.take()[0]["item_id"] == "msg_001"
    assert rig.tap.client_events[-1]["item_id"] == ours


def test_another_session_knows_a_turn_by_the_name_it_was_told(rig):
    speak(rig, HELLO)
    ours = told(rig, STARTED)[0]["item_id"]
    rig.provider(committed("msg_001"), item_added("msg_001", None))
    rig.call.detach()
    rig.attach("sess_2")
    rig.browser.take()
    rig.upstream.take()
    rig.page({"type": "conversation.item.delete", "item_id": ours})
    assert rig.upstream.take()[0]["item_id"] == ours
    rig.provider(item_added("msg_001", None, role="assistant"))
    assert told(rig, "conversation.item.added")[0]["item"]["id"] != ours


def test_a_commit_that_is_refused_without_its_name_takes_no_later_turn_for_its_own(rig):
    detect(rig)
    rig.page({"type": "input_audio_buffer.commit"})
    error = {"type": "invalid_request_error", "code": None, "message": "buffer too small"}
    rig.provider({"type": "error", "error": error})
    detect(rig, threshold=0.5)
    rig.browser.take()
    speak(rig, HELLO)
    ours = told(rig, STARTED)[0]["item_id"]
    rig.provider(committed("msg_001"))
    assert told(rig, "input_audio_buffer.committed")[0]["item_id"] == ours


def test_two_turns_with_a_pause_are_two_turns(rig):
    speak(rig, HELLO + SUM)
    assert [e["type"] for e in told(rig, STARTED, STOPPED)] == [STARTED, STOPPED] * 2
    commits = [k for k in kinds(rig.upstream.frames) if k == "commit"]
    assert len(commits) == 2
    # The first answer was never begun, so the second is asked for as well.
    asked = [k for k in kinds(rig.upstream.frames) if k == "response.create"]
    assert len(asked) == 2


def test_a_late_commit_does_not_take_the_next_turn_for_its_own(rig):
    speak(rig, HELLO + SUM[: ms_to_bytes(2_500)])
    first, second = told(rig, STARTED)
    assert rig.call.speaking == second["item_id"]
    rig.provider(committed("msg_001"))
    assert rig.call.speaking == second["item_id"]
    assert rig.call.tail.size > 0
    assert told(rig, "input_audio_buffer.committed")[0]["item_id"] == first["item_id"]


def test_without_create_response_no_answer_is_asked_for(rig):
    detect(rig, create_response=False)
    rig.upstream.take()
    speak(rig, HELLO)
    assert kinds(rig.upstream.take()) == ["append", "commit"]


def answering(rig):
    speak(rig, HELLO)
    rig.provider(
        committed("msg_001"),
        response_created(),
        item_added("msg_002", "msg_001", role="assistant"),
        audio_delta(bytes(FRAME), item_id="msg_002"),
    )
    rig.upstream.take()
    rig.browser.take()


def test_an_answer_that_is_talked_over_is_stopped(rig):
    answering(rig)
    speak(rig, SUM[: ms_to_bytes(2_500)])
    cancel = rig.upstream.take()[0]
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_1")
    # A provider that goes on all the same is heard no further.
    rig.browser.take()
    rig.provider(audio_delta(bytes(FRAME), item_id="msg_002"), response_done())
    (done,) = rig.browser.take()
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert [item["status"] for item in done["response"]["output"]] == ["incomplete"]


def test_of_an_answer_that_is_talked_over_no_more_audio_of_the_same_shape_is_heard(rig):
    def more(number):
        audio = audio_delta(bytes([number, 0]) * 480, item_id="msg_002") | {"content_index": 1}
        return {"event_id": f"event_{number}"} | audio

    answering(rig)
    rig.provider(more(1), more(2))
    assert rig.browser.types() == ["nextvoice.audio", "audio", "audio"]
    speak(rig, SUM[: ms_to_bytes(2_500)])
    rig.browser.take()
    rig.provider(more(3))
    assert rig.browser.take() == []


def test_an_answer_that_goes_on_though_it_was_talked_over_is_not_silent(rig):
    answering(rig)
    speak(rig, SUM)
    rig.upstream.take()
    rig.clock.now += 60
    rig.provider(audio_delta(bytes(FRAME), item_id="msg_002"))
    rig.call.hurry()
    assert rig.upstream.frames == []
    rig.clock.now += 60
    rig.call.hurry()
    assert kinds(rig.upstream.take()) == ["response.create"]


def test_what_a_talked_over_answer_cost_is_not_lost(rig):
    answering(rig)
    speak(rig, SUM[: ms_to_bytes(2_500)])
    usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
    rig.provider(response_done(usage=usage))
    assert rig.tap.events[-1]["response"]["usage"] == usage


def test_the_next_answer_is_asked_for_when_the_stopped_one_is_over(rig):
    answering(rig)
    speak(rig, SUM)
    assert "response.create" not in kinds(rig.upstream.take())
    rig.provider(response_done(status="cancelled"))
    assert kinds(rig.upstream.take()) == ["response.create"]
    rig.provider(response_created("resp_2"), audio_delta(bytes(FRAME), item_id="msg_4"))
    assert "audio" in rig.browser.types()


def test_a_stop_the_provider_does_not_know_is_no_error_for_the_page(rig):
    answering(rig)
    speak(rig, SUM[: ms_to_bytes(2_500)])
    cancel = rig.upstream.take()[0]
    rig.browser.take()
    error = {"type": "invalid_request_error", "code": "unknown_event", "message": "What?"}
    rig.provider({"type": "error", "error": error | {"event_id": cancel["event_id"]}})
    assert rig.browser.take() == []


@pytest.mark.parametrize("code", ["unknown_event", "response_cancel_not_active"])
def test_an_answer_that_the_page_stops_is_over_also_where_the_provider_cannot_stop(rig, code):
    answering(rig)
    rig.page({"type": "response.cancel"})
    rig.browser.take()
    error = {"type": "invalid_request_error", "code": code, "message": "What?"}
    about = {"event_id": rig.upstream.take()[-1]["event_id"]}
    rig.provider({"type": "error", "error": error | about})
    rig.provider(audio_delta(bytes(FRAME), item_id="msg_002"), response_done())
    done, *more = [frame["response"] for frame in rig.browser.take()]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "client_cancelled")
    assert len(more) == (code == "response_cancel_not_active")  # its own end, which comes late


def test_without_interrupt_response_an_answer_goes_on(rig):
    detect(rig, interrupt_response=False)
    answering(rig)
    speak(rig, SUM[: ms_to_bytes(2_500)])
    assert kinds(rig.upstream.take()) == ["append"]
    rig.browser.take()
    rig.provider(audio_delta(bytes(FRAME), item_id="msg_002"))
    assert "audio" in rig.browser.types()


def test_an_answer_that_begins_while_the_person_goes_on_is_stopped_at_once(rig):
    speak(rig, HELLO)
    rig.provider(committed("msg_001"))
    speak(rig, SUM[: ms_to_bytes(2_500)])
    rig.upstream.take()
    rig.provider(response_created())
    assert [f["type"] for f in rig.upstream.take()] == ["response.cancel"]
    rig.browser.take()
    rig.provider(audio_delta(bytes(FRAME), item_id="msg_002"))
    assert rig.browser.take() == []


def test_a_muted_microphone_ends_the_turn(rig):
    # A muted page goes on sending silence until the turn is over.
    speak(rig, HELLO[: ms_to_bytes(2_500)])
    assert [e["type"] for e in told(rig, STARTED, STOPPED)] == [STARTED]
    speak(rig, QUIET)
    assert [e["type"] for e in told(rig, STARTED, STOPPED)] == [STOPPED]
    assert kinds(rig.upstream.take())[-2:] == ["commit", "response.create"]


def test_a_commit_of_the_page_ends_the_turn_and_asks_for_nothing(rig):
    speak(rig, HELLO[: ms_to_bytes(2_500)])
    rig.page({"type": "input_audio_buffer.commit"})
    assert [e["type"] for e in told(rig, STARTED, STOPPED)] == [STARTED, STOPPED]
    assert kinds(rig.upstream.take()) == ["append", "commit"]
    speak(rig, QUIET)
    assert rig.upstream.take() == []


def test_what_the_page_clears_is_no_turn(rig):
    speak(rig, HELLO[: ms_to_bytes(2_500)])
    rig.page({"type": "input_audio_buffer.clear"})
    assert kinds(rig.upstream.take()) == ["append", "clear"]
    speak(rig, QUIET)
    assert rig.upstream.take() == []


def test_from_hands_free_to_hold_to_talk_the_turn_under_way_is_answered(rig):
    speak(rig, HELLO[: ms_to_bytes(2_500)])
    detect(rig)
    assert [e["type"] for e in told(rig, STARTED, STOPPED)] == [STARTED, STOPPED]
    assert kinds(rig.upstream.take()) == [
        "append",
        "commit",
        "response.create",
        "session.update",
    ]
    # From here on the page says what is a turn, and everything is sent.
    speak(rig, QUIET[:FRAME])
    rig.page({"type": "input_audio_buffer.commit"})
    assert kinds(rig.upstream.take()) == ["append", "commit"]
    rig.provider(committed("msg_001"), committed("msg_002", "msg_001"))
    ours, theirs = told(rig, "input_audio_buffer.committed")
    assert ours["item_id"] != "msg_001"
    assert theirs["item_id"] == "msg_002"


def test_from_hold_to_talk_to_hands_free_what_was_not_committed_is_forgotten(rig):
    detect(rig)
    speak(rig, QUIET[:FRAME])
    rig.upstream.take()
    detect(rig, threshold=0.5)
    assert kinds(rig.upstream.take()) == ["clear", "session.update"]
    speak(rig, HELLO)
    assert kinds(rig.upstream.take()) == [
        "append",
        "commit",
        "response.create",
    ]


def test_the_timeline_goes_on_over_a_change_of_mode(rig):
    detect(rig)
    speak(rig, QUIET * 3)
    detect(rig, threshold=0.5)
    rig.browser.take()
    speak(rig, HELLO)
    assert 4100 <= told(rig, STARTED)[0]["audio_start_ms"] <= 4500


def test_page_and_taps_see_turn_detection_that_the_provider_does_not_have(rig):
    detect(rig, threshold=0.4)
    rig.browser.take()
    updated = session_created() | {"type": "session.updated"}
    updated["session"]["audio"]["input"]["turn_detection"] = None
    rig.provider(updated)
    wanted = {"type": "server_vad", "threshold": 0.4}
    (shown,) = told(rig, "session.updated")
    assert shown["session"]["audio"]["input"]["turn_detection"] == wanted
    assert rig.tap.events[-1]["session"]["audio"]["input"]["turn_detection"] == wanted


def test_a_turn_under_way_begins_again_with_another_session(rig):
    speak(rig, HELLO[: ms_to_bytes(2_500)])
    (first,) = told(rig, STARTED)
    sent = [f["audio"] for f in rig.upstream.take() if "audio" in f]
    rig.call.detach()
    assert told(rig, STOPPED)[0]["item_id"] == first["item_id"]
    rig.attach("sess_2")
    (again,) = told(rig, STARTED)
    assert again["item_id"] != first["item_id"]
    assert again["audio_start_ms"] == first["audio_start_ms"]
    assert [f["audio"] for f in rig.upstream.take() if "audio" in f] == sent
    speak(rig, HELLO[ms_to_bytes(2_500) :])
    assert told(rig, STOPPED)[0]["item_id"] == again["item_id"]
    assert kinds(rig.upstream.take())[-2:] == ["commit", "response.create"]


# A program


@pytest.fixture
def program():
    rig = Rig(attached=False)
    rig.call = SdkCall(rig.browser, SESSION, terms=Terms("demo", ("m",)), clock=rig.clock)
    vad = shared_pool().take()
    rig.call.listen_with(vad)
    rig.attach()
    rig.browser.take()
    yield rig
    shared_pool().give(vad)


def append(rig, pcm):
    for at in range(0, len(pcm), FRAME):
        rig.clock.now += 0.02
        audio = base64.b64encode(pcm[at : at + FRAME]).decode()
        rig.page({"type": "input_audio_buffer.append", "audio": audio})


def test_a_program_knows_a_turn_by_one_name(program):
    append(program, HELLO)
    program.provider(committed("msg_001"))
    names = {event["item_id"] for event in program.browser.take()}
    assert len(names) == 1 and "msg_001" not in names


def test_a_program_hears_no_more_of_an_answer_that_was_talked_over(program):
    append(program, HELLO)
    answer = audio_delta(bytes(FRAME), item_id="msg_002")
    program.provider(committed("msg_001"), response_created(), answer)
    append(program, SUM[: ms_to_bytes(2_500)])
    program.browser.take()
    program.provider(answer, response_done())
    (done,) = program.browser.take()
    assert done["response"]["status"] == "cancelled"


def test_a_program_s_odd_turn_detection_ends_no_call(program):
    detection = {"type": "server_vad", "threshold": None, "silence_duration_ms": "long"}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    program.page({"type": "session.update", "session": session})
    append(program, HELLO)
    assert {STARTED, STOPPED} <= {event["type"] for event in program.browser.take()}
