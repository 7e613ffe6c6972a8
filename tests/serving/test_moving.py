"""A page that comes back through another worker: the old call lets go, a new one goes on.

Two real workers, no sticky sessions. The tests share a site; each has a conversation of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scripted import (
    Expect,
    ScriptedProvider,
    Send,
    Step,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)
from tests.servers import Redis
from tests.site import Caller, Person, Shell, Site

SECOND = 48000
WITHIN = 40
USAGE = {"input_tokens": 10, "output_tokens": 50, "output_token_details": {"audio_tokens": 50}}
OPENED: list[Step] = [Send(session_created()), Expect("session.update")]
WORDS = {
    "type": "response.output_audio_transcript.delta",
    **{"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0},
    "delta": "Once upon a time",
}
ANSWERING = Send(
    response_created(), item_added("item_a", None, "assistant"), WORDS, audio_delta(bytes(SECOND))
)
CANCELLED = [
    Expect("response.cancel", seconds=60),
    Send(response_done(status="cancelled", usage=USAGE)),
]
PRICE = (
    "from decimal import Decimal\n"
    "from realtime.models import Price\n"
    "Price.objects.create(model='scripted-1', text_in=Decimal(4), text_out=Decimal(16),"
    " audio_in=Decimal(32), audio_out=Decimal(64))"
)


@pytest.fixture(scope="module")
def site(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    with Site(folder, workers=2, REDIS_URL=redis.url) as running:
        running.run(PRICE)
        yield running


@pytest.fixture(scope="module")
def shell(site: Site) -> Iterator[Shell]:
    with Shell(site) as running:
        yield running


@pytest.fixture(scope="module")
def ann(site: Site) -> Person:
    return site.person("ann")


@pytest.fixture
def thread(ann: Person) -> str:
    return ann.new_conversation()


@asynccontextmanager
async def provider_of(shell: Shell, *first: Step) -> AsyncIterator[ScriptedProvider]:
    """A provider that does `first` in its first session, and nothing in others."""
    async with ScriptedProvider([*OPENED, *first], OPENED) as provider:
        words = ["Scripted", "--url", provider.url, "--model", "scripted-1", "--default"]
        shell.manage("provider", *words)
        yield provider


def kept(shell: Shell, thread: str) -> dict[str, Any]:
    found: dict[str, Any] = shell.run(
        "from chats.models import Message\n"
        "from realtime.models import CallRecord, Usage\n"
        f"calls = CallRecord.objects.filter(conversation={thread!r}).order_by('started')\n"
        f"messages = Message.objects.filter(conversation={thread!r}).order_by('position')\n"
        "rows = Usage.objects.filter(call_id__in=calls.values('pk')).order_by('created')\n"
        "tell({'messages': [[m.role, m.status, m.text] for m in messages],"
        " 'calls': list(calls.values_list('state', 'end_reason')),"
        " 'ledger': list(rows.values_list('key', 'source'))})"
    )
    return found


async def other_than(site: Site, worker: int) -> int:
    """The other worker, once there are two."""
    async with asyncio.timeout(WITHIN):
        while len(site.workers()) < 2:  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.05)
    (other,) = {*site.workers()} - {worker}
    return other


async def over(shell: Shell, thread: str) -> None:
    """Wait until every call of the conversation is finalised."""
    async with asyncio.timeout(WITHIN):
        while {c[0] for c in kept(shell, thread)["calls"]} != {"ended"}:  # noqa: ASYNC110 (polls)
            await asyncio.sleep(0.05)


async def said(shell: Shell, thread: str) -> None:
    """Wait until the words of the answer that is being given are stored."""
    async with asyncio.timeout(WITHIN):
        while kept(shell, thread)["messages"] != [  # noqa: ASYNC110 (a test may poll)
            ["assistant", "in_progress", "Once upon a time"]
        ]:
            await asyncio.sleep(0.05)


def wish(call: Caller) -> dict[str, Any]:
    """The frame with which a page asks for its call on another socket."""
    (ready,) = call.of("nextvoice.ready")
    token = ready["resume"]["token"]
    asks = {"type": "nextvoice.resume", "call_id": ready["call_id"], "token": token}
    return {**asks, "received": len(call.events)}


async def come_back(site: Site, worker: int, thread: str, person: Person, call: Caller) -> None:
    """Do as the page does: ask for the call, and start a new one when it cannot be had."""
    async with site.dial(worker, thread, person.cookie) as again:
        await again.send(wish(call))
        assert await again.ended() == ("not_resumable", 4410)
    async with site.dial(worker, thread, person.cookie) as again:
        assert (await again.start())["type"] == "nextvoice.ready"
        await again.send({"type": "nextvoice.hang_up"})
        assert await again.ended(WITHIN) == ("hang_up", 1000)


def told(provider: ScriptedProvider) -> list[str]:
    """What the second session was told of the first one's words."""
    items = [event["item"] for event in provider.visits[1].of_type("conversation.item.create")]
    return [part["text"] for item in items for part in item["content"]]


@pytest.mark.parametrize("redis_is", ["there", "away"])
async def test_a_page_that_comes_back_elsewhere_goes_on_with_all_that_was_said(
    site: Site, shell: Shell, ann: Person, thread: str, redis: Redis, redis_is: str
) -> None:
    async with provider_of(shell, ANSWERING, *CANCELLED) as provider:
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            await said(shell, thread)
            other = await other_than(site, site.worker_of(call))
            call.vanish()
            if redis_is == "away":
                redis.kill()
            try:
                await come_back(site, other, thread, ann, call)
                async with asyncio.timeout(WITHIN):
                    await provider.visits[0].over.wait()
                await over(shell, thread)
            finally:
                if redis_is == "away":
                    redis.start()
        found = kept(shell, thread)
    assert found == {
        "messages": [["assistant", "interrupted", "Once upon a time"]],
        "calls": [["ended", "moved"], ["ended", "hang_up"]],
        "ledger": [["resp_1", "reported"]],
    }
    assert told(provider) == ["Once upon a time"]
    assert len(provider.visits) == 2


async def test_a_page_whose_worker_was_killed_goes_on_in_the_other(
    site: Site, shell: Shell, ann: Person, thread: str
) -> None:
    async with provider_of(shell, ANSWERING) as provider:
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            await said(shell, thread)
            killed = site.worker_of(call)
            other = await other_than(site, killed)
            os.kill(killed, signal.SIGKILL)
            await call.until(lambda: call.over)
            loop = asyncio.get_running_loop()
            since = loop.time()
            await come_back(site, other, thread, ann, call)
            assert loop.time() - since < 5
            await asyncio.wait_for(provider.visits[0].over.wait(), WITHIN)
        # Time passes: nobody hears of the dead call any more.
        shell.run(
            "from datetime import timedelta\n"
            "from django.db.models import F\n"
            "from realtime.calls.janitor import sweep\n"
            "from realtime.models import CallRecord\n"
            "CallRecord.objects.update(heartbeat=F('heartbeat') - timedelta(minutes=2),"
            " ended=F('ended') - timedelta(minutes=2))\n"
            "sweep(patience=0), sweep(patience=0)"
        )
        found = kept(shell, thread)
    assert found == {
        "messages": [["assistant", "interrupted", "Once upon a time"]],
        "calls": [["ended", "process_died"], ["ended", "hang_up"]],
        "ledger": [["resp_1", "estimated"]],
    }
    assert told(provider) == ["Once upon a time"]


async def test_a_second_tab_in_another_worker_takes_over_and_the_first_may_not_take_back(
    site: Site, shell: Shell, ann: Person, thread: str
) -> None:
    async with provider_of(shell):
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            other = await other_than(site, site.worker_of(call))
            async with site.dial(other, thread, ann.cookie) as second:
                await second.start()
                assert await call.ended(WITHIN) == ("taken_over", 4409)
                async with site.dial(other, thread, ann.cookie) as again:
                    await again.send(wish(call))
                    assert await again.ended() == ("taken_over", 4409)
                await second.send({"type": "nextvoice.hang_up"})
                assert await second.ended(WITHIN) == ("hang_up", 1000)


async def test_nobody_else_ends_a_call_by_wishing_to_resume_it(
    site: Site, shell: Shell, ann: Person, thread: str
) -> None:
    async with provider_of(shell):
        eve = site.person("eve")
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            other = await other_than(site, site.worker_of(call))
            for worker in (other, site.worker_of(call)):
                async with site.dial(worker, eve.new_conversation(), eve.cookie) as again:
                    await again.send(wish(call))
                    assert await again.ended() == ("not_resumable", 4410)
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended(WITHIN) == ("hang_up", 1000)


@pytest.mark.parametrize("redis_is", ["there", "away"])
async def test_an_admin_hangs_up_a_call_of_any_worker(
    site: Site, shell: Shell, ann: Person, thread: str, redis: Redis, redis_is: str
) -> None:
    shell.run(
        "from chats.models import User\n"
        "User.objects.filter(username='boss').exists() or"
        " User.objects.create_superuser('boss', password='boss-password')"
    )
    boss = Person(site.url)
    boss.sign_in("boss", "boss-password")
    async with provider_of(shell) as provider, Caller.dial(site.url, thread, ann.cookie) as call:
        ready = await call.start()
        seen = await asyncio.to_thread(boss.get, "/admin/realtime/callrecord/live/")
        worker = f":{site.worker_of(call)}".encode()
        assert (seen.status, b"scripted-1" in seen.body, worker in seen.body) == (200, True, True)
        if redis_is == "away":
            redis.kill()
        try:
            path = f"/admin/realtime/callrecord/live/{ready['call_id']}/hang-up/"
            assert (await asyncio.to_thread(boss.post, path)).status == 302
            # At once by the hint; else when the call next looks into its row.
            ended = await call.ended(3 if redis_is == "there" else 15)
        finally:
            if redis_is == "away":
                redis.start()
        assert ended == ("admin_ended", 4403)
        assert "An administrator ended this call." in call.of("nextvoice.ended")[0]["message"]
        await asyncio.wait_for(provider.visits[0].over.wait(), WITHIN)
    await over(shell, thread)
    assert kept(shell, thread)["calls"] == [["ended", "admin_ended"]]
