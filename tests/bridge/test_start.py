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
        client={"sample_rate": 48000, "time_zone": "Europe/Rome", "beats": True},
    )
    assert parse_start(frame) == Start(
        ("text",), "7", "cedar", True, 48000, time_zone="Europe/Rome", beats=True
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"output_modalities": ["video"]}, "output_modalities"),
        ({"model": 7}, "model"),
        ({"voice": "a\nb"}, "voice"),
        ({"turn_detection": "never"}, "turn_detection"),
        ({"turn_detection": {"type": "server_vad"}}, "turn_detection"),
        ({"client": []}, "client"),
        ({"session": []}, "session"),
        ({"session": {"tools": []}}, "session.tools"),
        ({"session": {"instructions": "x" * 4001}}, "session.instructions"),
        ({"client": {"sample_rate": "48k"}}, "sample_rate"),
        ({"client": {"time_zone": 2}}, "time_zone"),
        ({"client": {"time_zone": "x" * 500}}, "time_zone"),
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


def test_a_start_may_bring_a_session_which_stands_over_its_fields():
    vad = {"type": "semantic_vad", "eagerness": "high"}
    wanted = {
        "instructions": "Be brief.",
        "audio": {
            "input": {"turn_detection": vad, "transcription": {"model": "t2", "language": "de"}},
            "output": {"voice": "cedar"},
        },
    }
    begun = parse_start(start(voice="alloy", turn_detection=None, session=wanted))
    assert (begun.asked_voice, begun.asked_transcription) == ("cedar", "t2")
    session = begun.applied_to({"instructions": "Be kind."})
    assert session["audio"] == wanted["audio"]
    assert session["instructions"].startswith("Be kind.\n\n")
    assert session["instructions"].endswith("\nBe brief.")


def test_a_start_without_a_session_asks_for_its_own_voice():
    begun = parse_start(start(voice="alloy"))
    assert (begun.asked_voice, begun.asked_transcription) == ("alloy", None)
