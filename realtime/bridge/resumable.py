"""A browser's side that outlives its sockets: what one did not deliver, the next one does.

Both sides count the frames of the call, text and binary alike. The server's begin with
`nextvoice.ready`, the browser's after `nextvoice.start`. A browser that has lost its socket says on
the next one how many it has, and is told how many we have; then both go on from there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from secrets import compare_digest, token_urlsafe

import orjson

from .browser import Browser, Gone, Take, offer, send_now_of
from .events import Event
from .limits import Limits
from .writer import Frame, Writer, size_of

TOKEN_BYTES = 24
READY = '{"type":"nextvoice.ready"'
BEAT = '{"type":"nextvoice.beat"}'
"""Says no more than that the line is there; neither side counts it."""
LOST_CODES = frozenset({None, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
"""Close codes of a socket that was lost. With any other the page has left, or misbehaved."""
HOLD_SECONDS = 8.0
"""How long a provider is kept waiting while no socket is there and the ring fills up."""
LATE_SECONDS = 1.0
"""How long to wait, after a failed send, for the close code to be received."""
UNBOUNDED = 1 << 40


class Ring:
    """The newest frames sent, by number; they are dropped, oldest first, once they have arrived or
    when they exceed `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._frames: deque[Frame] = deque()
        self._size = 0
        self.end = 0
        """How many frames were ever added."""
        self.added = 0
        """How many bytes were ever added."""

    def add(self, frame: Frame) -> None:
        """Keep a frame."""
        size = size_of(frame)
        self._frames.append(frame)
        self._size += size
        self.added += size
        self.end += 1
        while self._size > self._most:
            self._drop()

    def forget(self, number: int) -> None:
        """Frames before this number are not needed any more."""
        while self._frames and self.end - len(self._frames) < number:
            self._drop()

    def _drop(self) -> None:
        self._size -= size_of(self._frames.popleft())

    def since(self, number: int) -> list[Frame] | None:
        """Every frame from this number on; None if some of them are gone, or never existed."""
        missing = self.end - number
        if not 0 <= missing <= len(self._frames):
            return None
        return list(self._frames)[len(self._frames) - missing :]


class ResumableBrowser:
    """A `Browser` that uses one socket after another. Make and use it on one running event loop.

    It ends (`receive` returns `Gone`) when the page leaves, when its socket is lost before the call
    was ready, or when no other comes within `limits.resume_seconds`.
    """

    def __init__(self, socket: Browser, limits: Limits) -> None:
        self.token = token_urlsafe(TOKEN_BYTES)
        self.received = 0
        """Frames of the browser taken so far."""
        self._limits = limits
        self._ring = Ring(limits.resume_bytes)
        self._ready = False
        self._gone: Gone | None = None
        self._socket: Browser | None = None
        self._writer: Writer | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self._let_go = asyncio.Event()  # the present socket is no longer needed
        self._reading: asyncio.Timeout | None = None  # ends the waiting in `receive`
        self._take: Take | None = None
        self._attached = asyncio.Event()
        self._flowing = asyncio.Event()  # the socket takes frames, or there is none
        self._lost_at = 0  # bytes that had been sent when the socket was lost
        self._beating: asyncio.TimerHandle | None = None
        self._told = 0  # frames that had been sent at the last beat
        self._attach(socket)

    @property
    def terms(self) -> Event:
        """The `resume` field of `nextvoice.ready`."""
        return {"token": self.token, "seconds": self._limits.resume_seconds}

    @property
    def over(self) -> bool:
        """Whether no more sockets are accepted."""
        return self._gone is not None

    def resume(self, socket: Browser, token: str, received: int) -> bool:
        """Go on with this socket, if the token is right and all frames that the browser lacks are
        still kept; it is sent `nextvoice.resumed` and then those. The socket before it is let go.
        False, and nothing is done, otherwise."""
        right = compare_digest(token.encode(), self.token.encode())
        if not right or not self._ready or self._gone is not None:
            return False
        missing = self._ring.since(received)
        if missing is None:
            return False
        self._detach()
        writer = self._attach(socket)
        told = {"type": "nextvoice.resumed", "received": self.received}
        for frame in (orjson.dumps(told).decode(), *missing):
            writer.write(frame)
        return True

    def arrived(self, frames: int) -> None:
        """The browser has this many frames of the call: no socket will have to send them again."""
        self._ring.forget(frames)

    def lose(self, socket: Browser, code: int | None = None) -> None:
        """This socket is gone; does nothing if another has taken its place."""
        if socket is self._socket:
            self._detach()
            if not self._ready or code not in LOST_CODES:
                self._leave(Gone(code))

    async def until_let_go(self, socket: Browser) -> None:
        """Wait until the call does not need this socket any more: it is lost, or another has taken
        its place, or the call is over."""
        if socket is self._socket:
            await self._let_go.wait()

    async def receive(self) -> Frame | Gone:
        """The next frame of whichever socket there is."""
        while self._gone is None:
            socket = self._socket
            if socket is None:
                await self._wait()
                continue
            frame = await self._read(socket)
            # A socket that was replaced meanwhile does not count any more.
            if frame is None or socket is not self._socket:
                continue
            if not isinstance(frame, Gone):
                self.received += 1
                return frame
            self.lose(socket, frame.code)
        return self._gone

    async def send(self, frame: Frame, /) -> None:
        """Hand a frame to the socket, and keep it for the next one. Waits while the socket cannot
        take more, and for a while when too much would have to be kept; never raises."""
        self._keep(frame)
        if self._writer is not None:
            self._writer.write(frame)
            await self._flowing.wait()
        elif self._ring.added - self._lost_at > self._limits.resume_bytes // 2:
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    await self._attached.wait()
            except TimeoutError:
                self._lost_at = self._ring.added + UNBOUNDED  # wait only once per lost socket

    def send_now(self, frame: Frame, /) -> bool:
        """Do the same if that needs no waiting; False, and nothing is done, if it does."""
        if self._writer is None or not self._flowing.is_set():
            return False
        self._keep(frame)
        self._writer.write(frame)
        return True

    def offer_to(self, take: Take | None, /) -> None:
        """Offer frames of whichever socket there is, while `receive` waits for them."""
        self._take = take

    async def drain(self) -> None:
        """Wait until the socket has taken everything, if there is one."""
        if self._writer is not None:
            await self._writer.drain()

    async def close(self) -> None:
        """The call is over: no more sockets are accepted, and the last one is let go."""
        self._leave(Gone())
        if self._beating is not None:
            self._beating.cancel()
        self._detach()
        if self._closing:
            await asyncio.wait(self._closing)

    def _keep(self, frame: Frame) -> None:
        if not self._ready:
            self._ready = isinstance(frame, str) and frame.startswith(READY)
            if self._ready and self._limits.beat_seconds:
                self._beat()
        if self._ready:
            self._ring.add(frame)

    def _beat(self) -> None:
        """Tell the browser that the line is there, unless it hears something anyway."""
        if self._told == self._ring.end and self._writer is not None and self._flowing.is_set():
            self._writer.write(BEAT)
        self._told = self._ring.end
        loop = asyncio.get_running_loop()
        self._beating = loop.call_later(self._limits.beat_seconds, self._beat)

    def _offered(self, frame: Frame) -> bool:
        # While `receive` waits here no earlier frame is on its way, so none is overtaken.
        if self._take is None or self._reading is None or not self._take(frame):
            return False
        self.received += 1
        return True

    async def _wait(self) -> None:
        """Wait for another socket, or until time is up."""
        try:
            async with asyncio.timeout(self._limits.resume_seconds):
                await self._attached.wait()
        except TimeoutError:
            self._leave(Gone())

    async def _read(self, socket: Browser) -> Frame | Gone | None:
        """The next frame; None when the socket is taken away meanwhile."""
        try:
            async with asyncio.timeout(None) as self._reading:
                return await socket.receive()
        except TimeoutError:
            return None
        finally:
            self._reading = None

    def _attach(self, socket: Browser) -> Writer:
        self._socket = socket
        self._let_go = asyncio.Event()
        offer(socket, self._offered)
        self._writer = Writer(
            socket.send,
            at_once=send_now_of(socket),
            on_lost=lambda error: self._cannot_send(socket),
            on_pause=self._flowing.clear,
            on_resume=self._flowing.set,
            # As `send` waits, the queue is no larger than the ring.
            max_queued=UNBOUNDED,
            high_water=self._limits.resume_bytes // 16,
            low_water=self._limits.resume_bytes // 64,
            stuck_after=UNBOUNDED,
        )
        self._flowing.set()
        self._attached.set()
        return self._writer

    def _cannot_send(self, socket: Browser) -> None:
        # The close code usually comes by `receive`, and tells whether the page has left.
        self._flowing.set()
        asyncio.get_running_loop().call_later(LATE_SECONDS, self.lose, socket)

    def _detach(self) -> None:
        if self._writer is None or self._socket is None:
            return
        offer(self._socket, None)
        closing = asyncio.ensure_future(self._writer.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._socket = self._writer = None
        self._lost_at = self._ring.added
        self._attached.clear()
        self._flowing.set()
        self._let_go.set()
        self._interrupt()

    def _leave(self, gone: Gone) -> None:
        self._gone = self._gone or gone
        self._attached.set()  # whoever waits for another socket stops
        self._interrupt()

    def _interrupt(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.reschedule(0)
