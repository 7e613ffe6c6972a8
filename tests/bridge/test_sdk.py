"""The leg for programs, driven without a loop."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.bridge import ENDS
from realtime.bridge.dialects.gemini import GeminiLive
from realtime.bridge.dialects.openai_ga import OpenAIGA
from realtime.bridge.sdk import SdkCall, Terms, closing
from realtime.bridge.sdk.ends import ENDS as TOLD
from tests.bridge.doubles import SESSION, RecordingLeg, RecordingTap
from tests.scripted import audio_delta, item_added, response_created, response_done, session_created

TERMS = Terms("demo", ("gpt-transcribe", "whisper-1"), "Be brief.")


def call_of(terms: Terms = TERMS) -> tuple[SdkCall, RecordingLeg, RecordingTap]:
    leg, tap = RecordingLeg(), RecordingTap()
    call = SdkCall(leg, SESSION, terms=terms, taps=[tap])
    call.opened()
    return call, leg, tap


def attached(dialect: Any = None) -> tuple[SdkCall, RecordingLeg, RecordingTap, RecordingLeg]:
    call, leg, tap = call_of()
    upstream, dialect = RecordingLeg(), dialect or OpenAIGA()
    call.attach(upstream, dialect, [session_created()])
    upstream.take()
    leg.take()
    return call, leg, tap, upstream


def say(call: SdkCall, **event: Any) -> None:
    call.from_browser_text(json.dumps(event))


def hear(call: SdkCall, *events: dict[str, Any]) -> None:
    for event in events:
        call.from_upstream(json.dumps(event))


def test_a_program_never_sees_a_word_of_ours() -> None:
    call, leg, _tap = call_of()
    call.attach(RecordingLeg(), OpenAIGA(), [session_created()])
    call.reconnect()
    call.notice("rate_limited")
    call.tell({"type": "nextvoice.cost", "cost": "1"})
    assert leg.types() == ["session.created"]


def test_a_lost_turn_is_an_error_to_a_program() -> None:
    call, leg, _tap = call_of()
    call.notice("turn_lost")
    assert leg.frames[-1]["error"]["code"] == "turn_lost"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"model": "whisper-1", "prompt": "Rome"}, {"model": "whisper-1", "prompt": "Rome"}),
        ({"model": "other", "language": "de"}, {"model": "gpt-transcribe", "language": "de"}),
        (None, None),
    ],
)
def test_speech_is_written_down_by_models_the_site_has(asked: Any, told: Any) -> None:
    call, _leg, _tap, upstream = attached()
    session = {"type": "realtime", "audio": {"input": {"transcription": asked}}}
    say(call, type="session.update", session=session)
    assert upstream.frames[0]["session"]["audio"]["input"] == {"transcription": told}


def test_where_the_site_writes_nothing_down_a_program_cannot_make_it() -> None:
    call, _leg, _tap = call_of(Terms("demo"))
    upstream = RecordingLeg()
    call.attach(upstream, OpenAIGA(), [session_created()])
    upstream.take()
    wanted = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    say(call, type="session.update", session=wanted)
    assert upstream.frames[0]["session"]["audio"]["input"] == {"transcription": None}


def test_a_change_is_answered_where_the_dialect_answers_itself() -> None:
    call, leg, _tap, _upstream = attached(GeminiLive())
    say(call, type="session.update", session={"type": "realtime", "instructions": "Sing."})
    assert leg.types() == ["session.updated"]
    assert leg.frames[0]["session"]["instructions"] == "Sing."


def test_an_answer_counts_as_heard_when_the_next_begins_unless_it_was_cut() -> None:
    call, _leg, tap, _upstream = attached()
    hear(call, response_created("resp_1"), audio_delta(bytes(48_000)), response_done("resp_1"))
    assert tap.played == []
    hear(call, response_created("resp_2"), audio_delta(bytes(48_000), "item_b", "resp_2"))
    assert tap.played == [("item_a", 0, 1000)]
    say(
        call,
        type="conversation.item.truncate",
        item_id="item_b",
        content_index=0,
        audio_end_ms=300,
    )
    hear(call, response_done("resp_2"), response_created("resp_3"))
    assert tap.played == [("item_a", 0, 1000)]


def test_an_item_without_a_predecessor_follows_the_one_before_it() -> None:
    call, leg, _tap, _upstream = attached()
    hear(call, item_added("item_1", None), item_added("item_2", None))
    assert [frame["previous_item_id"] for frame in leg.frames] == [None, "item_1"]


def test_what_the_provider_cannot_retrieve_comes_from_what_was_seen() -> None:
    call, leg, _tap, upstream = attached(GeminiLive())
    added = item_added("item_1", None)
    added["item"]["content"] = [{"type": "input_audio"}]
    call._provider.take([added])
    say(call, type="conversation.item.retrieve", item_id="item_1")
    assert leg.frames[-1]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    say(call, type="conversation.item.retrieve", item_id="nothing", event_id="mine")
    told = leg.frames[-1]["error"]
    assert (told["code"], told["event_id"]) == ("item_retrieve_invalid_item_id", "mine")
    assert upstream.frames == []


def test_every_end_has_a_close_code_that_clients_understand() -> None:
    assert set(TOLD) - set(ENDS) <= {"quota_used_up", "too_many_calls", "call_too_long"}
    again = {1001, 1005, 1006, 1011, 1012, 1013, 1015}
    for end in ENDS.values():
        assert end.retryable or closing(end) not in again - {1001}, end.reason
