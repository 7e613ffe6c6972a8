"""A session that is replaced before the provider ends it."""

from __future__ import annotations

import asyncio
import time

import pytest

from realtime.bridge import Limits
from tests.bridge.test_run import HANG_UP, Running
from tests.scripted import (
    Close,
    Expect,
    Refuse,
    ScriptedProvider,
    Send,
    Until,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

SOON = Limits(reconnect_waits=(0.0,), rollover_seconds=60.0, rollover_deadline=0.05)


def ending_in(seconds, *steps, session_id="sess_1"):
    """A script whose session says that it will end so soon."""
    expires_at = time.time() + seconds
    return [Send(session_created(session_id, expires_at=expires_at)), *steps]


def typed(text, item_id="t1"):
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item}


async def test_another_session_takes_over_and_nobody_notices():
    fresh = [Send(session_created("sess_2")), Expect("conversation.item.create")]
    first = ending_in(1.0, Expect("conversation.item.create"), Send(item_added("t1", None)))
    async with ScriptedProvider(first, fresh) as provider:
        running = Running(provider, limits=SOON)
        await running.page.until("nextvoice.ready")
        running.page.say(typed("Hello"))
        await running.page.until("session.created", 2)
        await provider.visits[0].over.wait()
        running.page.say(HANG_UP)
        record = await running.record()
        await provider.visits[1].over.wait()
    assert record.reason == "hang_up"
    assert running.page.types() == [
        "nextvoice.ready",
        "session.created",
        "conversation.item.added",
        "session.created",
        "nextvoice.ended",
    ]
    [item] = provider.visits[1].of_type("conversation.item.create")
    assert item["item"]["content"][0]["text"] == "Hello"
    assert provider.visits[1].problem is None
    # The old one is let go politely, and only then.
    assert provider.visits[0].closed.by == "client"


async def test_an_answer_under_way_is_let_finish():
    gate = asyncio.Event()
    first = ending_in(
        0.4, Send(response_created(), audio_delta(bytes(2400))), Until(gate), Send(response_done())
    )
    fresh = [Send(session_created("sess_2"))]
    limits = Limits(rollover_seconds=60.0, rollover_deadline=0.0)
    async with ScriptedProvider(first, fresh) as provider:
        running = Running(provider, limits=limits)
        await running.page.until("audio")
        await asyncio.sleep(0.25)  # the takeover is due by now
        assert len(provider.visits) == 1
        gate.set()
        await running.page.until("session.created", 2)
        running.page.say(HANG_UP)
        await running.record()
    done = [f for f in running.page.frames if isinstance(f, dict) and f["type"] == "response.done"]
    assert [f["response"]["status"] for f in done] == ["completed"]


async def test_an_answer_without_end_is_broken_off_in_time():
    first = ending_in(0.4, Send(response_created()))
    async with ScriptedProvider(first, [Send(session_created("sess_2"))]) as provider:
        running = Running(provider, limits=SOON)
        await running.page.until("session.created", 2)
        running.page.say(HANG_UP)
        await running.record()
    kinds = running.page.types()
    assert kinds.index("response.done") < len(kinds) - 1 - kinds[::-1].index("session.created")
    assert "nextvoice.reconnecting" not in kinds


async def test_when_no_session_can_be_had_the_call_stays_with_the_old_one():
    gate = asyncio.Event()
    first = ending_in(0.4, Until(gate), Close(1001))
    last = [Send(session_created("sess_2"))]
    async with ScriptedProvider(first, [Refuse(503)], last) as provider:
        running = Running(provider, limits=SOON)
        async with asyncio.timeout(3):
            while not provider.refused:  # noqa: ASYNC110 (a test may poll)
                await asyncio.sleep(0.01)
        assert running.call.ended is None
        gate.set()
        await running.page.until("session.created", 2)
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"


async def test_hanging_up_while_the_next_session_waits_closes_both():
    first = ending_in(0.4, Send(response_created()))
    limits = Limits(rollover_seconds=60.0, rollover_deadline=0.0, drain_seconds=0.02)
    async with ScriptedProvider(first, [Send(session_created("sess_2"))]) as provider:
        running = Running(provider, limits=limits)
        await running.page.until("response.created")
        running.call.answering.active = None  # quiet for a moment, so that one is opened
        await provider.visit(1)
        running.call.answering.active = "resp_1"
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"
        for visit in provider.visits:
            await visit.over.wait()


async def test_a_time_that_has_passed_or_makes_no_sense_changes_nothing():
    for expires_at in (0, 1, "soon", None, True):
        async with ScriptedProvider([Send(session_created(expires_at=expires_at))]) as provider:
            running = Running(provider, limits=SOON)
            await running.page.until("session.created")
            await asyncio.sleep(0.02)
            running.page.say(HANG_UP)
            await running.record()
            assert len(provider.visits) == 1
