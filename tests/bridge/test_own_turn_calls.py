"""Whole calls over sockets, with a provider that has no turn detection: what the person does to
turns, and what the provider gets."""

from __future__ import annotations

import asyncio

import pytest

from realtime.bridge import Limits
from realtime.bridge.audio import ms_to_bytes
from tests.bridge.test_run import HANG_UP, Running
from tests.local.recordings import microphone
from tests.scripted import (
    Expect,
    ScriptedProvider,
    Send,
    Until,
    audio_delta,
    item_added,
    load_wire,
    response_created,
    response_done,
)

pytestmark = pytest.mark.outside

PIECE = ms_to_bytes(40)
HELLO = microphone("hello_what_time.wav")
SPEECH = HELLO[: ms_to_bytes(4_500)]
UNFINISHED = HELLO[: ms_to_bytes(2_500)]
FAST = Limits(flood_burst=60.0)  # people here speak in no time
QUIET = bytes(ms_to_bytes(1_000))
CREATE, CANCEL, COMMIT = "response.create", "response.cancel", "input_audio_buffer.commit"
UPDATE = "session.update"
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
OPENING = [e["event"] for e in load_wire("minimax_call.json") if e["dir"] == "s2c"]
OPENED = [
    Send(*(e for e in OPENING if e["type"] in ("session.created", "conversation.created"))),
    Expect(UPDATE),
    Send(*(e for e in OPENING if e["type"] == "session.updated")),
]


def committed(item_id: str) -> Send:
    kind = "input_audio_buffer.committed"
    return Send({"type": kind, "item_id": item_id, "previous_item_id": None})


def spoken(response_id: str, item_id: str) -> tuple[dict, ...]:
    """The beginning of a spoken answer."""
    return (
        response_created(response_id),
        item_added(item_id, None, role="assistant"),
        audio_delta(bytes(PIECE), item_id=item_id, response_id=response_id),
    )


def speak(running: Running, pcm: bytes) -> None:
    for at in range(0, len(pcm), PIECE):
        running.page.say(pcm[at : at + PIECE])


def turn_events(running: Running) -> list[str]:
    return [kind for kind in running.page.types() if kind in (STARTED, STOPPED)]


def asked(visit) -> list[str]:
    return [kind for kind in visit.types() if kind in (CREATE, CANCEL, COMMIT)]


async def hung_up(running: Running, provider: ScriptedProvider):
    """End the call; returns the provider's only visit, in which everything was as expected."""
    running.page.say(HANG_UP)
    assert (await running.record()).reason == "hang_up"
    (visit,) = provider.visits
    await visit.over.wait()
    assert visit.problem is None
    return visit


async def test_an_answer_that_is_talked_over_is_stopped_and_the_next_turn_answered():
    script = [
        *OPENED,
        Expect(COMMIT, CREATE),
        committed("msg_001"),
        Send(*spoken("resp_1", "msg_002")),
        Expect(CANCEL),
        Send(response_done("resp_1", "cancelled")),
        Expect(COMMIT, CREATE),
        committed("msg_003"),
        Send(*spoken("resp_2", "msg_004"), response_done("resp_2")),
    ]
    async with ScriptedProvider(script) as provider:
        running = Running(provider, target={"dialect": "minimax"}, limits=FAST)
        await running.page.until("nextvoice.ready")
        speak(running, SPEECH)
        await running.page.until("audio")
        speak(running, SPEECH)
        await running.page.until("response.done", 2)
        visit = await hung_up(running, provider)
    assert turn_events(running) == [STARTED, STOPPED, STARTED, STOPPED]
    assert asked(visit) == [COMMIT, CREATE, CANCEL, COMMIT, CREATE]
    done = [f for f in running.page.frames if isinstance(f, dict) and f["type"] == "response.done"]
    assert [each["response"]["status"] for each in done] == ["cancelled", "completed"]


async def test_a_microphone_that_is_muted_in_the_middle_of_a_word_ends_the_turn():
    script = [
        *OPENED,
        Expect(COMMIT, CREATE),
        committed("msg_001"),
        Send(*spoken("resp_1", "msg_002"), response_done("resp_1")),
    ]
    async with ScriptedProvider(script) as provider:
        running = Running(provider, target={"dialect": "minimax"}, limits=FAST)
        await running.page.until("nextvoice.ready")
        speak(running, UNFINISHED)
        await running.page.until(STARTED)
        assert turn_events(running) == [STARTED]
        # What a muted page sends until it is told that the turn is over; then nothing more.
        speak(running, QUIET)
        await running.page.until("response.done")
        visit = await hung_up(running, provider)
    assert turn_events(running) == [STARTED, STOPPED]
    assert asked(visit) == [COMMIT, CREATE]


async def test_the_way_of_taking_turns_changes_and_changes_back():
    gate = asyncio.Event()
    script = [
        *OPENED,
        Expect(COMMIT, CREATE, UPDATE),
        committed("msg_001"),
        Send(*spoken("resp_1", "msg_002"), response_done("resp_1")),
        Expect(COMMIT, CREATE),
        committed("msg_003"),
        Send(*spoken("resp_2", "msg_004"), response_done("resp_2")),
        Until(gate),
        Expect(COMMIT, CREATE),
        committed("msg_005"),
        Send(*spoken("resp_3", "msg_006"), response_done("resp_3")),
    ]
    async with ScriptedProvider(script) as provider:
        running = Running(provider, target={"dialect": "minimax"}, limits=FAST)
        await running.page.until("nextvoice.ready")
        speak(running, UNFINISHED)
        await running.page.until(STARTED)
        # To hold to talk: the turn under way is answered.
        running.page.say(detection(None))
        await running.page.until("response.done")
        # The page alone says now what is a turn.
        speak(running, SPEECH)
        running.page.say({"type": COMMIT})
        running.page.say({"type": CREATE})
        await running.page.until("response.done", 2)
        assert turn_events(running) == [STARTED, STOPPED]
        gate.set()
        # And hands-free again.
        running.page.say(detection({"type": "server_vad"}))
        speak(running, SPEECH)
        await running.page.until("response.done", 3)
        visit = await hung_up(running, provider)
    assert turn_events(running) == [STARTED, STOPPED] * 2
    assert asked(visit) == [COMMIT, CREATE] * 3


def detection(wanted: dict | None) -> dict:
    return {
        "type": UPDATE,
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": wanted}}},
    }
