"""A process that has more calls than it can carry takes no more, and those that run go on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chats.models import Conversation, User
from realtime import live, metrics
from realtime.models import CallRecord
from realtime.pace import BEHIND_SECONDS, LATE_SECONDS, Pace, pace
from tests.realtime.test_consumer import opened, provider_of, sign_in
from tests.realtime.test_resume import HANG_UP, page_of

QUICK, SLOW = LATE_SECONDS, LATE_SECONDS * 2
WITHIN = 30


def noted(*looks: tuple[float, float]) -> bool:
    followed = Pace()
    for at, late in looks:
        followed.note(at, late)
    return followed.behind


@pytest.mark.parametrize(
    ("looks", "behind"),
    [
        ([], False),
        ([(0, QUICK), (BEHIND_SECONDS, QUICK)], False),
        ([(0, SLOW), (BEHIND_SECONDS / 2, SLOW)], False),
        ([(0, SLOW), (BEHIND_SECONDS, SLOW)], True),
        ([(0, SLOW), (BEHIND_SECONDS / 2, QUICK), (BEHIND_SECONDS, SLOW)], False),
        ([(0, SLOW), (BEHIND_SECONDS, SLOW), (BEHIND_SECONDS * 2, QUICK)], False),
        ([(0, BEHIND_SECONDS)], True),
    ],
)
def test_one_is_behind_that_was_late_all_the_time(
    looks: list[tuple[float, float]], behind: bool
) -> None:
    assert noted(*looks) is behind


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


@asynccontextmanager
async def too_much_to_do() -> AsyncIterator[None]:
    """The loop has something else to do, all the time, until it is behind and afterwards."""
    over = threading.Event()

    async def work() -> None:
        while not over.is_set():
            time.sleep(SLOW)  # noqa: ASYNC251 (what is to be shown)
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    try:
        async with asyncio.timeout(WITHIN):
            while not pace.behind:  # noqa: ASYNC110 (a test may poll)
                await asyncio.sleep(0.01)
        yield
    finally:
        over.set()
        await working


@pytest.mark.django_db(transaction=True)
async def test_who_comes_then_is_told_to_try_again_and_who_talks_goes_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    refused = metrics.refused.labels("server_busy")
    before = refused._value.get()
    async with provider_of(opened(), opened()), page_of(here, conversation, cookie) as first:
        await first.start()
        async with page_of(here, conversation, cookie) as second:
            async with too_much_to_do():
                await second.dial({"type": "nextvoice.start"})
                assert await second.ended() == ("server_busy", 1013)
                # A call that runs may come back to its process, which carries it already.
                first.vanish()
                assert (await first.resume())["type"] == "nextvoice.resumed"
            assert (live.count(), refused._value.get() - before) == (1, 1)
            assert await CallRecord.objects.acount() == 1
            async with asyncio.timeout(WITHIN):
                while pace.behind:  # noqa: ASYNC110 (a test may poll)
                    await asyncio.sleep(0.01)
            await first.say(HANG_UP)
            assert await first.ended() == ("hang_up", 1000)
        async with page_of(here, conversation, cookie) as third:
            await third.start()
            await third.say(HANG_UP)
            assert await third.ended() == ("hang_up", 1000)
