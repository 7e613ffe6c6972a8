"""A process that has more calls than it can carry takes no more, and those that run go on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from chats.models import Conversation, User
from realtime import metrics
from realtime.calls import live
from realtime.calls.pace import (
    BEHIND_SECONDS,
    FULL_SHARE,
    LATE_SECONDS,
    OWN_SHARE,
    SCHEDSTAT,
    Pace,
    pace,
    worked_and_waited,
)
from realtime.models import CallRecord
from tests.realtime.calls.test_resume import HANG_UP, page_of
from tests.realtime.test_consumer import opened, provider_of, sign_in

QUICK, SLOW = LATE_SECONDS, LATE_SECONDS * 2
WITHIN = 30


def noted(*looks: tuple[float, float], worked: float = 0.0, waited: float = 0.0) -> bool:
    """`looks`: when, and how late; `worked` and `waited`: the loop's thread, of each second."""
    followed = Pace()
    for at, late in looks:
        followed.note(at, late, at * worked, at * waited)
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


@pytest.mark.parametrize(
    ("worked", "waited", "behind"),
    [
        (FULL_SHARE, 0.0, True),
        (OWN_SHARE, FULL_SHARE - OWN_SHARE, True),
        (FULL_SHARE - 0.01, 0.0, False),
        # Others have the processor. This one has few calls, and may have more.
        (OWN_SHARE - 0.01, 1.0 - OWN_SHARE, False),
    ],
)
def test_one_is_behind_that_never_rests_however_punctual_it_is(
    worked: float, waited: float, behind: bool
) -> None:
    assert noted((1, 0), (2, 0), (4, 0), worked=worked, waited=waited) is behind


def test_what_it_did_before_there_were_calls_says_nothing() -> None:
    followed = Pace()
    followed.note(1, 0, 1, 0)
    followed.rest()
    followed.note(100, 0, 10, 0)
    followed.note(100 + BEHIND_SECONDS, 0, 10, 0)
    assert not followed.behind


@pytest.mark.skipif(not SCHEDSTAT.exists(), reason="only Linux tells how long a thread waits")
def test_a_thread_is_known_to_work_and_to_wait_for_its_processor() -> None:
    cores = os.sched_getaffinity(0)
    one = str(min(cores))
    other = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with subprocess.Popen(["taskset", "-c", one, *other], stdout=subprocess.PIPE) as rival:
        try:
            assert rival.stdout is not None and rival.stdout.readline()
            os.sched_setaffinity(0, {int(one)})
            began, (worked, waited) = time.thread_time(), worked_and_waited()
            while time.thread_time() < began + 0.3:
                pass
            now_worked, now_waited = worked_and_waited()
        finally:
            os.sched_setaffinity(0, cores)
            rival.kill()
    assert 0.29 < now_worked - worked < 0.35
    assert now_waited - waited > 0.1


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not found():  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.01)


@pytest.mark.django_db(transaction=True)
async def test_a_loop_that_is_kept_busy_is_seen_to_be_late(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    monkeypatch.setattr(pace, "note", lambda at, late, *spent: seen.append(late))
    async with provider_of(opened()), page_of(here, conversation, cookie) as page:
        await page.start()
        await until(lambda: len(seen) > 0)
        time.sleep(1)  # noqa: ASYNC251 (what is to be seen)
        await until(lambda: max(seen) > LATE_SECONDS)
        await page.say(HANG_UP)
        assert await page.ended() == ("hang_up", 1000)


@pytest.mark.django_db(transaction=True)
async def test_who_comes_then_is_told_to_try_again_and_who_talks_goes_on(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = metrics.refused.labels("server_busy")
    before = refused._value.get()
    async with provider_of(opened(), opened()), page_of(here, conversation, cookie) as first:
        await first.start()
        async with page_of(here, conversation, cookie) as second:
            with monkeypatch.context() as slow:
                # However quick its loop is, it is not quick enough.
                slow.setattr("realtime.calls.pace.LATE_SECONDS", -1.0)
                slow.setattr("realtime.calls.pace.BEHIND_SECONDS", 0.5)
                await until(lambda: pace.behind)
                await second.dial({"type": "nextvoice.start"})
                assert await second.ended() == ("server_busy", 1013)
                # A call that runs may come back to its process, which carries it already.
                first.vanish()
                assert (await first.resume())["type"] == "nextvoice.resumed"
            assert (live.count(), refused._value.get() - before) == (1, 1)
            assert await CallRecord.objects.acount() == 1
            await until(lambda: not pace.behind)
            await first.say(HANG_UP)
            assert await first.ended() == ("hang_up", 1000)
        async with page_of(here, conversation, cookie) as third:
            await third.start()
            await third.say(HANG_UP)
            assert await third.ended() == ("hang_up", 1000)
