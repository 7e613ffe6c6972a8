"""Runs one call from its start to its end record: the asyncio shell around the synchronous core.

Every task of a call lives in its TaskGroup. Whatever ends the call (a frame, a timer, either side
going away, an error in a handler, cancellation) sets one reason; then the call is wound down the
same way each time, within `Limits.finalise_seconds`, and cancelling `run_call` cannot skip it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .browser import Browser, Gone, offer, send_now_of
from .call import Call
from .connect import Resolve, UpstreamFailed, resolve
from .dialects.target import Target
from .ends import End
from .gate import Release
from .limits import Limits
from .line import Line
from .session import Offered
from .taps import EndRecord, Tap
from .tool_loop import ToolLoop
from .tools import Toolbox
from .words import Translate, untranslated
from .writer import Frame, Writer

logger = logging.getLogger(__name__)


async def run_call(
    browser: Browser,
    target: Target,
    session: Mapping[str, Any],
    *,
    taps: Sequence[Tap] = (),
    history: Sequence[Mapping[str, Any]] = (),
    ready: Mapping[str, Any] | None = None,
    offered: Offered | None = None,
    limits: Limits | None = None,
    translate: Translate = untranslated,
    on_call: Callable[[Call], None] | None = None,
    finalise: Callable[[EndRecord], Awaitable[None]] | None = None,
    on_ended: Callable[[EndRecord], None] = lambda record: None,
    on_failed: Callable[[UpstreamFailed], None] = lambda failed: None,
    hold: Callable[[Release], None] | None = None,
    toolbox: Toolbox | None = None,
    call_type: Callable[..., Call] = Call,
    resolve: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
) -> EndRecord:
    """Run one call until it ends, and return its end record. Raises only `CancelledError`, and that
    only after winding the call down.

    `session`: GA configuration for the provider; `history`: GA items, oldest first, that open the
    conversation; `ready`: what `nextvoice.ready` contains besides the session; `offered`: what its
    settings may be changed to.

    `on_call` gets the live `Call` at once: `call.tell(event)` sends the browser an event,
    `call.end(reason)` ends the call; both only on this event loop. `finalise(record)` is awaited
    after taps have been told of the end and before the browser gets `nextvoice.ended`, so events
    that it sends arrive before that. `on_ended(record)` is called once the browser has been sent
    everything; after that, a cancelled answer's usage may still be waited for, up to
    `Limits.usage_seconds`. `on_failed(failed)` is called for each upstream session that could not
    be opened. `hold(release)` is called at the end of each answer: frames for the browser then
    wait until `release()` is called, which must be soon.

    `toolbox`: runs those of its functions that `session` offers (see `tools.with_tools`).
    `call_type`: the class of the call; a subclass may speak another protocol to its client.
    """
    limits = limits or Limits()
    tools = ToolLoop(toolbox, limits) if toolbox is not None and toolbox.offered else None
    running = _Running(browser, limits, finalise, on_ended, tools)
    call = running.call = call_type(
        running,
        session,
        ready=ready,
        offered=offered,
        taps=(*taps, tools) if tools is not None else taps,
        limits=limits,
        translate=translate,
        on_end=running.on_end,
        hold=hold,
        clock=asyncio.get_running_loop().time,
    )
    call.answering.on_held = running.hurry_later
    call.answering.on_owed = running.tell_late_later
    running.line = Line(
        call,
        target,
        history,
        limits,
        on_late=running.on_late_frame,
        on_failed=on_failed,
        resolve=resolve,
        tls=tls,
    )
    if on_call is not None:
        try:
            on_call(call)
        except Exception:
            logger.exception("a call could not be taken up")
            call.end("internal_error", detail="on_call failed")
    call.opened()
    body = asyncio.create_task(running.run())
    cancelled = False
    while not body.done():
        try:
            await asyncio.wait({body})
        except asyncio.CancelledError:
            cancelled = True
            call.end("server_stopping")
    if cancelled or body.cancelled():
        raise asyncio.CancelledError
    return body.result()


class _Running:
    """What one call owns while it runs. Also the call's `Leg` to the browser."""

    call: Call
    line: Line

    def __init__(
        self,
        browser: Browser,
        limits: Limits,
        finalise: Callable[[EndRecord], Awaitable[None]] | None,
        on_ended: Callable[[EndRecord], None],
        tools: ToolLoop | None,
    ) -> None:
        self._browser = browser
        self._limits = limits
        self._finalise = finalise
        self._on_ended = on_ended
        self._tools = tools
        self._ended = asyncio.Event()
        self._quiet = asyncio.Event()  # the call has ended and no answer is being made
        self._settled = asyncio.Event()  # and no usage is outstanding
        self._record: EndRecord | None = None
        self._hurrying: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = None
        self._writer = Writer(
            browser.send,
            at_once=send_now_of(browser),
            on_stuck=lambda: self.call.end("slow_reader"),
            on_lost=lambda error: self.call.end("browser_gone", detail=type(error).__name__),
            on_pause=lambda: self.line.pause(),
            on_resume=lambda: self.line.resume(),
            max_queued=limits.queued_bytes,
            high_water=limits.queued_bytes // 8,  # frames already received still follow a pause
            stuck_after=limits.stuck_seconds,
        )
        self.send = self._writer.write

    def hurry_later(self) -> None:
        """A request for an answer waits for another answer to end: see to it in a while."""
        if self._hurrying is None:
            loop = asyncio.get_running_loop()
            self._hurrying = loop.call_later(self._limits.silent_seconds, self._hurry)

    def _hurry(self) -> None:
        self._hurrying = None
        self.call.hurry()

    def tell_late_later(self) -> None:
        """An answer is owed."""
        self._forget_late()
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(self._limits.late_seconds, self.call.tell_late)

    def _forget_late(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def on_end(self, end: End) -> None:
        self._ended.set()

    async def run(self) -> EndRecord:
        try:
            async with asyncio.TaskGroup() as group:
                if self._tools is not None:
                    self._tools.serve(self.call, group.create_task)
                reading = group.create_task(self._guarded(self._read_browser))
                serving = group.create_task(self._guarded(self._serve_upstream))
                watching = group.create_task(self._guarded(self._watch_idle))
                await self._ended.wait()
                if self._tools is not None:
                    self._tools.stop()
                await self._wind_down(serving)
                await self._outlast(serving)
                for job in (reading, serving, watching):
                    job.cancel()
            return self._account()
        finally:
            # If the call was not wound down, the event loop itself is being torn down.
            self._account()
            self._forget_late()
            self.call.close()
            self.line.abort()
            await self._writer.close()

    async def _guarded(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        logger.exception("a call failed: %s", type(error).__name__)
        self.call.end("internal_error", detail=type(error).__name__)

    async def _read_browser(self) -> None:
        # Always read, even while the call winds down: a server notices that a browser has gone
        # only while it is asked for frames.
        offer(self._browser, self._take)
        while True:
            frame = await self._browser.receive()
            if isinstance(frame, Gone):
                self.call.end("browser_gone", detail=f"closed with {frame.code}")
                return
            self.call.from_browser(frame)
            await self.line.relieved()

    def _take(self, frame: Frame) -> bool:
        if self.line.strained:
            return False
        try:
            self.call.from_browser(frame)
        except Exception as error:
            self._failed(error)
        return True

    async def _serve_upstream(self) -> None:
        try:
            await self.line.serve()
        finally:
            self._quiet.set()
            self._settled.set()

    def on_late_frame(self) -> None:
        if self.call.answering.active is None:
            self._quiet.set()
            if not self.call.awaits_usage:
                self._settled.set()

    async def _watch_idle(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            left = self.call.active_at + self._limits.idle_seconds - now()
            if left <= 0:
                return self.call.end("idle")
            await asyncio.sleep(left)

    async def _wind_down(self, serving: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(self._limits.finalise_seconds):
                if self.call.ended is not None and self.call.ended.cancels:
                    await self._cancel_answer()
                if not self._outlasts():
                    await self._hang_up(serving)
                record = self._account()
                if serving.done():
                    self.call.close()
                if self._finalise is not None:
                    await self._finalise(record)
        except TimeoutError:
            logger.warning("a call took too long to finalise")
        except Exception as error:
            logger.exception("finalising a call failed: %s", type(error).__name__)
        await self._say_ended(self._account())

    async def _cancel_answer(self) -> None:
        """Cancel an answer that nobody will hear, and wait up to `drain_seconds` for its usage."""
        if not self.call.cancel_answer():
            return
        self.line.resume()
        self.on_late_frame()  # some answers are over as soon as they are cancelled
        try:
            async with asyncio.timeout(self._limits.drain_seconds):
                await self._quiet.wait()
        except TimeoutError:
            pass

    def _outlasts(self) -> bool:
        """Whether to go on listening to the provider, for usage, once the browser is let go."""
        ended, there = self.call.ended, self.call.upstream is not None
        return there and ended is not None and ended.cancels and self.call.awaits_usage

    async def _hang_up(self, serving: asyncio.Task[None]) -> None:
        serving.cancel()
        await asyncio.wait({serving})

    async def _outlast(self, serving: asyncio.Task[None]) -> None:
        """Wait for the last answer's usage, without a browser. Then let the provider go."""
        if self._outlasts() and not self._settled.is_set():
            limits = self._limits
            answering = self.call.answering.active is not None
            seconds = limits.usage_seconds if answering else limits.words_seconds
            if self.call.ended is not None and self.call.ended.reason == "server_stopping":
                seconds = min(seconds, limits.stopping_seconds)
            try:
                async with asyncio.timeout(seconds):
                    await self._settled.wait()
            except TimeoutError:
                pass
        await self._hang_up(serving)
        self.call.close()

    async def _say_ended(self, record: EndRecord) -> None:
        self.call.say_ended(record)
        try:
            async with asyncio.timeout(1.0):
                await self._writer.drain()
        except TimeoutError:
            pass
        self._on_ended(record)

    def _account(self) -> EndRecord:
        if self._record is None:
            self._record = self.call.finish()
        return self._record
