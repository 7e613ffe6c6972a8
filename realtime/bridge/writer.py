"""Ordered, non-blocking writing to one leg of a call.

A frame on its way through a call should meet no queue and no task switch. Both legs offer only an
`async send(frame)` that nearly always finishes without waiting. So `Writer.write` runs the
coroutine by hand, one step, with `coro.send(None)`. When that raises `StopIteration` the frame is
with the transport and nothing else has happened: no task, no future, no queue.

When the step returns a value instead, `send` has to wait, and the value is what it yielded: a
future it awaits, or None for a bare yield. The writer's one task then goes on with the very same
coroutine. That is safe for these reasons:

- A coroutine does not know who drives it. The task hands the captured value to the event loop by
  yielding it again, and from there on is a plain link between loop and coroutine: results, errors
  and cancellation pass through.
- A task accepts a yielded future only while its `_asyncio_future_blocking` flag is set (this is
  how `await fut` is told from `yield fut`) and clears the flag on taking it. So the flag is
  cleared when the future is captured, or nobody else could await that future meanwhile ("await
  wasn't used with future"), and set again immediately before it is yielded to the task.
- If the future finished in the meantime, the task adds its callback to a finished future, which
  asyncio then calls in the next round.
- `asyncio.current_task()`, and so `asyncio.timeout()`, must see the same task in every step. So
  the first step runs with the writer's task entered as the current one (`_enter_task` and
  `_leave_task`, which the asyncio documentation offers for this). A timeout begun in the first
  step cancels the writer's task, where the coroutine then is, and never the unlucky caller.
- Only one `send` is ever under way: while one waits, later frames queue behind it.

`contextvars` are the caller's in the first step and the task's in later ones; `send` must not
depend on them.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

Frame = str | bytes
Send = Callable[[Frame], Coroutine[Any, Any, None]]

MAX_QUEUED = 1_000_000
HIGH_WATER = 256_000
LOW_WATER = 64_000


def _nothing() -> None:
    pass


def never(frame: Frame, /) -> bool:
    """The `at_once` of a socket that has no fast path."""
    return False


def size_of(frame: Frame) -> int:
    """Bytes of a frame on the wire, without framing."""
    if isinstance(frame, bytes) or frame.isascii():
        return len(frame)
    return len(frame.encode())


class Writer:
    """Writes frames in order to `send` and never blocks. Make and use it on one running loop.

    `at_once(frame)` is tried first if nothing waits: it hands the frame to the transport in a plain
    call, or returns False if the frame has to go by `send`. It must not raise.

    `on_pause` is called when the queue grows past `high_water` bytes, `on_resume` when it is
    below `low_water` again. `on_stuck` is called at most once, when a frame finds `max_queued`
    bytes in the queue or a single `send` lasts more than `stuck_after` seconds; `on_lost(error)`
    at most once, when `send` raises. After either, or after `close`, frames are dropped. One frame
    may take the queue past `max_queued`: that it is large does not mean that nobody reads.
    """

    def __init__(
        self,
        send: Send,
        *,
        at_once: Callable[[Frame], bool] = never,
        on_stuck: Callable[[], None] = _nothing,
        on_lost: Callable[[Exception], None] = lambda error: None,
        on_pause: Callable[[], None] = _nothing,
        on_resume: Callable[[], None] = _nothing,
        max_queued: int = MAX_QUEUED,
        high_water: int = HIGH_WATER,
        low_water: int = LOW_WATER,
        stuck_after: float = 10.0,
    ) -> None:
        self._send = send
        self._at_once = at_once
        self._on_stuck = on_stuck
        self._on_lost = on_lost
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._max_queued = max_queued
        self._high_water = high_water
        self._low_water = low_water
        self._stuck_after = stuck_after
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Frame] = deque()
        self.queued = 0
        """Bytes waiting here."""
        self._paused = False
        self._closed = False
        self._waiting: _Waiting | None = None  # the send that has to wait
        self._busy = False  # a send is being stepped, or the task has something to do
        self._wake: asyncio.Future[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None  # made for the first frame that is stepped

    @property
    def closed(self) -> bool:
        """Whether frames are now dropped."""
        return self._closed

    def write(self, frame: Frame) -> None:
        """Send a frame, or queue it behind those that wait."""
        if self._closed:
            return
        if self._busy:
            self._enqueue(frame)
        elif not self._at_once(frame):
            self._step(frame)

    async def drain(self) -> None:
        """Wait until everything written has been handed to the transport, or is dropped."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop, dropping what is queued; a waiting send is cancelled. Idempotent."""
        self._stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._waiting is not None:
            self._waiting.close()

    def _enqueue(self, frame: Frame) -> None:
        if self.queued >= self._max_queued:
            self._stuck()
            return
        self._idle.clear()
        self._queue.append(frame)
        self.queued += size_of(frame)
        if not self._paused and self.queued > self._high_water:
            self._paused = True
            self._on_pause()

    def _step(self, frame: Frame) -> None:
        """Drive one `send` until it finishes or has to wait."""
        self._busy = True
        try:
            coro = self._send(frame)
            yielded = self._first_step(coro)
        except StopIteration:
            self._busy = bool(self._queue)
        except Exception as error:
            self._lost(error)
        except asyncio.CancelledError:
            # Something inside `send` was cancelled. The caller was not.
            self._lost(ConnectionError("send was cancelled"))
        else:
            self._waiting = _Waiting(coro, yielded)
            self._idle.clear()
        if self._busy and self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _first_step(self, coro: Coroutine[Any, Any, None]) -> object:
        if self._task is None:
            # Not made earlier: if `at_once` always works, no task is needed.
            self._task = self._loop.create_task(self._run())
        caller = asyncio.current_task(self._loop)
        if caller is not None:
            tasks._leave_task(self._loop, caller)
        tasks._enter_task(self._loop, self._task)
        try:
            return coro.send(None)
        finally:
            tasks._leave_task(self._loop, self._task)
            if caller is not None:
                tasks._enter_task(self._loop, caller)

    async def _run(self) -> None:
        try:
            while not self._closed:
                await self._rest()
                await self._next()
        except Exception as error:
            self._lost(error)
        except asyncio.CancelledError:
            self._lost(ConnectionError("writing was cancelled"))
            raise

    async def _rest(self) -> None:
        if self._waiting is None and not self._queue:
            self._busy = False
            self._idle.set()
        if not self._busy:
            self._wake = self._loop.create_future()
            await self._wake
            self._wake = None

    async def _next(self) -> None:
        """Finish the send that waits, else send the next queued frame."""
        alarm = self._loop.call_later(self._stuck_after, self._stuck)
        try:
            if (waiting := self._waiting) is not None:
                self._waiting = None
                await waiting
            elif self._queue:
                await self._send(self._dequeue())
        finally:
            alarm.cancel()

    def _dequeue(self) -> Frame:
        frame = self._queue.popleft()
        self.queued -= size_of(frame)
        if self._paused and self.queued < self._low_water:
            self._paused = False
            self._on_resume()
        return frame

    def _stuck(self) -> None:
        if not self._closed:
            self._stop()
            if self._task is not None:
                self._task.cancel()
            self._on_stuck()

    def _lost(self, error: Exception) -> None:
        if not self._closed:
            self._stop()
            self._on_lost(error)

    def _stop(self) -> None:
        self._closed = True
        self._queue.clear()
        self.queued = 0
        self._idle.set()


class _Waiting:
    """A coroutine that was stepped by hand and yielded; awaiting this runs it to its end."""

    def __init__(self, coro: Coroutine[Any, Any, None], yielded: Any) -> None:
        self._coro = coro
        self._yielded = yielded
        if yielded is not None:
            yielded._asyncio_future_blocking = False

    def __await__(self) -> Generator[Any, Any, None]:
        yielded = self._yielded
        while True:
            if yielded is not None:
                yielded._asyncio_future_blocking = True
            thrown: BaseException | None = None
            try:
                yield yielded
            except BaseException as error:
                thrown = error
            try:
                yielded = self._coro.send(None) if thrown is None else self._coro.throw(thrown)
            except StopIteration:
                return

    def close(self) -> None:
        """Close the coroutine where it waits."""
        self._coro.close()
