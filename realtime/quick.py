"""Uvicorn's WebSocket protocol with a fast path for frames that bypasses ASGI.

ASGI costs each frame a dictionary, a queue and a task switch, and each received one two system
calls as well, because reading pauses until the application has asked for more. Here a call's
consumer is offered frames in the transport's callback, and writes to the transport at once. Frames
that cannot go that way, and all other consumers, use ASGI as usual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from realtime.bridge.browser import Take
from realtime.bridge.framing import END_OF_HEAD, Splitter, framed
from realtime.bridge.writer import Frame

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent

QUICK = "nextvoice.quick"
"""The ASGI extension that is a `bridge.browser.Quick`."""


class QuickProtocol(WebSocketsSansIOProtocol):
    """One browser's socket, which is also the extension in its ASGI scope."""

    _splitter: Splitter | None = None
    _take: Take | None = None
    _asked = False
    """Whether the application waits for the next message."""

    def send_now(self, frame: Frame, /) -> bool:
        """Write a message to the transport; False if it has to go by ASGI's `send`, which waits or
        raises."""
        open_ = self.handshake_complete and not self.close_sent and not self.disconnected
        if not open_ or not self.writable.is_set() or self.transport.is_closing():
            return False
        self.transport.write(framed(frame, False))
        return True

    def offer_to(self, take: Take | None, /) -> None:
        """Offer messages to `take` while the application waits for the next one."""
        self._take = take

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # Otherwise uvicorn takes an HTTP refusal for a missing handshake, and logs an error.
            self.handshake_complete = True

    async def receive(self) -> ASGIReceiveEvent:
        self._asked = True
        try:
            return await super().receive()
        finally:
            self._asked = False

    def data_received(self, data: bytes) -> None:
        if self._splitter is not None:
            self._splitter.feed(data)
            return
        super().data_received(data)
        # Usually nothing follows the request yet. If anything does, all is left to the library.
        if self.handshake_initiated and data.endswith(END_OF_HEAD):
            self._split()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[QUICK] = self

    def connection_lost(self, exc: Exception | None) -> None:
        self._take = None
        super().connection_lost(exc)

    def _split(self) -> None:
        self._splitter = Splitter(
            self.conn,
            masked=True,
            on_frame=self._message,
            on_rest=super().data_received,
        )

    def _message(self, frame: Frame) -> None:
        if self.close_sent:
            return  # as in uvicorn, so that the answer to our close is still read
        take = self._take
        if take is not None and self._asked and self.queue.empty() and take(frame):
            return
        if isinstance(frame, str):
            self.queue.put_nowait({"type": "websocket.receive", "text": frame})
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": frame})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
