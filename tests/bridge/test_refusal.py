from __future__ import annotations

from copy import deepcopy

import pytest

from realtime.bridge.refusal import without
from tests.bridge.doubles import Rig
from tests.scripted import session_created

TURNS = {"type": "server_vad", "threshold": 0.5}
SESSION = {
    "type": "realtime",
    "instructions": "Be brief.",
    "tools": [{"name": "clock"}, {"name": "no such thing!"}],
    "audio": {
        "input": {"format": {"type": "audio/pcm"}, "turn_detection": TURNS},
        "output": {"format": {"type": "audio/pcm"}, "voice": "marin", "speed": 3},
    },
}
REST = {
    "type": "realtime",
    "instructions": "Be brief.",
    "tools": SESSION["tools"],
    "audio": {"input": {"turn_detection": TURNS}},
}


def cut(*path: str | int) -> dict:
    left = deepcopy(SESSION)
    above = left
    for name in path[:-1]:
        above = above[name]
    del above[path[-1]]
    return left


@pytest.mark.parametrize(
    ("param", "left"),
    [
        ("session.audio.output.voice", cut("audio", "output", "voice")),
        ("session.voice", cut("audio", "output", "voice")),
        ("speed", cut("audio", "output", "speed")),
        ("session.instructions", cut("instructions")),
        ("session.tools[1].name", cut("tools", 1)),
        ("session.tools[7].name", cut("tools")),
        ("session.turn_detection.type", cut("audio", "input", "turn_detection")),
        ("session.audio.output.format.type", cut("audio", "output", "format")),
    ],
)
def test_what_is_named_is_left_out(param: str, left: dict) -> None:
    before = deepcopy(SESSION)
    assert without(SESSION, param) == left
    assert before == SESSION


@pytest.mark.parametrize(
    "param", [None, 7, "", "session", "session.type", "type", "format", "session.max_tokens", "a b"]
)
def test_where_it_is_not_known_what_there_is_what_is_needed_stays(param: object) -> None:
    assert without(SESSION, param) == REST
    assert without(REST, param) is None


def refused(param: str | None, event_id: str = "nextvoice_open_session") -> dict:
    told = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
    return {"type": "error", "error": told | {"param": param, "event_id": event_id}}


def test_a_session_is_opened_with_the_rest_of_what_was_refused() -> None:
    rig = Rig()
    rig.upstream.take()
    rig.provider(refused("session.audio.output.voice"))
    (again,) = rig.upstream.frames
    assert again["type"] == "session.update"
    assert again["session"]["instructions"] == "Be brief."
    assert "voice" not in again["session"]["audio"]["output"]
    assert rig.browser.types() == ["nextvoice.notice", "error"]


def test_it_is_not_asked_for_again_by_another_session() -> None:
    rig = Rig()
    rig.provider(refused("session.audio.output.voice"))
    rig.call.detach()
    rig.upstream.take()
    rig.attach()
    assert "voice" not in rig.upstream.frames[0]["session"]["audio"]["output"]


def test_what_is_refused_whatever_is_left_out_is_given_up() -> None:
    rig = Rig()
    for _ in range(5):
        rig.provider(refused(None))
    assert rig.upstream.types().count("session.update") == 1


def test_a_change_that_came_between_stands_and_can_be_refused_itself() -> None:
    rig = Rig()
    speed = {"audio": {"output": {"speed": 1.25}}}
    rig.page({"type": "session.update", "event_id": "mine", "session": speed})
    rig.provider(refused("session.audio.output.voice"))
    assert rig.call.settings.session["audio"]["output"]["speed"] == 1.25
    rig.provider(refused("session.audio.output.speed", "mine"))
    assert "speed" not in rig.call.settings.session["audio"]["output"]
    rig.provider(session_created() | {"type": "session.updated", "event_id": "e1"})
    assert "voice" not in rig.call.settings.session["audio"]["output"]
