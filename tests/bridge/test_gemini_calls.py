"""Whole calls over a socket, with a provider that speaks Gemini's protocol."""

from __future__ import annotations

import asyncio
from base64 import b64decode

import orjson
import pytest

from realtime.bridge import Limits, Tap
from realtime.bridge.dialects.base import SPENT
from realtime.bridge.dialects.gemini import GeminiLive
from tests.bridge.doubles import Rig
from tests.bridge.test_gemini import (
    CALL,
    DONE,
    PCM,
    calling,
    content,
    heard,
    resumable,
    spoken,
    target,
    voice,
)
from tests.bridge.test_run import HANG_UP, Running
from tests.bridge.test_tools import Box
from tests.scripted import Close, Expect, Hear, Raw, ScriptedProvider, Send, Until

pytestmark = pytest.mark.outside

SETUP = Expect("setup")
READY = Send({"setupComplete": {"sessionId": "s1"}})
SOON = Limits(reconnect_waits=(0.0,), rollover_deadline=0.05)


def run(provider, limits=SOON, **options):
    fields = {"dialect": "gemini", "model": "gemini-3.8-live"}
    return Running(provider, target=fields, limits=limits, **options)


def typed(text, item_id="t1"):
    part = {"type": "input_text", "text": text}
    item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
    return {"type": "conversation.item.create", "item": item}


def of(page, kind):
    return [f for f in page.frames if isinstance(f, dict) and f["type"] == kind]


async def finish(running):
    running.page.say(HANG_UP)
    return await running.record()


async def test_a_spoken_turn_and_an_interruption():
    script = [
        SETUP,
        READY,
        Hear(3_000),
        Send(heard("Tell me a story."), voice(), spoken("Once upon")),
        Send(content(interrupted=True), content(turnComplete=True)),
    ]
    async with ScriptedProvider(script) as provider:
        running = run(provider)
        await running.page.until("nextvoice.ready")
        for _ in range(5):
            running.page.say(bytes(960))
        await running.page.until("response.done")
        record = await finish(running)
        visit = provider.visits[0]
        await visit.over.wait()
    assert record.reason == "hang_up"
    (done,) = of(running.page, "response.done")
    assert done["response"]["status_details"]["reason"] == "turn_detected"
    assert PCM in running.page.frames
    assert len(of(running.page, "input_audio_buffer.speech_started")) == 2
    assert visit.headers["x-goog-api-key"] == "sk-scripted-0123456789"
    assert "key" not in visit.path
    # Gemini knows no cut of an answer, so it is told nothing of one.
    assert set(visit.types()) == {"setup"}


async def test_binary_frames_are_read_too_and_nonsense_is_passed_over():
    script = [SETUP, Raw(b'{"setupComplete":{}}'), Raw("{"), Raw("[]"), Send({"surprise": {}})]
    async with ScriptedProvider([*script, Send(voice()), *map(Send, DONE)]) as provider:
        running = run(provider)
        await running.page.until("response.done")
        record = await finish(running)
    assert (record.reason, record.skipped_events) == ("hang_up", 3)


@pytest.mark.parametrize("wire", [str, str.encode])
async def test_a_key_that_it_says_back_is_told_nobody(wire):
    key = "sk-scripted-0123456789"
    said = orjson.dumps(heard(f"my key is {key}")).decode()
    failed = orjson.dumps({"error": {"status": "INTERNAL", "message": f"rejected {key}"}}).decode()
    script = [SETUP, READY, Raw(wire(said)), Raw(wire(failed))]
    async with ScriptedProvider(script) as provider:
        running = run(provider)
        await running.page.until("error")
        await finish(running)
    assert provider.visits[0].headers["x-goog-api-key"] == key
    told = [frame for frame in running.page.frames if isinstance(frame, dict)]
    assert "my key is [key]" in str(told)
    assert key not in str(told)


async def test_what_is_typed_is_answered():
    script = [SETUP, READY, Expect("realtimeInput.text"), Send(voice()), *map(Send, DONE)]
    async with ScriptedProvider(script) as provider:
        running = run(provider)
        await running.page.until("nextvoice.ready")
        running.page.say(typed("Hello"))
        running.page.say({"type": "response.create"})
        await running.page.until("response.done")
        await finish(running)
    assert of(running.page, "conversation.item.added")[0]["item"]["id"] == "t1"
    assert provider.visits[0].problem is None


TONE = (b"\x00\x20" * 24 + b"\x00\xe0" * 24) * 10


class Speaking(Rig):
    """A call whose provider has told nothing yet of somebody who speaks."""

    def __init__(self):
        super().__init__(attached=False)
        self.begin()

    def begin(self):
        dialect = GeminiLive()
        dialect.url(target())
        list(dialect.greeting(self.call.settings.session))
        first = list(dialect.decode(orjson.dumps({"setupComplete": {"sessionId": "s"}})))
        self.call.attach(self.upstream, dialect, first)

    def speak(self, ms, loud=True):
        for _ in range(ms // 20):
            self.clock.now += 0.02
            self.call.from_browser(TONE if loud else bytes(960))

    def heard_again(self):
        """ms of it that another session is given."""
        self.call.detach()
        self.upstream.take()
        self.begin()
        told = [f["realtimeInput"]["audio"]["data"] for f in self.upstream.frames if len(f) == 1]
        return sum(len(b64decode(each)) for each in told) // 32


def test_who_speaks_and_has_not_been_told_of_is_heard_again_whole():
    rig = Speaking()
    rig.speak(1000, loud=False)
    assert (rig.call.is_quiet(), rig.heard_again() <= 500) == (True, True)
    rig.speak(5000)
    # Dated back, as much as any turn is.
    assert not rig.call.is_quiet()
    assert 5000 <= rig.heard_again() <= 5500
    assert 5000 <= rig.heard_again() <= 5500


def test_a_noise_of_which_nothing_comes_is_not_heard_again_for_ever():
    rig = Speaking()
    rig.speak(1000)
    rig.speak(6000, loud=False)
    assert rig.call.is_quiet()
    assert rig.heard_again() <= 500


class Told(Tap):
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


async def test_what_a_stopped_answer_cost_is_for_taps_only():
    stopped, tap = asyncio.Event(), Told()
    script = [SETUP, READY, Send(voice()), Until(stopped), Send(DONE[1], voice()), *map(Send, DONE)]
    async with ScriptedProvider(script) as provider:
        running = run(provider, taps=[tap])
        await running.page.until("nextvoice.audio")
        running.page.say({"type": "response.cancel"})
        await running.page.until("response.done")
        stopped.set()
        await running.page.until("response.done", 2)
        await finish(running)
    (spent,) = [event for event in tap.events if event["type"] == SPENT]
    assert spent["response_id"] == of(running.page, "response.done")[0]["response"]["id"]
    assert SPENT not in running.page.types()


async def test_hanging_up_in_an_answer_that_nobody_can_stop_waits_for_nothing():
    async with ScriptedProvider([SETUP, READY, Send(voice())]) as provider:
        running = run(provider, Limits(drain_seconds=30.0, finalise_seconds=30.0))
        await running.page.until("nextvoice.audio")
        running.page.say(HANG_UP)
        await running.page.until("nextvoice.ended")
        assert (await running.record()).reason == "hang_up"


async def test_a_function_is_called():
    async with ScriptedProvider([SETUP, READY, Send(calling(CALL))]) as provider:
        running = run(provider)
        await running.page.until("response.done")
        await finish(running)
    (done,) = of(running.page, "response.done")
    assert done["response"]["output"][0]["name"] == "get_weather"


async def test_a_function_that_is_wanted_no_more_is_stopped_and_nothing_is_asked():
    box, begun, tap = Box(), asyncio.Event(), Told()
    calls = [{"id": f"fc-{name}", "name": name, "args": {}} for name in ("wait", "echo")]
    taken = {"toolCallCancellation": {"ids": [call["id"] for call in calls]}}
    script = [SETUP, READY, Send(calling(*calls)), Until(begun), Send(heard("No"), taken, voice())]
    async with ScriptedProvider([*script, *map(Send, DONE)]) as provider:
        running = run(provider, toolbox=box, taps=[tap])
        await asyncio.wait_for(box.begun.wait(), 3)
        begun.set()
        await running.page.until("response.done", 2)
        tools = [event for event in tap.events if event["type"] == "nextvoice.tool"]
        await finish(running)
        sent = provider.visits[0].types()
    assert {tool["name"]: tool["state"] for tool in tools} == {
        "wait": "interrupted",
        "echo": "completed",
    }
    assert (box.cancelled, sent) == (True, ["setup"])


async def test_when_it_says_that_it_will_leave_another_session_goes_on():
    first = [SETUP, READY, Send(resumable("h-1"), {"goAway": {"timeLeft": "50s"}})]
    async with ScriptedProvider(first, [SETUP, READY]) as provider:
        running = run(provider)
        await running.page.until("session.created", 2)
        await provider.visits[0].over.wait()
        await finish(running)
    setup = provider.visits[1].events[0]["setup"]
    assert setup["sessionResumption"] == {"handle": "h-1"}
    assert "nextvoice.reconnecting" not in running.page.types()
    assert provider.visits[0].closed.by == "client"


async def test_a_handle_that_is_too_old_is_done_without():
    typed_first = [Expect("realtimeInput.text"), Send(voice(), spoken("Hi.")), *map(Send, DONE)]
    leaving = Send(resumable("h-1"), {"goAway": {"timeLeft": "1s"}})
    first = [SETUP, READY, *typed_first, leaving]
    refuses = [SETUP, Close(1007, "Request contains an invalid argument.")]
    async with ScriptedProvider(first, refuses, [SETUP, READY]) as provider:
        running = run(provider)
        await running.page.until("nextvoice.ready")
        running.page.say(typed("Hello"))
        running.page.say({"type": "response.create"})
        await running.page.until("session.created", 2)
        visit = await provider.visit(2)
        async with asyncio.timeout(3):
            await visit.expect("clientContent")
        await finish(running)
    setup, history = provider.visits[2].events[:2]
    assert setup["setup"]["sessionResumption"] == {}
    turns = history["clientContent"]["turns"]
    assert [turn["parts"][0]["text"] for turn in turns] == ["Hello", "Hi."]


async def test_a_changed_voice_begins_another_session_and_nobody_notices():
    async with ScriptedProvider([SETUP, READY, Send(resumable("h-1"))], [SETUP, READY]) as provider:
        running = run(provider)
        await running.page.until("nextvoice.ready")
        await asyncio.sleep(0.05)  # until the handle is there
        session = {"audio": {"output": {"voice": "Puck"}}}
        running.page.say({"type": "session.update", "session": session})
        await running.page.until("session.created", 2)
        await finish(running)
    setup = provider.visits[1].events[0]["setup"]
    voice_config = setup["generationConfig"]["speechConfig"]["voiceConfig"]
    assert voice_config["prebuiltVoiceConfig"]["voiceName"] == "Puck"
    assert setup["sessionResumption"] == {"handle": "h-1"}


async def test_a_broken_connection_is_mended_with_the_handle():
    first = [SETUP, READY, Send(resumable("h-1")), Close(1011, "Deadline expired")]
    gate = asyncio.Event()
    async with ScriptedProvider(first, [SETUP, READY, Until(gate)]) as provider:
        running = run(provider)
        await running.page.until("nextvoice.reconnected")
        gate.set()
        await finish(running)
    assert provider.visits[1].events[0]["setup"]["sessionResumption"] == {"handle": "h-1"}


async def test_what_google_refuses_with_ends_the_call_for_the_right_reason():
    for code, words, reason in (
        (1007, "API key not valid. Please pass a valid API key.", "provider_refused_key"),
        (
            1008,
            "models/x is not found for API version v1beta, or is not supported for "
            "bidiGenerateContent.",
            "provider_unknown_model",
        ),
        (1011, "You exceeded your current quota, please check your plan.", "provider_quota"),
        (1011, "RESOURCE_EXHAUSTED", "provider_quota"),
        (1007, "Request contains an invalid argument.", "provider_error"),
    ):
        async with ScriptedProvider([SETUP, Close(code, words)]) as provider:
            record = await run(provider).record()
        assert (record.reason, len(provider.visits)) == (reason, 1)
        assert record.provider_message == words
