from __future__ import annotations

import orjson
import pytest

from realtime.bridge.events import Problem
from realtime.bridge.start import Start, parse_start
from tests.bridge.doubles import SESSION


def start(**fields) -> str:
    return orjson.dumps({"type": "nextvoice.start"} | fields).decode()


def test_a_bare_start_asks_for_speech_hands_free():
    assert parse_start(start()) == Start()


def test_a_start_says_everything_it_wants():
    frame = start(
        output_modalities=["text"],
        model="7",
        voice="cedar",
        turn_detection=None,
        client={"sample_rate": 48000},
    )
    assert parse_start(frame) == Start(("text",), "7", "cedar", True, 48000)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"output_modalities": ["video"]}, "output_modalities"),
        ({"model": 7}, "model"),
        ({"voice": "a\nb"}, "voice"),
        ({"turn_detection": "never"}, "turn_detection"),
        ({"turn_detection": {"type": "server_vad"}}, "turn_detection"),
        ({"client": []}, "client"),
        ({"client": {"sample_rate": "48k"}}, "sample_rate"),
    ],
)
def test_a_wrong_start_is_named(fields, param):
    with pytest.raises(Problem) as caught:
        parse_start(start(**fields))
    assert caught.value.param == param


def test_anything_else_is_not_a_start():
    with pytest.raises(Problem) as caught:
        parse_start('{"type": "response.create", "event_id": "mine"}')
    assert (caught.value.code, caught.value.event_id) == ("not_started", "mine")


def test_wishes_go_into_the_session():
    session = Start(("text",), voice="cedar", manual=True).applied_to(SESSION)
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["turn_detection"] is None
    assert SESSION["audio"]["output"]["voice"] == "marin"


def test_hands_free_keeps_the_sessions_own_turn_detection():
    session = {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    applied = Start().applied_to(session)
    assert applied["audio"]["input"]["turn_detection"] == {"type": "semantic_vad"}


def test_hands_free_turns_it_on_where_there_is_none():
    applied = Start().applied_to({})
    assert applied["audio"]["input"]["turn_detection"] == {"type": "server_vad"}
