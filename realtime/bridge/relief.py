"""Replaces an upstream session before the provider ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from .call import Call
from .connect import UpstreamFailed
from .limits import Limits
from .upstream import Upstream

LOOK_EVERY = 0.1
TRY_AGAIN = 5.0


class Relief:
    """Opens the next session beside the one in use, and waits for a quiet moment to change."""

    def __init__(
        self, call: Call, limits: Limits, open_session: Callable[[], Awaitable[Upstream]]
    ) -> None:
        self._call = call
        self._limits = limits
        self._open = open_session
        self._fresh: Upstream | None = None
        self._sooner = asyncio.Event()
        self._at = 0.0  # the latest time to replace the session in use, by the loop's clock

    def take(self) -> Upstream | None:
        """The session that takes over, if there is one; it then belongs to the caller."""
        fresh, self._fresh = self._fresh, None
        return fresh

    async def come(self, expires_at: float | None) -> None:
        """Return when it is time to change to the next session (`take`). `expires_at`: the end of
        the one in use, in seconds since the epoch, if known."""
        left = (expires_at or 0.0) - time.time()
        if left > 0:
            await self._or_sooner(left)
        else:
            await self._sooner.wait()
            await self._change(self._at - asyncio.get_running_loop().time())

    def hurry(self, seconds: float) -> None:
        """Replace the session within so many seconds, at a quiet moment if there is one."""
        self._at = asyncio.get_running_loop().time() + seconds
        self._sooner.set()

    async def _or_sooner(self, left: float) -> None:
        now = asyncio.get_running_loop().time
        end = now() + left
        # Short sessions, or a wrong clock, must not make us replace sessions all the time.
        early = min(self._limits.rollover_seconds, left / 2)
        try:
            await asyncio.wait_for(self._sooner.wait(), left - early)
            end = min(end, self._at)
        except TimeoutError:
            pass
        await self._change(end - now())

    async def _change(self, left: float) -> None:
        """Open a session at a quiet moment within `left` seconds, then wait for another such moment
        to change to it."""
        now = asyncio.get_running_loop().time
        deadline = now() + left - min(self._limits.rollover_deadline, left / 4)
        while self._fresh is None and now() < deadline:
            await self._wait_for_quiet(deadline)
            try:
                self._fresh = await self._open()
            except UpstreamFailed:
                # If none can be opened in time, the break that follows is mended.
                await asyncio.sleep(min(TRY_AGAIN, left / 8))
        await self._wait_for_quiet(deadline)

    async def _wait_for_quiet(self, deadline: float) -> None:
        now = asyncio.get_running_loop().time
        while not self._call.is_quiet() and now() < deadline:  # noqa: ASYNC110 (playback is time)
            await asyncio.sleep(min(LOOK_EVERY, max(0.0, deadline - now())))
