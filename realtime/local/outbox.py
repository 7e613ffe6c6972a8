"""What waits for a client to read it: never without bound."""

import asyncio
from collections import deque
from collections.abc import Callable

from realtime.local.events import Event

# Above this, answers wait before making more audio; above the limit the client is given up.
HIGH_WATER = 1024 * 1024
LIMIT = 16 * 1024 * 1024


class Outbox:
    """`put` never blocks; one writer takes with `next`."""

    def __init__(self, encode: Callable[[Event], str]) -> None:
        self._encode = encode
        self._frames: deque[str] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self.overrun = False

    def put(self, event: Event) -> None:
        if self.overrun:
            return
        frame = self._encode(event)
        self._frames.append(frame)
        self._size += len(frame)
        if self._size > HIGH_WATER:
            self._drained.clear()
        self.overrun = self._size > LIMIT
        self._filled.set()

    async def room(self) -> None:
        """Wait until the client has read most of what was sent."""
        await self._drained.wait()

    async def next(self) -> str | None:
        """The next frame; None when the client is too far behind to go on."""
        while not self._frames and not self.overrun:
            self._filled.clear()
            await self._filled.wait()
        if self.overrun:
            return None
        frame = self._frames.popleft()
        self._size -= len(frame)
        if self._size <= HIGH_WATER // 2:
            self._drained.set()
        return frame
