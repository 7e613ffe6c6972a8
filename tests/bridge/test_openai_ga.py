from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.audio import decode_base64
from realtime.bridge.dialects import Target
from realtime.bridge.dialects.openai_ga import OpenAIGA
from realtime.bridge.dialects.shapes import EVENTS
from tests.examples import examples
from tests.scripted import (
    audio_delta,
    item_added,
    load_wire,
    response_created,
    response_done,
    session_created,
)


def decode(dialect, event):
    return list(dialect.decode(orjson.dumps(event).decode()))


def target(url="wss://api.openai.com/v1/realtime", **fields):
    return Target(name="T", url=url, model="gpt-realtime-2.1", key="sk-123456", **fields)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("wss://h/v1/realtime", "wss://h/v1/realtime?model=gpt-realtime-2.1"),
        ("https://h/v1", "wss://h/v1/realtime?model=gpt-realtime-2.1"),
        ("http://h:8000/v1/", "ws://h:8000/v1/realtime?model=gpt-realtime-2.1"),
        ("wss://h", "wss://h/v1/realtime?model=gpt-realtime-2.1"),
        ("wss://h/openai/v1/realtime?a=b", "wss://h/openai/v1/realtime?a=b&model=gpt-realtime-2.1"),
    ],
)
def test_an_endpoint_in_any_of_its_forms_is_understood(url, wanted):
    assert OpenAIGA().url(target(url)) == wanted


def test_a_targets_query_goes_last():
    url = OpenAIGA().url(target(query={"model": "other", "x": "a b"}))
    assert url == "wss://api.openai.com/v1/realtime?model=other&x=a+b"


def test_headers_carry_the_key_and_never_the_beta_mark():
    headers = OpenAIGA().headers(target(organization="org", project="proj", headers={"X": "y"}))
    assert headers == {
        "Authorization": "Bearer sk-123456",
        "OpenAI-Organization": "org",
        "OpenAI-Project": "proj",
        "X": "y",
    }


def test_without_a_key_there_is_no_authorization():
    assert OpenAIGA().headers(Target(name="T", url="ws://h", model="m")) == {}


def test_the_opening_is_the_configuration_and_then_the_history():
    session = {"model": "m", "id": "s", "instructions": "Be brief."}
    items = [{"id": "a", "type": "message"}, {"id": "b", "type": "message"}]
    frames = [orjson.loads(frame) for frame in OpenAIGA().opening(session, items)]
    assert frames == [
        {
            "type": "session.update",
            "event_id": "nextvoice_open_session",
            "session": {"type": "realtime", "instructions": "Be brief."},
        },
        {
            "type": "conversation.item.create",
            "event_id": "nextvoice_open_item_0",
            "item": items[0],
        },
        {
            "type": "conversation.item.create",
            "event_id": "nextvoice_open_item_1",
            "item": items[1],
        },
    ]


def test_audio_is_one_append():
    (frame,) = OpenAIGA().audio(b"\x01\x02\x03\x04")
    event = orjson.loads(frame)
    assert event["type"] == "input_audio_buffer.append"
    assert decode_base64(event["audio"]) == b"\x01\x02\x03\x04"


NOT_OVER_THIS_SOCKET = ("output_audio_buffer.", "input_audio_buffer.dtmf")


@pytest.mark.parametrize("wire", ["ga_call.json", "ga_events.json"])
def test_every_sampled_event_is_understood(wire):
    dialect = OpenAIGA()
    sent = [entry["event"] for entry in load_wire(wire) if entry["dir"] == "s2c"]
    sent = [event for event in sent if not event["type"].startswith(NOT_OVER_THIS_SOCKET)]
    got = [event for each in sent for event in decode(dialect, each)]
    renamed = {"conversation.item.created": "conversation.item.added"}
    assert [e["type"] for e in got] == [renamed.get(e["type"], e["type"]) for e in sent]
    assert dialect.skipped == 0


def test_audio_comes_as_bytes_and_not_in_items():
    dialect = OpenAIGA()
    (event,) = decode(dialect, audio_delta(b"\x05\x06"))
    assert event["delta"] == b"\x05\x06"
    added = item_added("u", None)
    added["item"]["content"] = [{"type": "input_audio", "audio": "AAAA", "transcript": "hi"}]
    (event,) = decode(dialect, added)
    assert event["item"]["content"] == [{"type": "input_audio", "transcript": "hi"}]


def test_missing_ids_and_indexes_are_filled():
    dialect = OpenAIGA()
    decode(dialect, response_created("resp_7"))
    item = {"id": "item_7", "type": "message"}
    decode(dialect, {"type": "response.output_item.added", "item": item})
    (event,) = decode(dialect, {"type": "response.output_text.delta", "delta": "Hi"})
    assert event.pop("event_id").startswith("event_")
    assert event == {
        "type": "response.output_text.delta",
        "delta": "Hi",
        "response_id": "resp_7",
        "item_id": "item_7",
        "output_index": 0,
        "content_index": 0,
    }


def test_the_older_name_of_an_added_item_is_translated_once():
    dialect = OpenAIGA()
    older = item_added("u", None) | {"type": "conversation.item.created"}
    assert [e["type"] for e in decode(dialect, older)] == ["conversation.item.added"]
    assert decode(dialect, item_added("u", None)) == []


def test_a_repeated_event_is_dropped_and_one_that_only_shares_its_id_is_not():
    dialect = OpenAIGA()
    delta = {"type": "response.output_text.delta", "event_id": "e1", "delta": "Hi"}
    assert len(decode(dialect, delta)) == 1
    assert decode(dialect, delta) == []
    assert len(decode(dialect, delta | {"delta": "Hello"})) == 1
    assert len(decode(dialect, delta | {"delta": "Ho"})) == 1
    assert dialect.skipped == 1


def test_errors_of_any_shape_become_ga_errors():
    for event in (
        {"type": "error", "error": "broken"},
        {"type": "error", "message": "broken"},
        {"type": "error", "error": {"message": "broken", "code": 7}},
    ):
        (decoded,) = decode(OpenAIGA(), event)
        assert decoded["error"] == {
            "type": "server_error",
            "code": None,
            "message": "broken",
            "param": None,
            "event_id": None,
        }


BROKEN = [
    "",
    "{",
    "[]",
    "null",
    '{"type": NaN}',
    '{"type": "\\ud800"}',
    "[" * 100_000,
    b"\xff\xfe",
    '{"type": 7}',
    '{"type": ["error"]}',
    '{"type": "heartbeat"}',
    '{"type": "session.created"}',
    '{"type": "session.created", "session": []}',
    '{"type": "conversation.item.added", "item": {}}',
    '{"type": "conversation.item.added", "item": {"id": 7}}',
    '{"type": "response.done", "response": {"id": []}}',
    '{"type": "response.output_audio.delta", "delta": "!!"}',
    '{"type": "response.output_audio.delta", "delta": 7}',
    '{"type": "input_audio_buffer.committed"}',
    '{"type": "input_audio_buffer.speech_started", "item_id": "a", "audio_start_ms": -5}',
    '{"type": "input_audio_buffer.speech_started", "item_id": "a", "audio_start_ms": "0"}',
]


@pytest.mark.parametrize("frame", BROKEN, ids=lambda f: str(f[:40]))
def test_a_broken_or_unknown_frame_is_counted_and_skipped(frame):
    dialect = OpenAIGA()
    assert list(dialect.decode(frame)) == []
    assert dialect.skipped == 1


def test_items_in_a_response_without_ids_are_left_out():
    done = response_done(output=[{"id": "a"}, {}, "x", {"id": 7}])
    (event,) = decode(OpenAIGA(), done)
    assert event["response"]["output"] == [{"id": "a"}]


ODD = [None, True, -1, 0, 7, 1.5, "", "a", "\0", [], [1], [{}], {}, {"id": 7}, {"id": "a"}]
ODD += [{"id": "a", "content": 1}, {"id": "a", "content": [1]}, {"id": "a", "output": [{}]}]
JSON = st.sampled_from(ODD)
NAMES = sorted(
    {name for shape in EVENTS.values() for name in (*shape.need, *shape.fill)} | {"event_id"}
)


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(sorted(EVENTS)), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_a_decoded_event_always_has_what_its_shape_promises(kind, fields):
    for event in decode(OpenAIGA(), {"type": kind} | fields):
        shape = EVENTS[kind]
        assert isinstance(event["event_id"], str)
        assert {name for name in (*shape.need, *shape.fill) if name not in event} == set()
        ids = {"item_id", "response_id"} & {*shape.need, *shape.fill}
        assert all(isinstance(event[name], str) for name in ids)


def test_the_session_can_be_read_from_bytes_too():
    (event,) = OpenAIGA().decode(orjson.dumps(session_created("s")))
    assert event["session"]["id"] == "s"
