"""Detects a provider that is gone: when nothing arrives from it, it is pinged.

A connection can be dead without being closed: the network drops everything, or the provider's
process is stopped. A provider that is silent for too long after a ping is given up; how long that
is depends on what else it has to do.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .dialects.target import Timeouts
from .stream import Stream

STEP, STEPS = 0.5, 4
"""Seconds between two checks, and how many checks there are at least before giving up."""
BUSY = 2
"""Factor of the waiting time for a provider that has work to do, which may delay its pongs."""
IGNORANT = 2.5
"""The same for a provider that never answered a ping, although every server has to."""
BEHIND = 64_000
"""With more bytes than this still to be sent (a second of speech), the line is slow, and so the
ping arrives late."""


class Listening(Protocol):
    """A call, as far as it matters here."""

    samples: int
    proven: float

    @property
    def awaits(self) -> bool:
        """Whether the provider has anything to do besides listening."""


class Pulse:
    """The signs of life of one connection. `reads` is set while anything is read from it.

    Waiting is counted in sleeps, not read off the clock: while this process itself stands still,
    it has not waited.
    """

    def __init__(self, socket: Stream, timeouts: Timeouts, reads: asyncio.Event) -> None:
        self._socket = socket
        self._timeouts = timeouts
        self._reads = reads
        self._slowest = 0.0  # seconds that a sign of life took to come

    async def watch(self, call: Listening | None) -> None:
        """Return when the provider is gone. Until then `call.proven` is kept up to date: the sample
        up to which the provider was there."""
        socket = self._socket
        socket.ping_now()  # to know in time whether it answers pings at all
        while not socket.lost.done():
            before, sent = socket.arrivals, _sent(call)
            await asyncio.sleep(self._timeouts.ping_every)
            if socket.arrivals == before:
                # The ping follows all that was sent, so a pong shows that all of it was read.
                sent = _sent(call)
                socket.ping_now()
                if not await self._is_answered(before, call):
                    return
            if call is not None and socket.arrivals != before:
                call.proven = sent

    async def _is_answered(self, before: int, call: Listening | None) -> bool:
        """Whether anything arrives after the first `before` arrivals; True also when that cannot
        be known now."""
        socket, step = self._socket, min(STEP, self._timeouts.ping_wait / STEPS)
        waited, taken = 0.0, -1
        while waited < self._patience(call):
            await asyncio.sleep(step)
            waited += step
            if socket.arrivals != before:
                self._slowest = max(self._slowest, waited)
                return True
            # While the browser is slow we do not read, and a pong is behind unread audio.
            if not self._reads.is_set() or socket.lost.done():
                return True
            waiting, reached = socket.backlog()
            if waiting > BEHIND and reached > taken:
                waited = 0.0  # the line is slow, but it moves
            taken = reached
        return False

    def _patience(self, call: Listening | None) -> float:
        """Seconds to wait for an answer."""
        times = 1.0
        if not self._socket.answers_pings:
            times = IGNORANT
        elif call is None or call.awaits:
            times = BUSY
        return times * max(self._timeouts.ping_wait, 2 * self._slowest)


def _sent(call: Listening | None) -> int:
    return call.samples if call is not None else 0
