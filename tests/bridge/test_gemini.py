"""Gemini Live to GA events and back; every event is checked against the official types."""

from __future__ import annotations

import json
from base64 import b64encode
from math import inf, nan
from random import Random

import orjson
import pytest

from realtime.bridge.dialects import Target
from realtime.bridge.dialects.base import AUDIO_DELTA, RENEW, SPENT, TAKEN_BACK
from realtime.bridge.dialects.gemini import GeminiLive
from realtime.bridge.dialects.gemini.setup import setup_of
from realtime.bridge.dialects.gemini.usage import usage_of
from tests.examples import examples
from tests.local.room import official
from tests.scripted import load_wire

MODEL = "gemini-3.8-live"
SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {"input": {"turn_detection": {"type": "server_vad"}}, "output": {"voice": "Kore"}},
}
USAGE = {
    "promptTokenCount": 214,
    "responseTokenCount": 63,
    "totalTokenCount": 277,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 150},
        {"modality": "AUDIO", "tokenCount": 64},
    ],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 63}],
}
PCM = b"\x01\x00" * 480


def target(url="wss://generativelanguage.googleapis.com", **fields):
    return Target(name="G", url=url, **({"model": MODEL, "key": "AIza-123456"} | fields))


def checked(events):
    """The events, each checked against the official types."""
    for event in events:
        if event["type"] in (RENEW, SPENT, TAKEN_BACK):
            continue
        told = {name: value for name, value in event.items() if name != "raw_usage"}
        if event["type"] == AUDIO_DELTA:
            told["delta"] = b64encode(event["delta"]).decode()
        official(told)
    return list(events)


class Wire:
    """A dialect whose session has begun."""

    def __init__(self, session=SESSION, history=(), **succession):
        self.dialect = GeminiLive()
        self.dialect.succeed(succession.get("handle"), bool(history))
        self.dialect.url(target(model=succession.get("model", MODEL)))
        self.greeting = self.read(self.dialect.greeting(session))
        self.created = self.get({"setupComplete": {"sessionId": "abc"}})
        self.opening = self.read(self.dialect.opening(session, history))

    def read(self, frames):
        return [orjson.loads(frame) for frame in frames]

    def get(self, *messages):
        return [
            event for each in messages for event in checked(self.dialect.decode(orjson.dumps(each)))
        ]

    def put(self, kind, **fields):
        """The messages sent for a client event, and the dialect's own answers to it."""
        event = {"type": kind, "event_id": "e1", **fields}
        return self.read(self.dialect.encode(event)), checked(self.dialect.answers())

    def speak(self, pcm):
        sent = self.read(self.dialect.audio(pcm))
        return sent, checked(self.dialect.answers())


def content(**fields):
    return {"serverContent": fields}


def voice(pcm=PCM):
    blob = {"mimeType": "audio/pcm;rate=24000", "data": b64encode(pcm).decode()}
    return content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})


def heard(text):
    return content(inputTranscription={"text": text})


def spoken(text):
    return content(outputTranscription={"text": text})


DONE = content(generationComplete=True), content(turnComplete=True) | {"usageMetadata": USAGE}


def kinds(events):
    return [event["type"] for event in events]


def of(events, kind):
    return [event for event in events if event["type"] == kind]


# --- the connection ----------------------------------------------------------------------------


def test_the_key_is_in_a_header_and_never_in_the_address():
    dialect = GeminiLive()
    assert dialect.url(target()) == (
        "wss://generativelanguage.googleapis.com"
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert dialect.headers(target()) == {"x-goog-api-key": "AIza-123456"}
    assert dialect.headers(target(key="auth_tokens/abc")) == {
        "Authorization": "Token auth_tokens/abc"
    }


def test_a_whole_endpoint_stays_as_it_is():
    url = GeminiLive().url(target("https://gateway.example/gemini/live", query={"a": "b"}))
    assert url == "wss://gateway.example/gemini/live?a=b"


def test_the_setup_is_what_the_sample_has():
    setup = next(e["event"] for e in load_wire("gemini_live_call.json") if e["dir"] == "c2s")
    wanted = setup["setup"]
    tool = {"type": "function", "name": "get_weather", "description": "Weather"}
    detection = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 500}
    session = SESSION | {
        "instructions": "You are a friendly assistant.",
        "tools": [tool],
        "audio": {"input": {"turn_detection": detection}, "output": {"voice": "Kore"}},
    }
    made = Wire(session, [item("user", "Hi")]).greeting[0]["setup"]
    for name in ("model", "systemInstruction", "sessionResumption", "historyConfig"):
        assert made[name] == wanted[name]
    speech = {"voiceConfig": wanted["generationConfig"]["speechConfig"]["voiceConfig"]}
    assert made["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": speech}
    (declared,) = made["tools"][0]["functionDeclarations"]
    assert declared == {"name": "get_weather", "description": "Weather"}
    automatic = made["realtimeInputConfig"]["automaticActivityDetection"]
    assert automatic == {"disabled": False, "prefixPaddingMs": 300, "silenceDurationMs": 500}


def test_a_model_that_thinks_is_told_how_much_and_calls_without_waiting():
    session = {"tools": [{"type": "function", "name": "f"}], "reasoning": {"effort": "high"}}
    setup = setup_of("gemini-3.8-live-extended-thinking", session)
    assert setup["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    assert setup["tools"][0]["functionDeclarations"][0]["behavior"] == "NON_BLOCKING"
    assert "thinkingConfig" not in setup_of(MODEL, session)["generationConfig"]


def test_the_session_is_there_when_the_setup_is_complete():
    (created,) = Wire().created
    assert created["type"] == "session.created"
    assert created["session"]["id"] == "abc"
    assert created["session"]["audio"]["output"]["voice"] == "Kore"


def item(role, text, item_id=None):
    kind = "output_text" if role == "assistant" else "input_text"
    made = {"id": item_id or f"item_{text}", "type": "message", "role": role}
    return made | {"content": [{"type": kind, "text": text}]}


def test_history_is_turns_that_are_answered_by_nobody():
    history = [item("user", "My name is Ann."), item("assistant", "Hi Ann.")]
    sample = [e["event"] for e in load_wire("gemini_live_call.json")]
    wire = Wire(history=history)
    assert wire.opening == [next(e for e in sample if "clientContent" in e)]
    earlier = Wire(history=history, model="gemini-live-2.5-flash-native-audio")
    assert "historyConfig" not in earlier.greeting[0]["setup"]
    assert earlier.opening[0]["clientContent"]["turnComplete"] is False


def test_a_session_that_goes_on_is_not_told_what_it_knows():
    wire = Wire(history=[item("user", "Hi")], handle="h-1")
    assert wire.greeting[0]["setup"]["sessionResumption"] == {"handle": "h-1"}
    assert "historyConfig" not in wire.greeting[0]["setup"]
    assert wire.opening == []
    assert wire.dialect.recalls


# --- a turn ------------------------------------------------------------------------------------


def test_a_spoken_turn_has_all_its_ga_events_in_order():
    wire = Wire()
    got = wire.get(heard("What's "), heard("up?"), voice(), spoken("Not "), spoken("much."), *DONE)
    assert kinds(got) == [
        "input_audio_buffer.speech_started",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert of(got, AUDIO_DELTA)[0]["delta"] == PCM
    (words,) = of(got, "conversation.item.input_audio_transcription.completed")
    assert words["transcript"] == "What's up?"
    done = got[-1]
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"][0]["transcript"] == "Not much."
    assert done["response"]["usage"]["total_tokens"] == 277
    assert done["raw_usage"] == USAGE
    added = of(got, "conversation.item.added")
    assert added[1]["previous_item_id"] == added[0]["item"]["id"]


def test_the_whole_sample_is_understood():
    wire = Wire()
    sample = [e["event"] for e in load_wire("gemini_live_call.json") if e["dir"] == "s2c"]
    got = wire.get(*sample[1:])
    assert wire.dialect.skipped == 0
    assert len(of(got, "response.done")) == 2  # the call of a function, and what was said then
    assert of(got, RENEW)[0]["seconds"] == 50.0
    assert wire.dialect.handle() == "h-123"


def test_thoughts_are_not_said():
    parts = [{"text": "Let me think.", "thought": True}]
    assert Wire().get(content(modelTurn={"parts": parts})) == []


def test_words_without_sound_are_an_answer_in_writing():
    got = Wire().get(content(modelTurn={"parts": [{"text": "Hello"}]}), *DONE)
    assert of(got, "response.content_part.added")[0]["part"]["type"] == "text"
    assert got[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello"}]


def test_an_answer_in_writing_is_what_would_have_been_said():
    wire = Wire(SESSION | {"output_modalities": ["text"]})
    assert wire.greeting[0]["setup"]["generationConfig"]["responseModalities"] == ["AUDIO"]
    got = wire.get(voice(), spoken("Hello"), *DONE)
    assert of(got, AUDIO_DELTA) == []
    assert [e["delta"] for e in of(got, "response.output_text.delta")] == ["Hello"]


def test_an_interruption_is_speech_and_a_cancelled_answer():
    wire = Wire()
    wire.get(voice(), spoken("Once upon"))
    assert kinds(wire.get(content(interrupted=True))) == ["input_audio_buffer.speech_started"]
    assert wire.get(voice()) == []
    got = wire.get(content(turnComplete=True) | {"usageMetadata": USAGE})
    done = got[-1]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert done["usage"]["output_tokens"] == 63
    # The person goes on, and the turn is the one that was begun.
    assert kinds(wire.get(heard("Stop"))) == ["conversation.item.input_audio_transcription.delta"]


def test_an_interruption_that_was_only_a_noise_is_over_after_a_while():
    wire = Wire()
    wire.get(voice(), content(interrupted=True), content(turnComplete=True))
    answered = [event for _ in range(50) for event in wire.speak(bytes(4800))[1]]
    assert kinds(answered) == ["input_audio_buffer.speech_stopped"]


def test_an_answer_that_is_stopped_is_heard_no_further_and_paid_with_the_next():
    wire = Wire()
    wire.get(voice(), spoken("Once"))
    sent, answered = wire.put("response.cancel")
    assert sent == []
    stopped = answered[-1]["response"]
    assert stopped["status_details"]["reason"] == "client_cancelled"
    assert wire.get(voice(), spoken(" upon"), content(interrupted=True)) == []
    (spent,) = wire.get(DONE[1])
    assert (spent["type"], spent["response_id"]) == (SPENT, stopped["id"])
    assert (spent["status"], spent["raw_usage"]) == ("cancelled", USAGE)
    done = wire.get(voice(), *DONE)[-1]
    assert done["response"]["usage"]["total_tokens"] == 2 * 277
    assert done["raw_usage"] == {"usageMetadata": USAGE, "stopped": [USAGE]}


def test_usage_that_comes_after_the_end_is_that_of_the_answer_that_ended():
    wire, late = Wire(), {"usageMetadata": USAGE}
    done = wire.get(voice(), *map(content_only, DONE))[-1]
    (spent,) = wire.get(resumable("h-1"), late)
    assert (done["response"]["usage"], spent["raw_usage"]) == (None, USAGE)
    assert (spent["response_id"], spent["status"]) == (done["response"]["id"], "completed")
    # A program that keeps books by what GA says finds it with the next answer.
    again = wire.get(voice(), *DONE)[-1]
    assert again["response"]["usage"]["total_tokens"] == 2 * 277
    assert again["raw_usage"]["usageMetadata"] == USAGE
    assert wire.get(late) == []  # which has its usage


def test_usage_that_comes_once_the_next_answer_is_under_way_is_its_own():
    wire = Wire()
    wire.get(voice(), *map(content_only, DONE))
    assert wire.get(heard("And?"), {"usageMetadata": USAGE})[-1]["type"] != SPENT
    done = wire.get(voice(), *map(content_only, DONE))[-1]
    assert done["raw_usage"] == USAGE


def content_only(message):
    """The message without its usage."""
    return {name: value for name, value in message.items() if name != "usageMetadata"}


@pytest.mark.parametrize("alone", [False, True])
def test_what_is_not_answered_is_paid_all_the_same(alone):
    wire = Wire()
    over, told = content(turnComplete=True), {"usageMetadata": USAGE}
    messages = [over, told] if alone else [over | told]
    (spent,) = of(wire.get(heard("Hm."), *messages), SPENT)
    assert (spent["status"], spent["raw_usage"]) == ("completed", USAGE)
    called = wire.get(calling(CALL), {"toolCallCancellation": {"ids": ["fc-1"]}}, *messages)
    (done,), (spent,) = of(called, "response.done"), of(called, SPENT)
    assert spent["response_id"] == done["response"]["id"]


@pytest.mark.parametrize("when", ["before", "with", "after"])
def test_a_call_of_a_function_is_paid_besides_the_answer_that_follows_it(when):
    wire, told = Wire(), {"usageMetadata": USAGE | {"promptTokenCount": 300}}
    call = calling(CALL)
    messages = {"before": [told, call], "with": [call | told], "after": [call, told]}[when]
    events = wire.get(heard("Weather?"), *messages, voice(), *DONE)
    called, answered = of(events, "response.done")
    paid = {called["response"]["id"]: called["raw_usage"]} if "raw_usage" in called else {}
    paid |= {spent["response_id"]: spent["raw_usage"] for spent in of(events, SPENT)}
    assert paid == {called["response"]["id"]: told["usageMetadata"]}
    raw = answered["raw_usage"]
    assert raw.get("usageMetadata", raw) == USAGE


def test_nothing_to_stop_is_a_benign_error():
    assert Wire().put("response.cancel")[1][0]["error"]["code"] == "response_cancel_not_active"


# --- functions ---------------------------------------------------------------------------------


def calling(*calls):
    return {"toolCall": {"functionCalls": list(calls)}}


CALL = {"id": "fc-1", "name": "get_weather", "args": {"city": "Paris"}}


def test_a_function_is_called_and_its_output_sent_when_an_answer_is_asked_for():
    wire = Wire()
    got = wire.get(calling(CALL))
    (called,) = of(got, "response.function_call_arguments.done")
    assert (called["name"], called["call_id"]) == ("get_weather", "fc-1")
    assert json.loads(called["arguments"]) == {"city": "Paris"}
    assert got[-1]["response"]["output"][0]["status"] == "completed"
    output = {"type": "function_call_output", "call_id": "fc-1", "output": '{"temp_c": 11}'}
    sent, answered = wire.put("conversation.item.create", item=output)
    assert (sent, kinds(answered)) == ([], ["conversation.item.added", "conversation.item.done"])
    sample = [e["event"] for e in load_wire("gemini_live_call.json")]
    assert wire.put("response.create")[0] == [next(e for e in sample if "toolResponse" in e)]


def test_a_long_id_of_a_call_is_ours_to_shorten():
    wire = Wire()
    long = "function-call-" + "1" * 30
    (called,) = of(wire.get(calling(CALL | {"id": long})), "response.function_call_arguments.done")
    assert len(called["call_id"]) <= 32
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "sunny"}
    wire.put("conversation.item.create", item=output)
    (sent,) = wire.put("response.create")[0]
    answer = {"id": long, "name": "get_weather", "response": {"output": "sunny"}}
    assert sent == {"toolResponse": {"functionResponses": [answer]}}


def test_a_call_that_was_taken_back_is_not_answered():
    wire = Wire()
    wire.get(calling(CALL, CALL | {"id": "fc-2"}), {"toolCallCancellation": {"ids": ["fc-1"]}})
    for call_id in ("fc-1", "fc-2"):
        output = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
        wire.put("conversation.item.create", item=output)
    (sent,) = wire.put("response.create")[0]
    assert [each["id"] for each in sent["toolResponse"]["functionResponses"]] == ["fc-2"]


def test_an_answer_that_was_stopped_calls_nothing_and_is_told_so():
    wire = Wire()
    wire.get(voice(), spoken("Let me look."))
    wire.put("response.cancel")
    assert wire.get(calling(CALL)) == []
    wire.put("conversation.item.create", item=item("user", "Leave it."))
    told, words = wire.put("response.create")[0]
    (answer,) = told["toolResponse"]["functionResponses"]
    assert (answer["id"], answer["name"], list(answer["response"])) == (
        "fc-1",
        "get_weather",
        ["error"],
    )
    assert words == {"realtimeInput": {"text": "Leave it."}}
    wire.get(calling(CALL | {"id": "fc-2"}), content(turnComplete=True))
    wire.put("conversation.item.create", item=item("user", "Hello?"))
    assert wire.put("response.create")[0] == [{"realtimeInput": {"text": "Hello?"}}]


def test_nothing_is_asked_when_all_calls_were_taken_back():
    wire = Wire()
    wire.get(calling(CALL))
    taken = {"toolCallCancellation": {"ids": ["fc-1"]}}
    (event,), none = wire.get(taken), wire.get(taken)
    assert (event["type"], event["call_ids"], none) == (TAKEN_BACK, ["fc-1"], [])
    output = {"type": "function_call_output", "call_id": "fc-1", "output": "{}"}
    wire.put("conversation.item.create", item=output)
    assert wire.put("response.create")[0] == []


# --- what the page asks ------------------------------------------------------------------------


def test_what_is_typed_is_sent_when_an_answer_is_asked_for():
    wire = Wire()
    sent, answered = wire.put("conversation.item.create", item=item("user", "Hello"))
    assert (sent, kinds(answered)) == ([], ["conversation.item.added", "conversation.item.done"])
    assert wire.put("response.create")[0] == [{"realtimeInput": {"text": "Hello"}}]


def test_a_picture_goes_before_the_words():
    wire = Wire()
    made = item("user", "What is this?")
    made["content"] += [{"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA"}]
    wire.put("conversation.item.create", item=made)
    assert wire.put("response.create")[0] == [
        {"realtimeInput": {"video": {"data": "AAAA", "mimeType": "image/jpeg"}}},
        {"realtimeInput": {"text": "What is this?"}},
    ]


def test_an_answer_that_is_still_owed_is_asked_for_with_the_last_words():
    wire = Wire(history=[item("user", "How are you?")])
    assert wire.put("response.create")[0] == [{"realtimeInput": {"text": "How are you?"}}]
    earlier = Wire(model="gemini-live-2.5-flash-native-audio")
    (sent,) = earlier.put("response.create", response={"instructions": "Say hello."})[0]
    assert sent["clientContent"]["turnComplete"] is True


MANUAL = SESSION | {"audio": {"input": {"turn_detection": None}}}


def test_without_turn_detection_the_page_says_where_turns_begin_and_end():
    wire = Wire(MANUAL)
    setup = wire.greeting[0]["setup"]["realtimeInputConfig"]
    assert setup == {"automaticActivityDetection": {"disabled": True}}
    sent = wire.speak(PCM * 10)[0]
    assert [next(iter(each["realtimeInput"])) for each in sent] == ["activityStart", "audio"]
    sent, answered = wire.put("input_audio_buffer.commit")
    assert sent == []
    assert kinds(answered) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    sent = wire.put("response.create")[0]
    assert [next(iter(each["realtimeInput"])) for each in sent] == ["audio", "activityEnd"]
    got = wire.get(heard("Hi"), voice(), *DONE)
    (words,) = of(got, "conversation.item.input_audio_transcription.completed")
    assert (words["item_id"], words["transcript"]) == (answered[0]["item_id"], "Hi")
    # The next turn begins anew.
    assert "activityStart" in wire.speak(PCM * 10)[0][0]["realtimeInput"]


def test_nothing_to_commit_is_a_benign_error():
    answered = Wire(MANUAL).put("input_audio_buffer.commit")[1]
    assert answered[0]["error"]["code"] == "input_audio_buffer_commit_empty"


def test_audio_is_sent_at_16_khz():
    wire = Wire()
    sent = [frame for _ in range(100) for frame in wire.speak(bytes(960))[0]]
    assert {each["realtimeInput"]["audio"]["mimeType"] for each in sent} == {"audio/pcm;rate=16000"}
    size = sum(len(each["realtimeInput"]["audio"]["data"]) * 3 // 4 for each in sent)
    assert 0 <= 2 * 16_000 * 2 - size <= 2 * 16_000 * 2 * 0.03


def test_items_are_retrieved_cut_and_deleted_here():
    wire = Wire()
    wire.get(voice(), spoken("Hello"), *DONE)
    got = wire.get(voice())
    item_id = of(got, "conversation.item.added")[0]["item"]["id"]
    (kept,) = wire.put("conversation.item.retrieve", item_id=item_id)[1]
    assert kept["item"]["id"] == item_id
    place = {"item_id": item_id, "content_index": 0, "audio_end_ms": 10}
    assert kinds(wire.put("conversation.item.truncate", **place)[1]) == [
        "conversation.item.truncated"
    ]
    assert kinds(wire.put("conversation.item.delete", item_id=item_id)[1]) == [
        "conversation.item.deleted"
    ]
    (gone,) = wire.put("conversation.item.retrieve", item_id=item_id)[1]
    assert gone["error"]["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize(
    ("part", "renews"),
    [
        ({"output_modalities": ["text"]}, False),
        ({"audio": {"output": {"voice": "Kore"}}}, False),
        ({"audio": {"output": {"voice": "Puck"}}}, True),
        ({"audio": {"input": {"turn_detection": None}}}, True),
        ({"instructions": "Be long."}, True),
        ({"tools": [{"type": "function", "name": "f"}]}, True),
    ],
)
def test_what_holds_for_a_connection_asks_for_another(part, renews):
    answered = Wire().put("session.update", session={"type": "realtime", **part})[1]
    assert kinds(answered) == ([RENEW] if renews else []) + ["session.updated"]


# --- going on in another session ---------------------------------------------------------------


def resumable(handle):
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}


@pytest.mark.parametrize("message", [heard("Hi"), voice(), spoken("Hi"), calling(CALL)])
def test_a_handle_is_good_until_something_is_said(message):
    wire = Wire()
    wire.get(resumable("h-1"))
    assert wire.dialect.handle() == "h-1"
    wire.get(message)
    assert wire.dialect.handle() is None
    wire.get(*DONE, resumable("h-2"))
    assert wire.dialect.handle() == "h-2"


def test_what_is_typed_makes_a_handle_old():
    wire = Wire()
    wire.get(resumable("h-1"))
    wire.put("conversation.item.create", item=item("user", "Hello"))
    wire.put("response.create")
    assert wire.dialect.handle() is None


def test_leaving_without_a_time_is_leaving_soon():
    assert Wire().get({"goAway": {}})[0]["seconds"] == 10.0


# --- usage -------------------------------------------------------------------------------------


def test_thoughts_tools_and_pictures_are_counted():
    usage = usage_of(
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
            "promptTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 60},
                {"modality": "VIDEO", "tokenCount": 10},
                {"modality": "IMAGE", "tokenCount": 5},
                {"modality": "DOCUMENT", "tokenCount": 5},
            ],
            "toolUsePromptTokenCount": 7,
            "responseTokenCount": 20,
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
            "thoughtsTokenCount": 3,
        }
    )
    assert usage == {
        "total_tokens": 130,
        "input_tokens": 107,
        "output_tokens": 23,
        "input_token_details": {
            "text_tokens": 32,
            "audio_tokens": 60,
            "image_tokens": 15,
            "cached_tokens": 40,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 40, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 3, "audio_tokens": 20},
    }


# --- nonsense ----------------------------------------------------------------------------------

NAMES = [
    "serverContent",
    "toolCall",
    "functionCalls",
    "id",
    "name",
    "args",
    "modelTurn",
    "parts",
    "inlineData",
    "data",
    "mimeType",
    "text",
    "thought",
    "inputTranscription",
    "outputTranscription",
    "interrupted",
    "generationComplete",
    "turnComplete",
    "usageMetadata",
    "promptTokensDetails",
    "modality",
    "tokenCount",
    "goAway",
    "timeLeft",
    "error",
    "sessionResumptionUpdate",
    "newHandle",
    "resumable",
    "setupComplete",
    "toolCallCancellation",
    "ids",
]


def leaf(random):
    text = "".join(chr(random.randrange(0xD800)) for _ in range(random.randrange(9)))
    number = random.choice([0, 1, -1, random.getrandbits(70), -random.getrandbits(70)])
    real = random.choice([0.5, -1e300, inf, -inf, nan, random.uniform(-1e6, 1e6)])
    return random.choice([None, True, False, number, real, text, "audio/pcm"])


def thing(random, depth):
    """A leaf, or a list or an object of such things."""
    kind = random.random() if depth else 1.0
    if kind < 0.2:
        return [thing(random, depth - 1) for _ in range(random.randrange(5))]
    return fields(random, depth - 1, 5) if kind < 0.55 else leaf(random)


def fields(random, depth, most):
    count = random.randrange(most + 1)
    return {random.choice(NAMES): thing(random, depth) for _ in range(count)}


def test_nonsense_never_raises_and_never_makes_a_wrong_event():
    for seed in range(examples(3000)):
        random, wire = Random(seed), Wire()
        for _ in range(random.randrange(7)):
            message = fields(random, 6, 4)
            try:
                checked(wire.dialect.decode(json.dumps(message)))
            except Exception as error:
                error.add_note(f"seed {seed}: {message!r}")
                raise


@pytest.mark.parametrize("frame", ["", "[]", "null", "\x00", b"\xff\xfe", b"{}", "3"])
def test_what_is_no_message_is_skipped_and_counted(frame):
    dialect = Wire().dialect
    assert list(dialect.decode(frame)) == []
    assert dialect.skipped == 1
