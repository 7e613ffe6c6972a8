"""How long a silent provider is waited for."""

from __future__ import annotations

import asyncio

import pytest

from realtime.bridge import Timeouts
from realtime.bridge.pulse import BEHIND, BUSY, IGNORANT, STEPS, Pulse

QUICK = Timeouts(ping_every=0.001, ping_wait=0.004)


class Line:
    """A connection on which only what the test lets arrive does. `backlogs`: what `backlog` returns
    at each check; None: something arrives."""

    def __init__(self, backlogs=(), *, answers_pings=True):
        self.lost = asyncio.get_running_loop().create_future()
        self.answers_pings = answers_pings
        self.arrivals = self.pings = self.looks = 0
        self.backlogs = iter(backlogs)

    def ping_now(self):
        self.pings += 1

    def backlog(self):
        self.looks += 1
        found = next(self.backlogs, (0, 0))
        if found is None:
            self.arrivals += 1
            return 0, 0
        return found


class Listening:
    """A call that waits for the provider to do something, or does not."""

    def __init__(self, *, awaits=False):
        self.samples, self.proven, self.awaits = 0, float("inf"), awaits


async def looks(line, call=None, reads=True):
    """Watch the line until it is given up; returns how often it was checked."""
    reading = asyncio.Event()
    if reads:
        reading.set()
    async with asyncio.timeout(3):
        await Pulse(line, QUICK, reading).watch(call)
    return line.looks


DEAD = [(0, 0)] * 1000
STUCK = [(BEHIND + 1, 7)] * 1000


@pytest.mark.parametrize("backlogs", [DEAD, STUCK], ids=["stopped", "nothing gets there"])
@pytest.mark.parametrize(
    ("awaits", "answers_pings", "times"),
    [(False, True, 1), (True, True, BUSY), (False, False, IGNORANT)],
    ids=["listens", "is busy", "answers no pings"],
)
async def test_who_is_silent_is_given_up(backlogs, awaits, answers_pings, times):
    line = Line(backlogs, answers_pings=answers_pings)
    most = times * STEPS
    assert most - 1 <= await looks(line, Listening(awaits=awaits)) <= most + 1


async def test_a_slow_line_that_moves_is_waited_for():
    moves = [(BEHIND + 1, n) for n in range(20 * STEPS)]
    assert await looks(Line([*moves, *DEAD]), Listening()) >= 20 * STEPS


async def test_who_once_took_long_is_given_more_time():
    line = Line([*[(0, 0)] * (STEPS - 2), None, *DEAD])
    assert await looks(line, Listening()) >= STEPS + 2 * STEPS - 2


async def test_of_what_is_not_read_nothing_is_judged():
    line = Line(DEAD)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await looks(line, Listening(), reads=False)


async def test_a_call_knows_up_to_where_its_provider_was_there():
    line, call = Line([None, None, *DEAD]), Listening()

    def ping_now():
        line.pings += 1
        call.samples = 100 * line.pings

    line.ping_now = ping_now
    await looks(line, call)
    # Two pings were answered after the first one, each of which comes after what was sent.
    assert (line.pings, call.proven) == (4, 200)
