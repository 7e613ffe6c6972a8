from __future__ import annotations

import asyncio
import contextlib
import logging

import orjson
import pytest

from realtime.bridge import Limits, Tap, Timeouts, run_call
from tests.bridge.doubles import SESSION, Page, RecordingTap
from tests.scripted import (
    Close,
    Closing,
    Die,
    Expect,
    HangHandshake,
    Hear,
    Raw,
    Refuse,
    ScriptedProvider,
    Send,
    StopReading,
    Until,
    audio_delta,
    play,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

CANARY = "sk-canary-0123456789abcdef"
PCM = bytes(1920)
HANG_UP = {"type": "nextvoice.hang_up"}
STRICT = Timeouts(dns=0.3, tcp=0.3, total=0.3, close=0.1)


class Running:
    """A call under test: its `page`, `tap`, live `call` and `task`."""

    def __init__(self, provider, **options):
        self.page, self.tap = Page(), RecordingTap()
        fields = options.pop("target", {})
        taps = [self.tap, *options.pop("taps", [])]
        self.target = provider.target(**fields)
        run = run_call(self.page, self.target, SESSION, taps=taps, on_call=self._keep, **options)
        self.task = asyncio.create_task(run)

    def _keep(self, call):
        self.call = call

    async def record(self):
        async with asyncio.timeout(4):
            return await self.task


@contextlib.asynccontextmanager
async def calling(*script, **options):
    """A call that is ready, and its provider."""
    async with ScriptedProvider([Send(session_created()), *script]) as provider:
        running = Running(provider, **options)
        await running.page.until("nextvoice.ready")
        try:
            yield running, provider
        finally:
            running.task.cancel()
            await asyncio.wait({running.task})
            assert [t for t in asyncio.all_tasks() if "_Running" in repr(t.get_coro())] == []


async def test_a_whole_call_from_ready_to_hanging_up():
    gate = asyncio.Event()
    script = [
        Expect("session.update"),
        Hear(1920),
        Send(response_created(), audio_delta(PCM), response_done()),
        Until(gate),
    ]
    async with calling(*script, ready={"call_id": "c1"}) as (running, provider):
        running.page.say(PCM)
        await running.page.until("response.done")
        running.page.say(HANG_UP)
        record = await running.record()
        gate.set()
        await provider.visits[0].over.wait()
    assert running.page.types() == [
        "nextvoice.ready",
        "session.created",
        "response.created",
        "nextvoice.audio",
        "audio",
        "response.done",
        "nextvoice.ended",
    ]
    assert running.page.frames[0]["call_id"] == "c1"
    assert running.page.frames[-1]["reason"] == "hang_up"
    assert (record.reason, record.close_code) == ("hang_up", 1000)
    assert (record.user_ms, record.assistant_ms) == (40, 40)
    assert running.tap.ends == [record]
    assert provider.visits[0].audio == PCM
    assert provider.visits[0].closed == Closing("client", 1000, "")


async def test_an_answer_whose_end_never_comes_keeps_nobody_from_asking():
    script = [Send(response_created("r1")), Expect("response.create"), Send(response_created("r2"))]
    async with calling(*script, limits=Limits(silent_seconds=0.05)) as (running, _):
        await running.page.until("response.created")
        running.page.say({"type": "response.create"})
        await running.page.until("response.created", 2)
    answers = [kind for kind in running.page.types() if kind.startswith("response.")]
    assert answers[:3] == ["response.created", "response.done", "response.created"]


async def test_that_no_answer_has_come_is_told():
    script = [Expect("response.create"), Send(response_created("r1"))]
    async with calling(*script, limits=Limits(late_seconds=0.1)) as (running, _):
        running.page.say({"type": "response.create"})
        await running.page.until("nextvoice.notice")
        assert running.page.types()[-2:] == ["response.created", "nextvoice.notice"]
        assert running.page.frames[-1]["code"] == "answer_late"


async def test_of_an_answer_that_comes_in_time_nothing_is_told():
    answer = [response_created("r1"), audio_delta(PCM), response_done("r1")]
    gate = asyncio.Event()
    script = [Expect("response.create"), Send(*answer), Until(gate), Send(response_created("r2"))]
    async with calling(*script, limits=Limits(late_seconds=0.1)) as (running, _):
        running.page.say({"type": "response.create"})
        await running.page.until("response.done")
        asyncio.get_running_loop().call_later(0.2, gate.set)
        await running.page.until("response.created", 2)
    assert "nextvoice.notice" not in running.page.types()


async def test_a_recorded_call_reaches_the_page_event_by_event():
    async with ScriptedProvider([*play("ga_call.json", expect=False), Close(1000)]) as provider:
        running = Running(provider)
        record = await running.record()
    sent = [e.events[0]["type"] for e in play("ga_call.json", expect=False)]
    sent = [kind for kind in sent if kind != "response.output_audio.delta"]
    ours = ("nextvoice.ready", "nextvoice.audio", "nextvoice.ended", "audio")
    # The sample ends while somebody speaks, which is closed for the page.
    sent.append("input_audio_buffer.speech_stopped")
    assert [kind for kind in running.page.types() if kind not in ours] == sent
    assert record.reason == "provider_gone"
    assert record.skipped_events == 0


async def test_what_is_said_before_the_provider_is_ready_is_not_lost():
    gate = asyncio.Event()
    script = [Until(gate), Send(session_created()), Hear(1920)]
    async with ScriptedProvider(script) as provider:
        running = Running(provider)
        visit = await provider.visit()
        running.page.say(PCM)
        running.page.say({"type": "input_audio_buffer.commit"})
        gate.set()
        await running.page.until("nextvoice.ready")
        running.page.say(HANG_UP)
        await running.record()
        await visit.over.wait()
    assert visit.audio == PCM
    assert visit.types() == ["session.update", "input_audio_buffer.commit"]


async def test_the_history_opens_the_conversation():
    history = [{"type": "message", "role": "user", "content": []}]
    script = [Expect("session.update", "conversation.item.create")]
    async with calling(*script, history=history) as (running, provider):
        running.page.say(HANG_UP)
        await running.record()
        await provider.visits[0].over.wait()
    assert provider.visits[0].problem is None


# Each way to end


async def end_of(running):
    record = await running.record()
    assert running.tap.ends == [record]
    return record


async def test_a_page_that_leaves():
    async with calling() as (running, provider):
        running.page.leave(1001)
        assert (await end_of(running)).reason == "browser_gone"
        await provider.visits[0].over.wait()
    assert provider.visits[0].closed == Closing("client", 1000, "")


async def test_a_page_that_cannot_be_sent_to():
    gate = asyncio.Event()
    script = [Until(gate), Send(response_created())]
    async with calling(*script, limits=Limits(drain_seconds=0.02)) as (running, _):
        running.page.broken = True
        gate.set()
        assert (await end_of(running)).reason == "browser_gone"


async def test_a_page_that_leaves_while_the_provider_is_being_reached():
    async with ScriptedProvider([]) as provider:
        running = Running(provider)
        visit = await provider.visit()
        running.page.leave()
        assert (await end_of(running)).reason == "browser_gone"
        await visit.over.wait()


async def test_a_page_that_does_not_read():
    audio = [Send(audio_delta(bytes(4800))) for _ in range(400)]
    limits = Limits(stuck_seconds=0.05)
    async with calling(Expect("response.create"), *audio, limits=limits) as (running, _):
        running.page.blocked = asyncio.Event()
        running.page.say({"type": "response.create"})
        record = await end_of(running)
    assert (record.reason, record.close_code) == ("slow_reader", 4408)


async def test_a_page_that_reads_slowly_is_waited_for_in_bounded_memory():
    total = 150
    audio = [Send(audio_delta(bytes(48_000))) for _ in range(total)]  # 7.2 MB
    async with calling(Expect("response.create"), *audio) as (running, provider):
        gate = running.page.blocked = asyncio.Event()
        running.page.say({"type": "response.create"})
        visit = provider.visits[0]
        held = 0
        async with asyncio.timeout(3):
            # Until nothing moves any more: then the provider waits for us.
            while visit.step is None or held == 0 or held != running.tap.assistant_audio.__len__():
                held = len(running.tap.assistant_audio)
                await asyncio.sleep(0.03)
        assert held * 48_000 < 1_000_000
        assert isinstance(visit.step, Send)
        gate.set()
        await running.page.until("audio", total)
        running.page.say(HANG_UP)
        assert (await end_of(running)).reason == "hang_up"
    assert sum(len(f) for f in running.page.frames if isinstance(f, bytes)) == total * 48_000


async def test_a_page_that_floods():
    async with calling() as (running, _):
        for _ in range(300):
            running.page.say(PCM)
        assert (await end_of(running)).close_code == 4429


async def test_nobody_does_anything():
    # On a busy machine it may be over before the provider is there.
    async with ScriptedProvider([Send(session_created())]) as provider:
        running = Running(provider, limits=Limits(idle_seconds=0.02))
        assert (await end_of(running)).reason == "idle"


async def test_the_owner_ends_the_call():
    async with calling() as (running, _):
        running.call.end("taken_over")
        assert (await end_of(running)).close_code == 4409
    assert running.page.frames[-1]["reason"] == "taken_over"


async def test_the_owner_tells_the_page():
    async with calling() as (running, _):
        running.call.tell({"type": "nextvoice.title", "title": "Hi"})
        await running.page.until("nextvoice.title")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Close(1001, "Your session hit the maximum duration of 60 minutes."), "session_limit"),
        (Close(1008, "policy"), "provider_error"),
        (Close(1012), "provider_gone"),
        (Die(), "provider_gone"),
        (Raw("x" * 4_200_000), "provider_error"),
    ],
    ids=["limit", "1008", "1012", "cut", "oversize"],
)
async def test_a_provider_that_leaves(step, reason):
    limits = Limits(reconnect_waits=())
    async with calling(Send(response_created()), step, limits=limits) as (running, _):
        record = await end_of(running)
    assert record.reason == reason
    ended = running.page.frames[-1]
    assert (ended["type"], ended["reason"]) == ("nextvoice.ended", reason)
    # The answer under way is closed for page and taps, so that nobody waits for it.
    assert running.tap.events[-1]["response"]["status"] == "incomplete"


async def test_a_fatal_error_in_words_of_the_provider():
    error = {"type": "x", "code": "insufficient_quota", "message": f"Pay up, {CANARY}"}
    script = [Send({"type": "error", "error": error})]
    async with calling(*script, target={"key": CANARY}) as (running, _):
        record = await end_of(running)
    assert record.reason == "provider_quota"
    assert record.provider_message == "Pay up, [key]"
    assert running.page.frames[-1]["message"].endswith("(Pay up, [key])")


async def test_an_error_that_explains_the_close_after_it():
    error = {"type": "x", "code": "odd", "message": "Incorrect API key provided"}
    async with calling(Send({"type": "error", "error": error}), Close(1011)) as (running, _):
        record = await end_of(running)
    assert record.reason == "provider_refused_key"
    assert record.provider_message == "Incorrect API key provided"


@pytest.mark.parametrize(
    ("step", "reason", "close_code"),
    [
        (Refuse(401), "provider_refused_key", 4502),
        (Refuse(404), "provider_unknown_model", 4502),
        (Refuse(503), "provider_unreachable", 4502),
        (HangHandshake(), "provider_timeout", 4504),
        (Die(), "provider_gone", 4502),
    ],
    ids=["401", "404", "503", "hang", "cut"],
)
async def test_a_provider_that_cannot_be_had(step, reason, close_code):
    async with ScriptedProvider([step]) as provider:
        running = Running(provider, target={"timeouts": STRICT})
        record = await end_of(running)
    assert (record.reason, record.close_code) == (reason, close_code)
    assert (record.duration_ms, running.page.types()) == (0, ["nextvoice.ended"])


async def test_an_answer_nobody_will_hear_is_cancelled_and_its_usage_seen():
    usage = {"total_tokens": 7}
    script = [
        Send(response_created()),
        Expect("response.cancel"),
        Send(response_done(status="cancelled", usage=usage)),
    ]
    async with calling(*script) as (running, provider):
        await running.page.until("response.created")
        running.page.leave()
        record = await end_of(running)
        await provider.visits[0].over.wait()
    assert record.reason == "browser_gone"
    assert running.tap.events[-1]["response"]["usage"] == usage
    assert provider.visits[0].problem is None


async def test_a_cancelled_answer_is_not_waited_for_for_ever():
    script = [Send(response_created()), StopReading()]
    limits = Limits(drain_seconds=0.05)
    async with calling(*script, limits=limits) as (running, _):
        await running.page.until("response.created")
        running.page.say(HANG_UP)
        assert (await end_of(running)).reason == "hang_up"


async def test_waiting_for_what_an_answer_cost_leaves_time_to_finalise():
    finalised = []

    async def finalise(record):
        await asyncio.sleep(0.1)
        finalised.append(record.reason)

    script = [Send(response_created()), StopReading()]
    limits = Limits(drain_seconds=0.1, finalise_seconds=0.35)
    async with calling(*script, limits=limits, finalise=finalise) as (running, _):
        await running.page.until("response.created")
        running.page.say(HANG_UP)
        await end_of(running)
    assert finalised == ["hang_up"]


# Winding down whatever happens


async def test_cancelling_the_call_winds_it_down_first():
    finalised = []

    async def finalise(record):
        await asyncio.sleep(0.01)
        finalised.append(record.reason)

    async with calling(finalise=finalise) as (running, provider):
        running.task.cancel()
        await asyncio.sleep(0)
        running.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running.record()
        await provider.visits[0].over.wait()
    assert finalised == ["server_stopping"]
    assert [record.reason for record in running.tap.ends] == ["server_stopping"]
    assert running.page.frames[-1]["reason"] == "server_stopping"


async def test_what_finalising_tells_comes_before_the_end():
    async def finalise(record):
        running.call.tell({"type": "nextvoice.saved"})

    async with calling(finalise=finalise) as (running, _):
        running.page.say(HANG_UP)
        await running.record()
        running.call.tell({"type": "nextvoice.saved"})
    assert running.page.types()[-2:] == ["nextvoice.saved", "nextvoice.ended"]


@pytest.mark.parametrize("failing", ["hangs", "raises"])
async def test_finalising_that_fails_holds_up_nothing(failing):
    async def finalise(record):
        if failing == "raises":
            raise RuntimeError("disk")
        await asyncio.Event().wait()

    limits = Limits(finalise_seconds=0.05)
    async with calling(finalise=finalise, limits=limits) as (running, provider):
        running.page.say(HANG_UP)
        assert (await end_of(running)).reason == "hang_up"
        await provider.visits[0].over.wait()


async def test_an_error_of_ours_ends_the_call_and_finalises(caplog):
    class Breaking(Page):
        async def receive(self):
            raise KeyError("ours")

    async with ScriptedProvider([Send(session_created())]) as provider:
        page, tap = Breaking(), RecordingTap()
        record = await run_call(page, provider.target(), SESSION, taps=[tap])
    assert (record.reason, record.close_code, record.detail) == ("internal_error", 1011, "KeyError")
    assert tap.ends == [record]
    assert page.frames[-1]["reason"] == "internal_error"


async def test_an_owner_that_cannot_take_the_call_up_ends_it(caplog):
    def on_call(call):
        raise RuntimeError("ours")

    async with ScriptedProvider([Send(session_created())]) as provider:
        record = await run_call(Page(), provider.target(), SESSION, on_call=on_call)
    assert record.reason == "internal_error"


async def test_a_call_ended_before_it_began_winds_down_too():
    def on_call(call):
        call.end("taken_over")

    async with ScriptedProvider([Send(session_created())]) as provider:
        record = await run_call(Page(), provider.target(), SESSION, on_call=on_call)
    assert record.reason == "taken_over"


async def test_a_failing_tap_ends_nothing(caplog):
    class Failing(Tap):
        def on_event(self, event):
            raise RuntimeError("tap")

        def on_end(self, record):
            raise RuntimeError("tap")

    script = [Send(response_created(), response_done())]
    async with calling(*script, taps=[Failing()]) as (running, _):
        await running.page.until("response.done")
        running.page.say(HANG_UP)
        assert (await end_of(running)).reason == "hang_up"


def test_a_loop_that_is_torn_down_still_tells_the_taps():
    tap = RecordingTap()

    async def main():
        async with ScriptedProvider([Send(session_created())]) as provider:
            page = Page()
            call = asyncio.create_task(run_call(page, provider.target(), SESSION, taps=[tap]))
            await page.until("nextvoice.ready")
            del call  # asyncio.run cancels every task that is left

    asyncio.run(main())
    assert len(tap.ends) == 1


async def test_the_key_is_in_nothing_the_page_or_the_log_gets(caplog):
    caplog.set_level(logging.DEBUG)
    seen: list[object] = []
    scripts = [
        [Refuse(401, orjson.dumps({"error": {"message": CANARY}}))],
        [Send(session_created(CANARY)), Close(1008, f"key {CANARY}")],
        [
            Send(session_created()),
            Send({"type": "error", "error": {"code": "invalid_value", "message": CANARY}}),
            Send(response_done(status="failed", status_details={"error": {"message": CANARY}})),
            Die(),
        ],
    ]
    async with ScriptedProvider(*scripts) as provider:
        for _ in scripts:
            running = Running(
                provider,
                target={"key": CANARY, "query": {"token": CANARY}},
                limits=Limits(reconnect_waits=()),
            )
            record = await running.record()
            seen += [running.page.frames, record, running.tap.events]
    seen += [r.getMessage() + (r.exc_text or "") for r in caplog.records]
    assert [each for each in seen if CANARY in repr(each)] == []


# Waiting for what an answer cost, without a browser


class Patient(RecordingTap):
    """A tap that waits for the last answer's usage."""

    lingers = True


async def test_a_late_account_of_an_answer_is_heard_after_the_browser_was_let_go():
    told = asyncio.Event()
    script = [
        Send(response_created()),
        Expect("response.cancel"),
        Until(told),
        Send(response_done(status="cancelled", usage={"total_tokens": 7})),
    ]
    tap, ended = Patient(), []

    def on_ended(record):
        ended.append((record.reason, len(tap.ends)))
        told.set()

    limits = Limits(drain_seconds=0.02)
    async with calling(*script, limits=limits, taps=[tap], on_ended=on_ended) as (running, _):
        await running.page.until("response.created")
        running.page.leave()
        await end_of(running)
    assert ended == [("browser_gone", 0)]
    assert tap.events[-1]["response"]["usage"] == {"total_tokens": 7}
    assert [record.reason for record in tap.ends] == ["browser_gone"]


async def test_what_is_never_accounted_for_is_closed_without_usage():
    script = [Send(response_created()), StopReading()]
    tap = Patient()
    limits = Limits(drain_seconds=0.02, usage_seconds=0.05)
    async with calling(*script, limits=limits, taps=[tap]) as (running, _):
        await running.page.until("response.created")
        running.page.say(HANG_UP)
        await end_of(running)
    assert tap.events[-1]["response"]["usage"] is None
    assert tap.events[-1]["response"]["status_details"]["reason"] == "connection_lost"
    assert len(tap.ends) == 1
