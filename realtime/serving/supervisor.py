"""Keeps N workers alive on one listening socket, and what runs once beside them.

Starting a worker takes seconds, nearly all of them to load the program. So one more than needed is
loaded and waits as a spare, to take the place of a dead one at once.

SIGTERM and SIGINT end everything. SIGHUP replaces the workers one by one with new ones, which read
code and settings afresh: the old one goes when the new one accepts connections, and stays if the
new one does not come up. The spare is replaced too, and last the programs beside the workers that
follow the settings.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress

from realtime.serving.child import Child, Program, how_ended
from realtime.serving.worker import RETIRE

log = logging.getLogger(__name__)

# A worker that served for this long did not die of its start. Waiting before the next one would
# cost more than starting it.
HEALTHY_SECONDS = 5.0
# How long to wait before the next attempt after so many early deaths in a row, from none on.
BACK_OFF_SECONDS = (0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
# When to try again to start a spare after it has died.
SPARE_SECONDS = 60.0


class Spare:
    """One more process of a program, loaded and waiting to be let go."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._child: Child | None = None
        self._aside: Child | None = None
        self._closed = False
        self._filling = asyncio.Lock()  # several places may want a spare at the same time
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def waits(self) -> bool:
        """Whether one is waiting."""
        return self._child is not None and not self._child.ended

    async def take(self) -> Child:
        """A process that is let go: the spare, or else a new one."""
        child, self._child = self._child, None
        if child is not None and child.ended:
            await self._forget(child)
            child = None
        if child is None:
            child = await Child.start(self._program)
        child.go()
        return child

    async def prepare(self) -> None:
        """Start a spare, if none is waiting. Without one, a dead worker is replaced more slowly."""
        async with self._filling:
            if self._closed or self.waits:
                return
            dead, self._child = self._child, None
            if dead is not None:
                await self._forget(dead)
            try:
                self._child = await Child.start(self._program)
            except OSError as problem:
                log.error("no spare %s can be started: %s", self._program.name, problem)
        watching = asyncio.create_task(self._watch(self._child))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    async def _watch(self, child: Child | None) -> None:
        """Start another spare when it could not be started, or died while waiting, as it does at
        once if the settings are bad: the old workers go on."""
        if child is not None:
            how = how_ended(await child.wait())
            if child is not self._child:
                return
            log.error("the spare %s %d ended %s", self._program.name, child.pid, how)
        log.error(
            "until a spare %s starts, who dies is replaced late or not at all; the next try is in"
            " %g s",
            *(self._program.name, SPARE_SECONDS),
        )
        await asyncio.sleep(SPARE_SECONDS)
        if child is self._child:
            await self.prepare()

    async def set_aside(self) -> None:
        """Put the spare aside: it has read code and settings that have changed. Whether the new
        ones work is not known yet."""
        async with self._filling:
            self._aside, self._child = self._child, None

    async def take_back(self) -> None:
        """Let the spare that was put aside wait again: the new code or settings do not work."""
        async with self._filling:
            if not self.waits:
                self._child, self._aside = self._aside, self._child
        await self.drop_aside()
        await self.prepare()  # it may have died meanwhile

    async def drop_aside(self) -> None:
        """End the spare that was put aside, if there is one."""
        async with self._filling:
            child, self._aside = self._aside, None
            await self._kill(child)

    async def close(self) -> None:
        """Have no spare from now on."""
        self._closed = True
        for watching in self._watching:
            watching.cancel()
        await self.drop_aside()
        async with self._filling:
            child, self._child = self._child, None
            await self._kill(child)

    async def _kill(self, child: Child | None) -> None:
        if child is not None:
            child.send(signal.SIGKILL)
            await self._forget(child)

    async def _forget(self, child: Child) -> None:
        await child.wait()
        self._program.on_end(child.pid)


class Place:
    """Where a program runs. Whoever dies there is replaced, by the spare if there is one."""

    def __init__(self, program: Program, spare: Spare | None = None) -> None:
        self._program = program
        self._spare = spare
        # The process that has the place; and with it all that still start or end here.
        self._holder: Child | None = None
        self._children: set[Child] = set()
        self._filling = asyncio.Lock()  # one at a time is started for the place
        self._stopping = asyncio.Event()
        self._early_deaths = 0

    async def keep(self, first: asyncio.Future[bool]) -> None:
        """Keep the program running until `stop`. `first`: told whether the first one came up."""
        while not self._stopping.is_set():
            up = await self._fill()
            if not first.done():
                first.set_result(up)
            child = self._holder
            if child is None:
                await self._back_off("could not be started", early=True)
                continue
            status = await self._end_of(child)
            if child is self._holder and not self._stopping.is_set():
                how = f"{child.pid} ended " + how_ended(status)
                await self._back_off(how, early=child.lived < HEALTHY_SECONDS)
            if child is self._holder:
                self._holder = None

    async def _fill(self) -> bool:
        """Have a process in the place; False when a new one does not come up."""
        async with self._filling:
            if self._holder is not None:
                return True
            self._holder = await self._start()
            return self._holder is not None and await self._came_up(self._holder)

    async def replace(self) -> bool:
        """Put a new process in the old one's place; False when it does not come up."""
        async with self._filling:
            new = await self._start()
            if new is None or not await self._came_up(new):
                log.error("the new %s did not start; the old one goes on", self._program.name)
                if new is not None:
                    await self._end_of(new)
                return False
            # The current one: the one from before may have died meanwhile.
            old, self._holder = self._holder, new
        if old is not None:
            await old.stop(RETIRE)
            await self._end_of(old)
        return True

    async def stop(self, number: int) -> None:
        """End the program for good, with this signal."""
        self._stopping.set()
        await asyncio.gather(*(child.stop(number) for child in self._children))

    def send(self, number: int) -> None:
        """Send every process here a signal."""
        for child in self._children:
            child.send(number)

    async def _start(self) -> Child | None:
        """A new process; None if the system has no room for one."""
        spare = self._spare
        try:
            child = await (Child.start(self._program) if spare is None else spare.take())
        except OSError as problem:
            log.error("no %s can be started: %s", self._program.name, problem)
            return None
        self._children.add(child)
        if self._stopping.is_set():
            child.send(signal.SIGKILL)
        return child

    async def _came_up(self, child: Child) -> bool:
        if not self._program.greets:
            return True
        up = await child.ready()
        if up:
            log.info("%s %d is ready", self._program.name, child.pid)
            if self._spare is not None:
                await self._spare.prepare()
        else:
            child.send(signal.SIGKILL)
        return up

    async def _end_of(self, child: Child) -> int:
        status = await child.wait()
        if child in self._children:
            self._children.discard(child)
            self._program.on_end(child.pid)
        return status

    async def _back_off(self, what: str, *, early: bool) -> None:
        """Wait before the next start. `what` has happened; `early`: when starting, or soon
        after."""
        self._early_deaths = self._early_deaths + 1 if early else 0
        wait = BACK_OFF_SECONDS[min(self._early_deaths, len(BACK_OFF_SECONDS) - 1)]
        log.error("%s %s; another one starts in %g s", self._program.name, what, wait)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._stopping.wait()


class Supervisor:
    """Workers, and programs that run once beside them, which are ended last."""

    def __init__(self, worker: Program, count: int, beside: Sequence[Program] = ()) -> None:
        self._spare = Spare(worker)
        self._workers = [Place(worker, self._spare) for _ in range(count)]
        self._beside = [Place(program) for program in beside]
        pairs = zip(beside, self._beside, strict=True)
        self._following = [place for program, place in pairs if program.follows]
        self._stop = asyncio.Event()
        self._failed = False
        self._replacing: asyncio.Task[None] | None = None
        self._once_more = False  # settings have changed again meanwhile

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT. Returns False when no worker ever came up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        firsts: list[asyncio.Future[bool]] = [loop.create_future() for _ in self._workers]
        async with asyncio.TaskGroup() as tasks:
            for place, first in zip(self._workers, firsts, strict=True):
                tasks.create_task(place.keep(first))
            for place in self._beside:
                tasks.create_task(place.keep(loop.create_future()))
            tasks.create_task(self._give_up_without(firsts))
            await self._stop.wait()
            await self._end()
        return not self._failed

    async def _give_up_without(self, firsts: Sequence[asyncio.Future[bool]]) -> None:
        """Stop when no worker comes up at all: trying again would not help."""
        if not any(await asyncio.gather(*firsts)) and not self._stop.is_set():
            self._failed = True
            self._stop.set()

    async def _end(self) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait({self._replacing})
        await self._spare.close()
        await asyncio.gather(*(place.stop(signal.SIGTERM) for place in self._workers))
        await asyncio.gather(*(place.stop(signal.SIGTERM) for place in self._beside))

    def _on_stop(self, number: int) -> None:
        if self._stop.is_set():
            # A second Ctrl-C: do not wait for calls.
            for place in self._workers:
                place.send(number)
        self._stop.set()

    def _on_hang_up(self) -> None:
        if self._stop.is_set():
            return
        self._once_more = True
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while self._once_more:
            self._once_more = False
            await self._replace()

    async def _replace(self) -> None:
        log.info("replacing the workers")
        await self._spare.set_aside()
        for place in self._workers:
            if not await place.replace():
                await self._spare.take_back()
                return
            await self._spare.drop_aside()
        log.info("every worker is replaced")
        for place in self._following:
            await place.replace()
