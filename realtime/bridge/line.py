"""The line to the provider: one upstream session after another, for as long as the call lives."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..hearing.vad import Vad, shared_pool
from .call import Call
from .connect import Resolve, UpstreamFailed
from .dialects import Dialect, traits_of
from .dialects.target import Target
from .errors import judge_opening
from .limits import Limits
from .redact import shown_message
from .relief import Relief
from .upstream import Closed, Upstream, open_upstream
from .writer import Frame

MENDABLE = frozenset({"provider_gone", "provider_timeout", "provider_unreachable", "session_limit"})
"""End reasons after which another session may do better."""
GOODBYE = 1000


class Line:
    """Keeps a call connected: reconnects after a break if another session may help, otherwise ends
    the call. `on_late` is called after each provider frame that comes after the end of the call,
    `on_failed` for each session that could not be opened."""

    def __init__(
        self,
        call: Call,
        target: Target,
        history: Sequence[Mapping[str, Any]],
        limits: Limits,
        *,
        on_late: Callable[[], None],
        on_failed: Callable[[UpstreamFailed], None],
        resolve: Resolve,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._call = call
        self._target = target
        self._history = history
        self._limits = limits
        self._on_late = on_late
        self._on_failed = on_failed
        self._resolve = resolve
        self._tls = tls
        self._upstream: Upstream | None = None
        self._last: Dialect | None = None  # of the session in use, or used last
        self._from: str | None = None  # the handle with which the newest session was resumed
        self._paused = False
        self._closing: set[asyncio.Task[None]] = set()
        self._tries = 0  # since a session was last fine

    def pause(self) -> None:
        """Read no further until `resume`."""
        self._paused = True
        if self._upstream is not None:
            self._upstream.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._upstream is not None:
            self._upstream.resume()

    @property
    def strained(self) -> bool:
        """Whether too much is on its way to the provider."""
        return self._upstream is not None and self._upstream.strained

    async def relieved(self) -> None:
        """Wait while too much is on its way to the provider."""
        if self._upstream is not None:
            await self._upstream.relieved()

    def abort(self) -> None:
        """Drop the connection now."""
        if self._upstream is not None:
            self._upstream.abort()

    async def serve(self) -> None:
        """Connect, and again after each break, until the call has to end."""
        vad: Vad | None = None
        try:
            if traits_of(self._target.dialect).own_turns:
                # Making a detector takes a tenth of a second, which other calls must not wait for.
                vad = await asyncio.to_thread(lambda: shared_pool().take())
                self._call.listen_with(vad)
            await self._serve()
        finally:
            if vad is not None:
                shared_pool().give(vad)
            if self._closing:
                await asyncio.wait(self._closing)

    async def _serve(self) -> None:
        upstream: Upstream | None
        try:
            upstream = await self._open(self._target)
        except UpstreamFailed as failed:
            self._call.end(failed.reason, failed.provider_message, str(failed))
            return
        while upstream is not None and self._call.ended is None:
            began = asyncio.get_running_loop().time()
            after = await self._use(upstream)
            if asyncio.get_running_loop().time() - began > self._limits.reconnect_settled:
                self._tries = 0
            if isinstance(after, Closed):
                upstream = await self._mend(*self._verdict(after))
            else:
                upstream = after
        if upstream is not None:
            self._let_go(upstream)  # it opened when the call was over

    async def _open(self, target: Target) -> Upstream:
        self._from = self._last.handle() if self._last is not None else None
        if self._from is not None:
            try:
                return await self._attempt(target, handle=self._from)
            except UpstreamFailed as failed:
                if failed.step != "session":
                    raise
            # Providers keep a session for a limited time. A new one is told what was said.
            self._from = None
        return await self._attempt(target, told=self._last is not None or bool(self._history))

    async def _attempt(self, target: Target, **succession: Any) -> Upstream:
        session = self._call.settings.session
        try:
            return await open_upstream(
                target, session, resolve=self._resolve, tls=self._tls, **succession
            )
        except UpstreamFailed as failed:
            self._on_failed(failed)
            raise

    async def _use(self, upstream: Upstream) -> Closed | Upstream:
        """Run the call on one session. Returns how that ended, or the session that takes over."""
        self._upstream, self._last = upstream, upstream.dialect
        if self._paused:
            upstream.pause()
        relief = Relief(self._call, self._limits, lambda: self._open(self._hurried()))
        self._call.on_renew = relief.hurry
        self._call.attach(upstream, upstream.dialect, upstream.first, self._history)
        reading = asyncio.create_task(upstream.read(self._take, self._call))
        watching = asyncio.create_task(relief.come(upstream.expires_at))
        try:
            await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
            for job in (reading, watching):
                if job.done():
                    job.result()  # raises what went wrong
            return await self._current(relief.take()) or await reading
        finally:
            self._call.detach()
            self._upstream = None
            reading.cancel()
            watching.cancel()
            self._let_go(upstream)
            if (unused := relief.take()) is not None:
                self._let_go(unused)

    async def _current(self, fresh: Upstream | None) -> Upstream | None:
        """The session that takes over: `fresh`, or a newer one if `fresh` was resumed from a handle
        that is outdated by now."""
        if fresh is None or not fresh.dialect.recalls or self._last is None:
            return fresh
        if self._last.handle() == self._from:
            return fresh
        self._let_go(fresh)
        try:
            return await self._open(self._hurried())
        except UpstreamFailed:
            return None  # the old session goes on, and its end is mended like any break

    def _let_go(self, upstream: Upstream) -> None:
        """Close a session while the call goes on."""
        closing = asyncio.create_task(upstream.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _take(self, frame: Frame) -> None:
        call = self._call
        call.from_upstream(frame)
        if call.ended is not None:
            self._on_late()
        if call.expired:
            self.abort()

    def _verdict(self, closed: Closed) -> tuple[str, str, Closed]:
        error = self._call.last_error
        reason, message = closed.end_reason, closed.reason
        if error and not message:
            # Some providers say why in an error event, and then close without a reason.
            message = shown_message(error["message"], self._target.secrets())
            told = judge_opening(error)
            reason = told if told != "provider_error" else reason
        return reason, message, closed

    async def _mend(self, reason: str, message: str, closed: Closed) -> Upstream | None:
        """Open another session; None if the call has ended instead."""
        if reason in MENDABLE and closed.code != GOODBYE:
            waits = self._limits.reconnect_waits
            while self._call.ended is None and self._tries < len(waits):
                self._call.reconnect()
                # Random, so that calls that broke together do not all reconnect together.
                await asyncio.sleep(waits[self._tries] * random.uniform(0.75, 1.25))
                self._tries += 1
                try:
                    return await self._open(self._hurried())
                except UpstreamFailed as failed:
                    if failed.reason not in MENDABLE:
                        self._call.end(failed.reason, failed.provider_message, str(failed))
        self._call.end(reason, message, f"closed with {closed.code}")
        return None

    def _hurried(self) -> Target:
        timeouts = self._target.timeouts
        total = min(timeouts.total, self._limits.reconnect_try)
        return replace(self._target, timeouts=replace(timeouts, total=total))
