"""The programs' side of a call, driven without an event loop."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from realtime.bridge import ENDS, g711, newest
from realtime.bridge.dialects import DIALECTS, Target, dialect_for
from realtime.bridge.dialects.gemini import GeminiLive
from realtime.bridge.dialects.minimax import MiniMax
from realtime.bridge.dialects.openai_ga import OpenAIGA
from realtime.bridge.sdk import SDK_LIMITS, SdkCall, Terms, closing
from realtime.bridge.sdk.ends import ENDS as TOLD
from realtime.bridge.sdk.session import Formats
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
    call.from_browser(json.dumps(event))


def hear(call: SdkCall, *events: dict[str, Any]) -> None:
    for event in events:
        call.from_upstream(json.dumps(event))


ODD: list[dict[str, Any]] = [
    {"tools": None},
    {"reasoning": "low"},
    {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": "high"}}}},
]


@pytest.mark.parametrize("odd", ODD, ids=["tools", "reasoning", "threshold"])
@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_odd_settings_are_the_provider_s_to_refuse(name: str, odd: dict[str, Any]) -> None:
    model = "gemini-3.8-live-extended-thinking"
    target = Target("P", DIALECTS[name].traits.url_hint, model, "k" * 20, dialect=name)
    dialect = dialect_for(target)
    dialect.url(target)
    list(dialect.greeting(SESSION))
    call, leg, _tap, _upstream = attached(dialect)
    say(call, type="session.update", session={"type": "realtime", **odd})
    assert "error" not in leg.types()
    dialect.url(target)
    list(dialect.greeting(call.settings.session))


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "response.create", "response": {"instructions": 0}}, "response.instructions"),
        ({"type": "response.create", "response": {"tools": True}}, "response.tools"),
        (
            {"type": "session.update", "session": {"tools": [{"type": "function"}]}},
            "session.tools[0].name",
        ),
    ],
)
def test_what_we_rely_on_is_checked(event: dict[str, Any], param: str) -> None:
    call, leg, _tap, upstream = attached()
    say(call, **event)
    assert (leg.frames[-1]["error"]["param"], upstream.frames) == (param, [])


@pytest.mark.parametrize("dialect", [OpenAIGA, MiniMax, GeminiLive])
def test_of_many_pictures_as_many_are_kept_as_there_is_room_for(
    dialect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "MOST_LETTERS", 8_000)
    dialect = dialect()
    list(dialect.greeting(SESSION))
    call, leg, _tap, upstream = attached(dialect)
    for number in range(12):
        picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000}
        item = {"id": f"u{number}", "type": "message", "role": "user", "content": [picture]}
        say(call, type="conversation.item.create", item=item)
        hear(call, {"type": "conversation.item.added", "previous_item_id": None, "item": item})
    leg.take()
    upstream.take()
    for number in (0, 11):
        say(call, type="conversation.item.retrieve", item_id=f"u{number}")
    asked = [event["item_id"] for event in upstream.take() if event.get("item_id")]
    kept = [e["item"]["id"] for e in leg.take() if e["type"] == "conversation.item.retrieved"]
    assert (kept, "u11" in asked) == (["u11"], False)


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


def test_what_was_seen_is_retrieved_without_a_long_turns_audio_from_the_provider() -> None:
    call, leg, _tap, upstream = attached()
    added = item_added("item_1", None)
    added["item"]["content"] = [{"type": "input_audio", "transcript": "Hello"}]
    hear(call, added)
    say(call, type="conversation.item.retrieve", item_id="item_1")
    assert leg.frames[-1]["item"]["content"] == added["item"]["content"]
    assert upstream.frames == []
    say(call, type="conversation.item.retrieve", item_id="nothing")
    assert [frame["item_id"] for frame in upstream.frames] == ["nothing"]


def test_a_program_may_ask_again_when_the_provider_knows_no_answer_to_stop() -> None:
    call, leg, _, upstream = attached()
    hear(call, response_created("r1"))
    leg.take()
    say(call, type="response.cancel", event_id="stop")
    error = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
    error |= {"message": "No active response.", "param": None, "event_id": "stop"}
    hear(call, {"type": "error", "error": error})
    assert leg.types() == ["error", "response.done"]
    upstream.take()
    say(call, type="response.create")
    assert upstream.types() == ["response.create"]


def test_a_program_may_ask_again_when_nothing_more_comes_of_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call, leg, _, upstream = attached()
    hear(call, response_created("r1"))
    say(call, type="response.create")
    code = "conversation_already_has_active_response"
    assert (leg.frames[-1]["error"]["code"], upstream.frames) == (code, [])
    now = call.clock()
    monkeypatch.setattr(call, "clock", lambda: now + SDK_LIMITS.silent_seconds)
    say(call, type="response.create")
    assert upstream.types() == ["response.create"]
    hear(call, response_created("r2"))
    assert leg.types()[-2:] == ["response.done", "response.created"]


def test_every_end_has_a_close_code_that_clients_understand() -> None:
    assert set(TOLD) - set(ENDS) <= {"quota_used_up", "too_many_calls", "call_too_long"}
    again = {1001, 1005, 1006, 1011, 1012, 1013, 1015}
    for end in ENDS.values():
        assert end.retryable or closing(end) not in again - {1001}, end.reason


# Telephone sound


def telephone(law: str = "audio/pcmu") -> dict[str, Any]:
    form = {"type": law}
    return {"type": "realtime", "audio": {"input": {"format": form}, "output": {"format": form}}}


def tone(seconds: float, rate: int) -> bytes:
    at = numpy.arange(int(seconds * rate)) / rate
    wave: bytes = (8000 * numpy.sin(2 * numpy.pi * 440 * at)).astype("<i2").tobytes()
    return wave


def likeness(one: bytes, other: bytes) -> float:
    """How much alike two pieces of PCM16 are; 1 if they are the same."""
    a, b = (numpy.frombuffer(each, "<i2").astype(float) for each in (one, other))
    return float(a @ b / numpy.sqrt((a @ a) * (b @ b)))


def appended(call: SdkCall, data: bytes, step: int = 160) -> None:
    for at in range(0, len(data), step):
        audio = base64.b64encode(data[at : at + step]).decode()
        say(call, type="input_audio_buffer.append", audio=audio)


def sent_audio(upstream: RecordingLeg) -> bytes:
    said = [f for f in upstream.frames if f["type"] == "input_audio_buffer.append"]
    return b"".join(base64.b64decode(each["audio"]) for each in said)


@pytest.mark.parametrize("law", g711.LAWS)
def test_telephone_sound_reaches_the_provider_whole_and_as_ours(law: str) -> None:
    call, _leg, tap, upstream = attached()
    say(call, type="session.update", session=telephone(law))
    appended(call, g711.encode(tone(0.5, 8000), law))
    say(call, type="input_audio_buffer.commit")
    heard = sent_audio(upstream)
    assert upstream.frames[0]["session"]["audio"] == {"input": {}, "output": {}}
    assert upstream.frames[-1]["type"] == "input_audio_buffer.commit"
    assert heard == b"".join(pcm for pcm, _start in tap.user_audio)
    assert len(heard) == len(tone(0.5, 24_000))
    assert likeness(heard, tone(0.5, 24_000)) > 0.99


@pytest.mark.parametrize("law", g711.LAWS)
def test_answers_are_given_in_telephone_sound_to_their_last_sample(law: str) -> None:
    call, leg, tap, _upstream = attached()
    say(call, type="session.update", session=telephone(law))
    pcm = tone(1, 24_000)
    pieces = [audio_delta(pcm[at : at + 9_600]) for at in range(0, len(pcm), 9_600)]
    hear(call, response_created(), *pieces, response_done())
    deltas = [f for f in leg.frames if f["type"] == "response.output_audio.delta"]
    given = b"".join(base64.b64decode(each["delta"]) for each in deltas)
    assert {each["item_id"] for each in deltas} == {"item_a"}
    assert leg.types()[-1] == "response.done"
    assert len(given) == 8000
    assert likeness(g711.decode(given, law), tone(1, 8000)) > 0.99
    assert b"".join(each[-1] for each in tap.assistant_audio) == pcm


def test_the_end_of_one_answer_is_told_before_the_next_one() -> None:
    call, leg, _tap, _upstream = attached()
    say(call, type="session.update", session=telephone())
    second = tone(0.25, 24_000)
    hear(call, response_created(), audio_delta(second), audio_delta(second, "item_b"))
    hear(call, response_done())
    given = {"item_a": 0, "item_b": 0}
    for frame in leg.frames:
        if frame["type"] == "response.output_audio.delta":
            given[frame["item_id"]] += len(base64.b64decode(frame["delta"]))
    assert given == {"item_a": 2000, "item_b": 2000}


def test_a_cut_is_told_in_the_time_of_the_answer_whatever_its_format() -> None:
    call, _leg, _tap, upstream = attached()
    say(call, type="session.update", session=telephone())
    hear(call, response_created(), audio_delta(tone(1, 24_000)))
    place = {"item_id": "item_a", "content_index": 0}
    say(call, type="conversation.item.truncate", **place, audio_end_ms=700)
    assert upstream.frames[-1]["audio_end_ms"] == 700


def test_nothing_is_cut_beyond_the_end_of_its_audio() -> None:
    call, leg, _tap, upstream = attached()
    # A program may round up: half a millisecond more than a second.
    hear(call, response_created(), audio_delta(bytes(48_024)))
    leg.take()
    cut = {"type": "conversation.item.truncate", "item_id": "item_a", "content_index": 0}
    for ms, told, error in (
        (1002, [], "Audio content of 1001ms is already shorter than 1002ms"),
        (1001, [1000], None),
        (400, [400], None),
        (401, [], "Audio content of 400ms is already shorter than 401ms"),
        (400, [400], None),
        (0, [0], None),
        (0, [0], None),
    ):
        say(call, **cut, event_id="mine", audio_end_ms=ms)
        assert [frame["audio_end_ms"] for frame in upstream.take()] == told
        answers = [frame["error"] for frame in leg.take()]
        assert [answer["message"] for answer in answers] == ([error] if error else [])
        assert {(a["code"], a["param"], a["event_id"]) for a in answers} <= {
            ("invalid_value", "audio_end_ms", "mine")
        }


def test_a_program_is_shown_the_formats_it_asked_for() -> None:
    call, leg, _tap, _upstream = attached()
    say(call, type="session.update", event_id="mine", session=telephone("audio/pcma"))
    for name in ("opening", "mine"):
        hear(call, session_created() | {"type": "session.updated", "event_id": f"event_{name}"})
    audio = leg.frames[-1]["session"]["audio"]
    assert (audio["input"]["format"], audio["output"]["format"]) == ({"type": "audio/pcma"},) * 2


def test_a_call_begins_in_the_formats_of_its_terms() -> None:
    mixed = Formats(output={"type": "audio/pcmu"})
    _call, leg, _tap = call_of(Terms("demo", formats=mixed))
    audio = leg.frames[0]["session"]["audio"]
    assert audio["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert audio["output"]["format"] == {"type": "audio/pcmu"}


def test_a_format_is_not_taken_with_a_change_that_is_refused() -> None:
    call, _leg, tap, _upstream = attached()
    say(call, type="session.update", event_id="mine", session=telephone())
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
    hear(call, {"type": "error", "error": error | {"event_id": "mine"}})
    appended(call, bytes(4800), 4800)
    call.taps.catch_up()
    assert [len(pcm) for pcm, _start in tap.user_audio] == [4800]


def test_a_recording_inside_of_an_item_is_in_the_format_too() -> None:
    call, _leg, _tap, upstream = attached()
    say(call, type="session.update", session=telephone())
    audio = base64.b64encode(g711.encode(tone(0.5, 8000), "audio/pcmu")).decode()
    content = [{"type": "input_audio", "audio": audio}]
    item = {"type": "message", "role": "user", "content": content}
    say(call, type="conversation.item.create", item=item)
    told = base64.b64decode(upstream.frames[-1]["item"]["content"][0]["audio"])
    assert likeness(told, tone(0.5, 24_000)) > 0.99


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "audio/opus"}, "session.audio.input.format.type"),
        ({"type": "audio/pcm", "rate": 8000}, "session.audio.input.format.rate"),
        ("g711_ulaw", "session.audio.input.format"),
    ],
)
def test_another_format_is_refused_by_name(form: Any, param: str) -> None:
    call, leg, _tap, upstream = attached()
    session = {"type": "realtime", "audio": {"input": {"format": form}}}
    say(call, type="session.update", event_id="mine", session=session)
    error = leg.frames[-1]["error"]
    assert (error["param"], error["event_id"]) == (param, "mine")
    assert upstream.frames == []


@pytest.mark.parametrize("kind", ["none", "server-vad", None, ["server_vad"]])
def test_turns_of_another_kind_are_refused_by_name(kind: Any) -> None:
    call, leg, _tap, upstream = attached()
    session = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": kind}}}}
    say(call, type="session.update", event_id="mine", session=session)
    error = leg.frames[-1]["error"]
    assert error["param"] == "session.audio.input.turn_detection.type"
    assert (error["code"], error["event_id"]) == ("invalid_value", "mine")
    assert upstream.frames == []


def test_an_answer_of_its_own_format_is_refused_and_the_same_one_is_taken() -> None:
    call, leg, _tap, upstream = attached()
    output = {"format": {"type": "audio/pcmu"}, "voice": "marin"}
    say(call, type="response.create", response={"audio": {"output": output}})
    assert leg.frames[-1]["error"]["param"] == "response.audio.output.format"
    say(call, type="session.update", session=telephone())
    say(call, type="response.create", response={"audio": {"output": output}})
    assert upstream.frames[-1]["response"]["audio"] == {"output": {"voice": "marin"}}


def test_half_a_sample_is_audio_by_telephone_only() -> None:
    call, leg, _tap, _upstream = attached()
    appended(call, b"abc", 3)
    assert leg.frames[-1]["error"]["code"] == "invalid_audio"
    say(call, type="session.update", session=telephone())
    told = len(leg.frames)
    appended(call, b"abc", 3)
    assert len(leg.frames) == told


def test_what_an_answer_aside_cost_is_counted_before_its_end_is_told() -> None:
    order: list[str] = []

    def hold(release: Callable[[], None]) -> None:
        order.append("held")
        release()

    leg, tap = RecordingLeg(), RecordingTap()
    call = SdkCall(leg, SESSION, terms=TERMS, taps=[tap], hold=hold)
    call.attach(RecordingLeg(), MiniMax(), [session_created()])
    say(call, type="response.create", response={"conversation": "none"})
    tokens = {"total_tokens": 7, "input_tokens": 3, "output_tokens": 4}
    hear(call, response_created(), response_done(usage=tokens))
    told = [frame for frame in leg.take() if frame["type"] == "response.done"]
    assert ["raw_usage" in frame for frame in told] == [False]
    counted = [event for event in tap.events if event["type"] == "response.done"]
    assert [event["response"]["usage"]["total_tokens"] for event in counted] == [7]
    assert order == ["held"]


@pytest.mark.parametrize("named", [True, False])
def test_after_an_answer_aside_that_is_refused_the_next_is_of_the_conversation(
    named: bool,
) -> None:
    call, _leg, tap, upstream = attached(MiniMax())
    say(call, type="response.create", response={"conversation": "none"})
    asked = upstream.take()[-1]["event_id"] if named else None
    hear(call, {"type": "error", "error": {"message": "Not supported", "event_id": asked}})
    hear(call, response_created(), audio_delta(bytes(480)), response_done())
    assert tap.assistant_audio == [("item_a", 0, bytes(480))]
    assert "response.created" in [event["type"] for event in tap.events]


def test_an_answer_aside_is_not_refused_by_an_error_about_what_was_sent_later() -> None:
    call, _leg, tap, _upstream = attached(MiniMax())
    say(call, type="response.create", response={"conversation": "none"})
    say(call, type="input_audio_buffer.commit")
    hear(call, {"type": "error", "error": {"message": "Nothing to commit", "event_id": None}})
    hear(call, response_created(), audio_delta(bytes(480)), response_done())
    assert tap.aside_audio == [("resp_1", bytes(480))]


def test_the_audio_of_an_answer_aside_is_shown_to_taps_as_such() -> None:
    call, _leg, tap, _upstream = attached()
    say(call, type="response.create", response={"conversation": "none"})
    hear(call, response_created(), audio_delta(bytes(480)), response_done())
    assert tap.aside_audio == [("resp_1", bytes(480))]
    assert tap.assistant_audio == []


def test_an_answer_aside_that_is_cut_off_is_told_and_counted_as_incomplete() -> None:
    call, leg, tap, _upstream = attached()
    say(call, type="response.create", response={"conversation": "none"})
    hear(call, response_created())
    leg.take()
    call.detach()
    done = [event for event in tap.events if event["type"] == "response.done"]
    assert [(e["response"]["id"], e["response"]["status"]) for e in done] == [
        ("resp_1", "incomplete")
    ]
    assert [frame["type"] for frame in leg.take()] == ["response.done"]
    call.detach()
    assert leg.take() == []


@pytest.mark.parametrize("broken", [True, False])
def test_an_output_for_a_session_that_is_gone_is_told_the_next_one_in_words(broken: bool) -> None:
    call, leg, _tap, upstream = attached()
    place = {"response_id": "resp_1", "output_index": 0}
    wanted = {"id": "f1", "type": "function_call", "name": "look_up", "call_id": "call_1"}
    done = {"type": "response.output_item.done", "item": wanted | {"arguments": '{"a": 1}'}}
    hear(call, response_created(), done | place, response_done())
    if broken:
        call.detach()
        call.attach(upstream, OpenAIGA(), [session_created("sess_2")])
    upstream.take()
    output = {"type": "function_call_output", "call_id": "call_1", "output": "Two."}
    say(call, type="conversation.item.create", event_id="mine", item=output)
    [told] = upstream.take()
    text = 'You called look_up with {"a": 1}. The result: Two.'
    words = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": text}]}
    assert {name: told["item"][name] for name in told["item"] if name != "id"} == (
        words if broken else output
    )
    assert (told["event_id"], leg.types()[-1:]) == ("mine", ["response.done"])
