from typing import Any

import pytest

from tests.local.conftest import Rooms
from tests.local.room import error_of, tone


def audio_input(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


async def test_the_session_is_announced_first_with_its_end(rooms: Rooms) -> None:
    room = rooms(model="gpt-realtime-2.1", lasts_s=3600)
    session = room.events[0]["session"]
    assert room.kinds() == ["session.created"]
    assert (session["object"], session["model"]) == ("realtime.session", "gpt-realtime-2.1")
    assert session["id"].startswith("sess_")
    assert isinstance(session["expires_at"], int)


async def test_an_update_answers_with_the_whole_session(rooms: Rooms) -> None:
    room = rooms()
    before = room.events[0]["session"]
    (updated,) = room.update(instructions="Be kind.", output_modalities=["text"])
    expected = {**before, "instructions": "Be kind.", "output_modalities": ["text"]}
    assert (updated["type"], updated["session"]) == ("session.updated", expected)


async def test_turn_detection_keeps_what_is_not_named(rooms: Rooms) -> None:
    room = rooms()
    room.update(**audio_input(turn_detection={"type": "server_vad", "threshold": 0.8}))
    (updated,) = room.update(
        **audio_input(turn_detection={"type": "server_vad", "silence_duration_ms": 900})
    )
    detection = updated["session"]["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.8, 900)
    (updated,) = room.update(**audio_input(turn_detection={"type": "semantic_vad"}))
    assert updated["session"]["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    (updated,) = room.update(**audio_input(turn_detection=None))
    assert updated["session"]["audio"]["input"]["turn_detection"] is None


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
    ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
    ({"type": "banana"}, "invalid_value", "session.type"),
    ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
    ({"output_modalities": "audio"}, "invalid_type", "session.output_modalities"),
    ({"instructions": 5}, "invalid_type", "session.instructions"),
    ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
    ({"max_output_tokens": True}, "invalid_value", "session.max_output_tokens"),
    ({"model": "another"}, "invalid_value", "session.model"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"tools": [{"type": "mcp"}]}, "invalid_value", "session.tools[0].type"),
    ({"tools": [{"name": "x"}]}, "missing_required_parameter", "session.tools[0].type"),
    ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
    (
        {"truncation": {"type": "x"}},
        "missing_required_parameter",
        "session.truncation.retention_ratio",
    ),
    ({"truncation": 5}, "invalid_value", "session.truncation"),
    (
        {"tool_choice": {"type": "function"}},
        "missing_required_parameter",
        "session.tool_choice.name",
    ),
    ({"tool_choice": {"type": "x"}}, "invalid_value", "session.tool_choice.type"),
    ({"tracing": {"name": "x"}}, "unknown_parameter", "session.tracing.name"),
    (
        {"audio": {"output": {"voice": "robot"}}},
        "invalid_value",
        "session.audio.output.voice",
    ),
    ({"audio": {"output": {"speed": 9}}}, "invalid_value", "session.audio.output.speed"),
    (
        audio_input(format={"type": "audio/pcm", "rate": 16000}),
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (audio_input(format="pcm16"), "invalid_type", "session.audio.input.format"),
    (
        audio_input(turn_detection={"type": "server_vad", "threshold": 2}),
        "invalid_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        audio_input(turn_detection={"type": "semantic_vad", "idle_timeout_ms": 6000}),
        "unknown_parameter",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        audio_input(turn_detection={"threshold": 0.4}),
        "missing_required_parameter",
        "session.audio.input.turn_detection.type",
    ),
]


@pytest.mark.parametrize("most", [0, 4097, 1.5, True, "all", None])
async def test_a_wrong_number_of_tokens_is_answered_with_what_there_is(
    rooms: Rooms, most: Any
) -> None:
    error = error_of(rooms().update(max_output_tokens=most))
    assert error["code"] == "invalid_value"
    assert error["message"].endswith("must be from 1 to 4096 or 'inf'.")


@pytest.mark.parametrize(
    ("wanted", "choices"),
    [
        ({"tool_choice": "maybe"}, ["an object", "'none', 'auto', 'required'"]),
        ({"truncation": "most"}, ["'auto', 'disabled'", "an object"]),
        ({"tracing": 5}, ["'auto'", "an object"]),
    ],
)
async def test_what_may_be_one_of_several_is_answered_with_all_of_them(
    rooms: Rooms, wanted: dict[str, Any], choices: list[str]
) -> None:
    said = error_of(rooms().update(**wanted))["message"]
    assert [each for each in choices if each in said] == choices


@pytest.mark.parametrize(("wanted", "code", "param"), WRONG)
async def test_a_wrong_value_is_named_and_changes_nothing(
    rooms: Rooms, wanted: dict[str, Any], code: str, param: str
) -> None:
    room = rooms()
    before = room.session.config
    frame = {"type": "realtime", "instructions": "new", **wanted}
    error = error_of(room.send("session.update", event_id="mine", session=frame))
    assert (error["type"], error["code"], error["param"], error["event_id"]) == (
        "invalid_request_error",
        code,
        param,
        "mine",
    )
    assert room.session.config == before


async def test_the_type_of_the_session_must_be_said(rooms: Rooms) -> None:
    error = error_of(rooms().send("session.update", session={"instructions": "x"}))
    assert (error["code"], error["param"]) == ("missing_required_parameter", "session.type")


async def test_the_voice_cannot_change_once_it_was_heard(rooms: Rooms) -> None:
    room = rooms()
    await room.ask("hello")
    error = error_of(room.update(audio={"output": {"voice": "echo"}}))
    assert (error["code"], error["param"]) == ("cannot_update_voice", "session.audio.output.voice")
    assert room.update(audio={"output": {"voice": "marin", "speed": 1.5}})[0]["type"] == (
        "session.updated"
    )


async def test_changing_other_settings_while_someone_speaks_keeps_the_turn(rooms: Rooms) -> None:
    room = rooms()
    room.hear(bytes(48_000) + tone(600))
    room.update(instructions="changed meanwhile")
    room.hear(tone(300) + bytes(48_000))
    assert [event["type"] for event in room.events if "speech" in event["type"]] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
    ]


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('"x"', "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": "session.upgrade"}', "invalid_value", "type"),
        ('{"type": 7}', "invalid_value", "type"),
        ('{"type": "response.create", "event_id": 7}', "invalid_type", "event_id"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
        ('{"type": "x", "text": "\\ud800"}', "invalid_json", None),
        ('{"type": "x", "deep": ' + "[" * 90 + "]" * 90 + "}", "invalid_json", None),
        ("x" * (15 * 1024 * 1024 + 1), "event_too_large", None),
        (b"\x00\x01", "invalid_frame", None),
    ],
)
async def test_a_broken_frame_is_answered_and_the_session_lives(
    rooms: Rooms, frame: str | bytes, code: str, param: str | None
) -> None:
    room = rooms()
    error = error_of(room.send_raw(frame))
    assert (error["code"], error["param"]) == (code, param)
    assert room.update(instructions="alive")[0]["type"] == "session.updated"
