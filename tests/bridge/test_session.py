from __future__ import annotations

import pytest

from realtime.bridge.events import Problem
from realtime.bridge.session import (
    PERSON_ASKS,
    Offered,
    Settings,
    changes_of,
    shown_session,
    with_changes,
)
from tests.bridge.doubles import SESSION

ALLOWED = [
    {"type": "realtime"},
    {"output_modalities": ["text"]},
    {"audio": {"output": {"voice": "cedar", "speed": 1.2}}},
    {"audio": {"input": {"turn_detection": None}}},
    {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
    {
        "audio": {
            "input": {
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.6,
                    "silence_duration_ms": 700,
                    "create_response": True,
                    "idle_timeout_ms": None,
                }
            }
        }
    },
    {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
    {"audio": {"input": {"noise_reduction": None}}},
    {"audio": {"input": {"format": {"type": "audio/pcmu"}}}},
    {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}},
    {"audio": {"input": {"transcription": {"language": "de"}}}},
    {"audio": {"input": {"transcription": {"model": "whisper-1", "language": None}}}},
    {"max_output_tokens": 4096},
    {"max_output_tokens": "inf"},
]
REFUSED = [
    ({"type": "transcription"}, "session.type"),
    ({"instructions": "x" * 4001}, "session.instructions"),
    ({"instructions": None}, "session.instructions"),
    ({"max_output_tokens": 0}, "session.max_output_tokens"),
    ({"max_output_tokens": 4097}, "session.max_output_tokens"),
    ({"max_output_tokens": True}, "session.max_output_tokens"),
    ({"max_output_tokens": 1.5}, "session.max_output_tokens"),
    ({"tools": []}, "session.tools"),
    ({"model": "bigger"}, "session.model"),
    ({"audio": 1}, "session.audio"),
    ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "session.audio.input.format"),
    (
        {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}},
        "session.audio.output.format",
    ),
    ({"audio": {"input": {"format": "audio/pcmu"}}}, "session.audio.input.format"),
    ({"output_modalities": ["audio", "text"]}, "session.output_modalities"),
    ({"audio": {"output": {"speed": 3}}}, "session.audio.output.speed"),
    ({"audio": {"output": {"speed": True}}}, "session.audio.output.speed"),
    ({"audio": {"output": {"voice": {"id": "x"}}}}, "session.audio.output.voice"),
    ({"audio": {"output": {"voice": ""}}}, "session.audio.output.voice"),
    (
        {"audio": {"input": {"transcription": {"prompt": "secret"}}}},
        "session.audio.input.transcription",
    ),
    ({"audio": {"input": {"transcription": {}}}}, "session.audio.input.transcription"),
    (
        {"audio": {"input": {"transcription": {"model": None}}}},
        "session.audio.input.transcription.model",
    ),
    ({"audio": {"input": {"turn_detection": "off"}}}, "session.audio.input.turn_detection"),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 9}}}},
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "spell": 1}}}},
        "session.audio.input.turn_detection.spell",
    ),
    ({"audio": {"input": {"noise_reduction": "off"}}}, "session.audio.input.noise_reduction"),
]


@pytest.mark.parametrize("session", ALLOWED)
def test_a_page_may_change_what_is_a_persons_choice(session):
    whole, part = with_changes(SESSION, changes_of(session))
    assert part["type"] == "realtime"
    assert whole["instructions"] == SESSION["instructions"]


@pytest.mark.parametrize(("session", "param"), REFUSED)
def test_a_page_may_change_nothing_else(session, param):
    with pytest.raises(Problem) as caught:
        changes_of(session)
    assert caught.value.param == param


def test_a_language_keeps_the_transcription_model():
    changes = changes_of({"audio": {"input": {"transcription": {"language": "de"}}}})
    whole, part = with_changes(SESSION, changes)
    wanted = {"model": "gpt-transcribe", "language": "de"}
    assert Settings(SESSION).change(changes, "mine") == part
    assert whole["audio"]["input"]["transcription"] == wanted
    assert part == {"type": "realtime", "audio": {"input": {"transcription": wanted}}}


def test_a_language_turns_no_transcription_on():
    changes = changes_of({"audio": {"input": {"transcription": {"language": "de"}}}})
    assert with_changes({}, changes)[0] == {"audio": {"input": {"transcription": None}}}


def test_changes_leave_the_given_session_alone():
    before = {"audio": {"output": {"voice": "marin"}}}
    with_changes(before, changes_of({"audio": {"output": {"voice": "cedar"}}}))
    assert before == {"audio": {"output": {"voice": "marin"}}}


def test_a_refused_change_is_taken_back():
    settings = Settings(SESSION)
    settings.change(changes_of({"audio": {"output": {"voice": "cedar"}}}), "mine")
    settings.refused("another")
    assert settings.session["audio"]["output"]["voice"] == "cedar"
    settings.refused("mine")
    assert settings.session == SESSION


def test_an_accepted_change_stays():
    settings = Settings(SESSION)
    settings.change(changes_of({"audio": {"output": {"voice": "cedar"}}}), "mine")
    settings.accepted()
    settings.refused("mine")
    assert settings.session["audio"]["output"]["voice"] == "cedar"


def voice(name):
    return changes_of({"audio": {"output": {"voice": name}}})


def test_of_two_changes_only_the_refused_one_is_taken_back():
    settings = Settings(SESSION)
    settings.change(voice("cedar"), "first")
    settings.change(changes_of({"audio": {"output": {"speed": 1.2}}}), "second")
    settings.refused("first")
    assert settings.session["audio"]["output"] == SESSION["audio"]["output"] | {"speed": 1.2}
    settings.refused("second")
    assert settings.session == SESSION


def test_what_accepts_one_change_accepts_no_later_one():
    settings = Settings(SESSION)
    settings.change(voice("cedar"), "first")
    settings.change(changes_of({"audio": {"output": {"speed": 9 / 8}}}), "second")
    settings.accepted()
    settings.refused("second")
    assert settings.session["audio"]["output"] == SESSION["audio"]["output"] | {"voice": "cedar"}


def test_a_page_sees_no_instructions_and_no_tools():
    session = {"id": "s", "instructions": "secret", "tools": [{"authorization": "x"}], "audio": {}}
    assert shown_session(session) == {"id": "s", "audio": {}}


def test_a_page_sees_the_providers_session_under_ours():
    created = {"id": "s", "audio": {"output": {"voice": "alloy", "speed": 1.0}}, "tools": []}
    shown = Settings({"audio": {"output": {"voice": "marin"}}}).shown(created)
    assert shown == {"id": "s", "audio": {"output": {"voice": "marin", "speed": 1.0}}}


def test_an_empty_hint_takes_the_language_back():
    audio = {"input": {"transcription": {"model": "t", "language": "de"}}}
    hint = {"audio": {"input": {"transcription": {"language": None}}}}
    whole, _part = with_changes({"audio": audio}, changes_of(hint))
    assert whole["audio"]["input"]["transcription"] == {"model": "t"}


def test_a_persons_wishes_follow_the_sites_instructions_and_replace_each_other():
    ours = {"instructions": "Be kind."}
    for wish in ("Speak like a pirate.", "Speak slowly."):
        ours, part = with_changes(ours, changes_of({"instructions": wish}))
        assert part["instructions"] == ours["instructions"]
    assert ours["instructions"] == f"Be kind.\n\n{PERSON_ASKS}\nSpeak slowly."
    assert with_changes(ours, changes_of({"instructions": " "}))[0] == {"instructions": "Be kind."}


def test_wishes_stand_alone_where_the_site_has_no_instructions():
    whole, _part = with_changes({}, changes_of({"instructions": "Be brief."}))
    assert whole["instructions"] == f"{PERSON_ASKS}\nBe brief."


def test_a_change_to_what_the_model_lacks_is_refused_and_changes_nothing() -> None:
    settings = Settings(SESSION, Offered(["marin"], ["gpt-transcribe"]))
    for part, param in [
        ({"output": {"voice": "cedar"}}, "session.audio.output.voice"),
        (
            {"input": {"transcription": {"model": "other"}}},
            "session.audio.input.transcription.model",
        ),
    ]:
        with pytest.raises(Problem) as caught:
            settings.change(changes_of({"audio": part}), "event_1")
        assert (caught.value.code, caught.value.param) == ("not_offered", param)
    assert settings.session == SESSION


def test_a_change_to_what_the_model_has_is_made() -> None:
    settings = Settings(SESSION, Offered(None, ["gpt-transcribe", "other"]))
    changes = changes_of(
        {"audio": {"output": {"voice": "any"}, "input": {"transcription": {"model": "other"}}}}
    )
    part = settings.change(changes, "event_1")
    assert part["audio"]["output"] == {"voice": "any"}
    assert part["audio"]["input"]["transcription"]["model"] == "other"


def test_an_object_of_another_kind_takes_the_place_of_the_providers():
    told = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}
    ours = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    assert Settings(ours).shown(told) == ours
