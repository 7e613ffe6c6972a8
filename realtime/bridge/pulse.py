"""Whether the provider is still there: when nothing comes by itself, it is asked.

A line can be dead without a word: a network drops everything, a process is stopped. Who is asked
and says nothing for a while is given up; what is a while depends on what there is to wait for.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .dialects.target import Timeouts
from .stream import Stream

STEP, STEPS = 0.5, 4
"""Seconds between two looks, and so many looks at least before anybody is given up."""
BUSY = 2
"""So many times as long is waited for who has something to do, which may keep it from answering."""
IGNORANT = 2.5
"""The same for who never answered a ping, although every server has to."""
BEHIND = 64_000
"""With so many bytes still to be sent, a second of speech, the line is slow, and the ping late."""


class Listening(Protocol):
    """Who talks with the provider: a call."""

    samples: int
    proven: float

    @property
    def awaits(self) -> bool:
        """Whether the provider has something to do but listen."""


class Pulse:
    """The signs of life of one connection. `reads` is set while anything is read from it.

    Nothing here goes by the clock: a process that stood still itself has not waited.
    """

    def __init__(self, socket: Stream, timeouts: Timeouts, reads: asyncio.Event) -> None:
        self._socket = socket
        self._timeouts = timeouts
        self._reads = reads
        self._slowest = 0.0  # seconds that an answer took

    async def watch(self, call: Listening | None) -> None:
        """Return when the provider is gone. `call` learns meanwhile up to which of its samples it
        was there."""
        socket = self._socket
        socket.ping_now()  # whether it answers any is known when it matters
        while not socket.lost.done():
            before, sent = socket.arrivals, _sent(call)
            await asyncio.sleep(self._timeouts.ping_every)
            if socket.arrivals == before:
                # It comes after all that was sent, and is answered when that has been read.
                sent = _sent(call)
                socket.ping_now()
                if not await self._is_answered(before, call):
                    return
            if call is not None and socket.arrivals != before:
                call.proven = sent

    async def _is_answered(self, before: int, call: Listening | None) -> bool:
        """Whether more than `before` arrives, or nothing can be said of it."""
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
