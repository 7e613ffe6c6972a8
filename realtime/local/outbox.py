"""What waits for a client to read it: never without bound."""

import asyncio
from collections import deque
from collections.abc import Callable

from realtime.local.events import Event

# Above this, answers wait before making more audio; above the limit the client is given up.
HIGH_WATER = 1024 * 1024
LIMIT = 48 * 1024 * 1024


class Outbox:
    """`put` never blocks; one writer takes with `next`; `give_up` is called at the limit."""

    def __init__(self, encode: Callable[[Event], str], give_up: Callable[[], None]) -> None:
        self._encode, self._give_up = encode, give_up
        self._frames: deque[str] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def put(self, event: Event) -> None:
        if self._size > LIMIT:
            return
        frame = self._encode(event)
        self._frames.append(frame)
        self._size += len(frame)
        self._filled.set()
        if self._size > HIGH_WATER:
            self._drained.clear()
        if self._size > LIMIT:
            self._give_up()

    async def room(self) -> None:
        """Wait until the client has read most of what was sent."""
        await self._drained.wait()

    async def next(self) -> str:
        """The next frame, in order."""
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        frame = self._frames.popleft()
        self._size -= len(frame)
        if self._size <= HIGH_WATER // 2:
            self._drained.set()
        return frame
