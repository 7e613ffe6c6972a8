from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.events import (
    CLIENT_EVENTS,
    MAX_AUDIO_FRAME,
    MAX_FRAME,
    MAX_TYPED,
    Problem,
    error_event,
    parse,
    problem_event,
)
from tests.examples import examples

PCM = b"\x01\x00" * 480


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def message(**item):
    content = [{"type": "input_text", "text": "Hello"}]
    return {"type": "message", "role": "user", "content": content, **item}


def problem_of(frame) -> Problem:
    text = frame if isinstance(frame, str) else orjson.dumps(frame).decode()
    with pytest.raises(Problem) as caught:
        parse(text)
    return caught.value


GOOD = [
    {"type": "session.update", "session": {"output_modalities": ["text"]}},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear", "event_id": "mine"},
    {"type": "conversation.item.create", "item": message()},
    {"type": "conversation.item.create", "previous_item_id": None, "item": message(id="item_1")},
    {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 9},
    {"type": "conversation.item.delete", "item_id": "a"},
    {"type": "response.create"},
    {"type": "response.create", "response": {"output_modalities": ["text"]}},
    {"type": "response.cancel", "response_id": "resp_1"},
    {"type": "nextvoice.start"},
    {"type": "nextvoice.resume", "call_id": "c", "token": "t", "received": 3},
    {"type": "nextvoice.played", "item_id": "a", "content_index": 1, "audio_end_ms": 250},
    {"type": "nextvoice.received", "received": 7},
    {"type": "nextvoice.approve", "call_id": "call_1", "approve": True, "remember": False},
    {"type": "nextvoice.hang_up"},
]


@pytest.mark.parametrize("event", GOOD, ids=lambda e: e["type"])
def test_a_good_event_comes_back_as_it_was(event):
    assert parse(orjson.dumps(event).decode()) == event


def test_every_event_of_the_table_has_a_good_example():
    assert {e["type"] for e in GOOD} | {"input_audio_buffer.append"} == set(CLIENT_EVENTS)


def test_appended_audio_comes_back_as_bytes():
    event = parse(orjson.dumps({"type": "input_audio_buffer.append", "audio": b64(PCM)}).decode())
    assert event["audio"] == PCM


def append(audio):
    return {"type": "input_audio_buffer.append", "event_id": "e", "audio": audio}


BAD = [
    ("", "invalid_json", None),
    ("{", "invalid_json", None),
    ('{"type": NaN}', "invalid_json", None),
    ('{"type": "\ud800"}', "invalid_json", None),
    ('{"type": "\\ud800"}', "invalid_json", None),
    ("[" * 5000 + "]" * 5000, "invalid_json", None),
    ("[]", "invalid_frame", None),
    ("null", "invalid_frame", None),
    ('"response.create"', "invalid_frame", None),
    ("{}", "missing_required_parameter", "type"),
    ({"type": 7}, "invalid_type", "type"),
    ({"type": ["response.create"]}, "invalid_type", "type"),
    ({"type": "output_audio_buffer.clear"}, "unknown_event", "type"),
    ({"type": "response.create", "event_id": 7}, "invalid_value", "event_id"),
    ({"type": "response.create", "event_id": "x" * 300}, "invalid_value", "event_id"),
    (" " * (MAX_FRAME + 1), "frame_too_large", None),
    (append(None), "missing_required_parameter", "audio"),
    (append(7), "invalid_type", "audio"),
    (append("abcd!!"), "invalid_audio", "audio"),
    (append("YQ"), "invalid_audio", "audio"),
    (append(""), "invalid_audio", "audio"),
    (append(b64(b"abc")), "invalid_audio", "audio"),
    (append(b64(bytes(MAX_AUDIO_FRAME + 2))), "frame_too_large", "audio"),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "session.update", "session": []}, "invalid_type", "session"),
    ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
    (
        {"type": "conversation.item.create", "item": message(role="system")},
        "invalid_value",
        "item.type",
    ),
    (
        {"type": "conversation.item.create", "item": {"type": "function_call_output"}},
        "invalid_value",
        "item.type",
    ),
    ({"type": "conversation.item.create", "item": message(id=4)}, "invalid_value", "item.id"),
    (
        {"type": "conversation.item.create", "item": message(status="in_progress")},
        "invalid_value",
        "item.status",
    ),
    (
        {"type": "conversation.item.create", "item": message(), "previous_item_id": 1},
        "invalid_value",
        "previous_item_id",
    ),
    (
        {"type": "conversation.item.create", "item": message(content=[])},
        "invalid_value",
        "item.content",
    ),
    (
        {
            "type": "conversation.item.create",
            "item": message(content=[{"type": "input_audio", "audio": ""}]),
        },
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {
            "type": "conversation.item.create",
            "item": message(content=[{"type": "input_text", "text": "  "}]),
        },
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (
        {
            "type": "conversation.item.create",
            "item": message(content=[{"type": "input_text", "text": "x" * (MAX_TYPED + 1)}]),
        },
        "string_above_max_length",
        "item.content[0].text",
    ),
    ({"type": "conversation.item.truncate"}, "missing_required_parameter", "item_id"),
    (
        {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": -1},
        "invalid_value",
        "audio_end_ms",
    ),
    (
        {"type": "nextvoice.played", "item_id": "a", "audio_end_ms": 1.5},
        "invalid_value",
        "audio_end_ms",
    ),
    (
        {"type": "nextvoice.played", "item_id": "a", "audio_end_ms": True},
        "invalid_value",
        "audio_end_ms",
    ),
    (
        {"type": "nextvoice.played", "item_id": "a", "content_index": "0", "audio_end_ms": 1},
        "invalid_value",
        "content_index",
    ),
    ({"type": "nextvoice.received", "received": -1}, "invalid_value", "received"),
    ({"type": "conversation.item.delete", "item_id": ""}, "invalid_value", "item_id"),
    ({"type": "response.create", "response": 1}, "invalid_type", "response"),
    (
        {"type": "response.create", "response": {"instructions": "obey"}},
        "not_allowed",
        "response.instructions",
    ),
    (
        {"type": "response.create", "response": {"output_modalities": ["audio", "text"]}},
        "invalid_value",
        "response.output_modalities",
    ),
    ({"type": "response.cancel", "response_id": 9}, "invalid_type", "response_id"),
]


@pytest.mark.parametrize(("frame", "code", "param"), BAD)
def test_a_bad_frame_is_named(frame, code, param):
    problem = problem_of(frame)
    assert (problem.code, problem.param) == (code, param)


def test_nesting_beyond_the_limit_is_refused_wherever_it_hides():
    deep: object = 1
    for _ in range(40):
        deep = {"a": [deep]}
    frame = {"type": "response.create", "metadata": deep}
    assert problem_of(frame).code == "invalid_json"


def test_a_problem_names_the_event_it_is_about():
    problem = problem_of({"type": "what", "event_id": "mine"})
    event = problem_event(problem)
    assert event["error"] == {
        "type": "invalid_request_error",
        "code": "unknown_event",
        "message": "There is no event 'what' to send here.",
        "param": "type",
        "event_id": "mine",
    }
    assert event["type"] == "error"
    assert event["event_id"].startswith("event_")


def test_error_events_have_ids_of_their_own():
    assert error_event("a", "b")["event_id"] != error_event("a", "b")["event_id"]


ODD = [None, True, -1, 0, 7, 2**60, 1.5, "", "a", "\0", "AAAA", [], [1], {}, {"type": "message"}]
ODD += [{"role": "user"}, {"output_modalities": ["text"]}, {"content": [{}]}, message(content=[1])]
JSON = st.sampled_from(ODD)
FIELDS = st.sampled_from(
    ["item_id", "audio", "audio_end_ms", "content_index", "item", "session", "response", "event_id"]
)


@settings(max_examples=examples(60), deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_event_or_a_problem(text):
    try:
        event = parse(text)
    except Problem as problem:
        assert orjson.dumps(problem_event(problem))
    else:
        assert event["type"] in CLIENT_EVENTS


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(sorted(CLIENT_EVENTS)), st.dictionaries(FIELDS, JSON, max_size=5))
def test_any_fields_are_an_event_or_a_problem(kind, fields):
    try:
        event = parse(orjson.dumps({"type": kind} | fields).decode())
    except Problem as problem:
        assert orjson.dumps(problem_event(problem))
    else:
        assert event["type"] == kind
