"""One call from its start to its account: the shell around the core.

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
    """Run one call until it ends, and return its account. Raises only `CancelledError`, and even
    then winds the call down first.

    `session`: GA configuration for the provider. `history`: GA items, oldest first, that open the
    conversation. `ready`: what `nextvoice.ready` tells besides the session. `offered`: what the
    session's settings may be changed to. `toolbox`: runs the functions that `session` offers of it
    (see `tools.with_tools`). `call_type`: the class of the call, another one for another language.

    `on_call(call)`: called at once with the live `Call`; use its `tell(event)` and `end(reason)`
    on this event loop.
    `on_failed(failed)`: called for each upstream session that could not be opened.
    `hold(release)`: called with each answer's end; what the browser is told from then on waits
    until `release()`, which must come soon.
    `finalise(record)`: awaited after the taps were told of the end and before the browser gets
    `nextvoice.ended`, so that events it causes still come first.
    `on_ended(record)`: called once the browser has been told everything. The cost of an answer
    that nobody hears may be waited for after that, up to `Limits.usage_seconds`.
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
    """What one call owns while it lives. It is the browser's `Leg` too."""

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
        self._settled = asyncio.Event()  # and nothing more is to be learned of what it cost
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
            high_water=limits.queued_bytes // 8,  # what the provider has sent already comes on top
            stuck_after=limits.stuck_seconds,
        )
        self.send = self._writer.write

    def hurry_later(self) -> None:
        """A request for an answer waits for the end of another one."""
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
            # Reached without a winding down only when the loop itself is being torn down.
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
        # Always drained, also while the call winds down: a server that is not asked for frames
        # does not notice that a browser has gone.
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
        """Stop an answer nobody will hear, and wait a little for what it cost."""
        if not self.call.cancel_answer():
            return
        self.line.resume()
        self.on_late_frame()  # some answers are over as soon as they are wanted no more
        try:
            async with asyncio.timeout(self._limits.drain_seconds):
                await self._quiet.wait()
        except TimeoutError:
            pass

    def _outlasts(self) -> bool:
        """Whether the provider is to be heard on when the browser has been let go."""
        ended, there = self.call.ended, self.call.upstream is not None
        return there and ended is not None and ended.cancels and self.call.awaits_usage

    async def _hang_up(self, serving: asyncio.Task[None]) -> None:
        serving.cancel()
        await asyncio.wait({serving})

    async def _outlast(self, serving: asyncio.Task[None]) -> None:
        """Wait for what the last answer cost, without a browser. Then let the provider go."""
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
