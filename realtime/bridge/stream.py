"""The websockets library's client connection, with a fast path in and out for whole messages.

The handshake, the close, pings and everything unusual are still the library's. A received message
is handed on by a plain call from the transport's callback, and one to be sent is written to the
transport in the caller's own call: there is no queue and no task in between.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WireFrame
from websockets.protocol import Event

from .framing import END_OF_HEAD, OPEN, Splitter, framed
from .writer import Frame

FRAMES_AHEAD = 8
"""How many messages may wait to be taken before reading is paused."""
TURN_SECONDS = 0.001
"""How long messages that came together are handed on before other connections have their turn: a
provider may send much faster than real time, and sends a lot at the end of an answer."""
MUCH_BYTES, REST_SECONDS = 64_000, 0.001
"""After so many bytes in one read, over a second of speech, reading pauses for so long: all of it
is also stored, by threads that have to get their turn."""
DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
TCP_INFO, INFO_BYTES = getattr(socket, "TCP_INFO", None), 148
BYTES_ACKED, BYTES_NOT_SENT = struct.Struct("=120xQ"), struct.Struct("=144xI")
"""Their places in Linux's `struct tcp_info`."""


class Stream(ClientConnection):
    """A connection whose messages are taken one by one (`receive`) or handed on (`hand_to`)."""

    # With the library's own there would be more than thirty attributes in a `__dict__`, which makes
    # an object slower, and far larger.
    __slots__ = (
        "_arrived",
        "_goes_on",
        "_head",
        "_is_text",
        "_parts",
        "_reads",
        "_rests",
        "_splitter",
        "_stopped",
        "_to",
        "_turn_ends",
        "_waiting",
        "answers_pings",
        "arrivals",
    )

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
        super().__init__(protocol, **options)
        self.arrivals = 0
        """How often data arrived: messages, parts of them, pongs."""
        self.answers_pings = False
        """Whether a ping was ever answered."""
        self._head: bytes | None = b""  # the last bytes of the handshake's response; None after it
        self._splitter: Splitter | None = None
        self._waiting: list[Frame] = []
        self._arrived: asyncio.Future[None] | None = None  # what `receive` waits for
        self._to: Callable[[Frame], None] | None = None
        self._stopped = False
        self._reads = True
        self._rests = False  # for a moment
        self._turn_ends = 0.0
        self._goes_on = False  # another turn, for the rest, is scheduled
        self._parts: list[bytes] = []
        self._is_text = False

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection is over; `close_exc` then says how."""
        return self.connection_lost_waiter

    async def receive(self) -> Frame:
        """The next message. Raises `ConnectionClosed` when there is none."""
        while not self._waiting:
            if self.lost.done():
                raise self.close_exc
            self._arrived = self.loop.create_future()
            await asyncio.wait({self._arrived, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        frame = self._waiting.pop(0)
        self._read_on()
        return frame

    def hand_to(self, to: Callable[[Frame], None]) -> None:
        """Call `to` with each message from now on. It must not raise."""
        self._to = to
        self._turn()

    def pause(self) -> None:
        """Hand on no more, and read no more, until `resume`."""
        self._stopped = True
        self._read_on()

    def resume(self) -> None:
        """Read on."""
        self._stopped = False
        # Not at once: the caller may be in the middle of handling a message.
        self._go_on()

    def send_now(self, frame: Frame) -> bool:
        """Write a message to the transport; False if it has to go by `send`, which waits or
        raises."""
        if self.paused or self.send_in_progress is not None or self.transport.is_closing():
            return False
        if self.protocol.state is not OPEN:
            return False
        self.transport.write(framed(frame, True))
        return True

    def ping_now(self) -> None:
        """Ask the other side for a sign of life, which `arrivals` counts."""
        if self.protocol.state is OPEN and not self.transport.is_closing():
            self.protocol.send_ping(b"ping")
            self.send_data()

    def backlog(self) -> tuple[int, int]:
        """How many bytes still wait to be sent, and how many the other side has acknowledged in
        all; the latter is 0 if the system does not tell."""
        waits = self.transport.get_write_buffer_size()
        if TCP_INFO is None or self.transport.is_closing():
            return waits, 0
        info = self.transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, TCP_INFO, INFO_BYTES
        )
        if len(info) < INFO_BYTES:
            return waits, 0
        return waits + BYTES_NOT_SENT.unpack(info)[0], BYTES_ACKED.unpack_from(info)[0]

    def data_received(self, data: bytes) -> None:
        self.arrivals += 1
        self._turn_ends = monotonic() + TURN_SECONDS
        if self._head is not None:
            data = self._shake(self._head, data)
        if data:
            if self._splitter is None:
                super().data_received(data)
            else:
                self._splitter.feed(data)
                if len(data) >= MUCH_BYTES:
                    self._rest()

    def process_event(self, event: Event) -> None:
        if isinstance(event, WireFrame) and event.opcode in DATA:
            self._part(event)
        else:
            if isinstance(event, WireFrame) and event.opcode is Opcode.PONG:
                self.answers_pings = True
            super().process_event(event)

    def _shake(self, before: bytes, data: bytes) -> bytes:
        """Pass `data` to the library up to the end of the handshake's response. Returns what
        follows that. `before`: the last bytes that came earlier."""
        at = (before + data).find(END_OF_HEAD)
        if at < 0:
            self._head = (before + data)[-3:]
            super().data_received(data)
            return b""
        self._head = None
        end = at + len(END_OF_HEAD) - len(before)
        super().data_received(data[:end])
        if self.protocol.state is OPEN:
            self._splitter = Splitter(
                self.protocol,
                masked=False,
                on_frame=self._message,
                on_rest=super().data_received,
            )
        return data[end:]

    def _part(self, frame: WireFrame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        if not self._is_text:
            self._message(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            reason = f"{error.reason} at position {error.start}"
            self.protocol.fail(CloseCode.INVALID_DATA, reason)
            self.send_data()
            # A peer that breaks the protocol may not close properly either.
            self.loop.call_later(self.close_timeout or 0, self.transport.abort)
        else:
            self._message(text)

    def _message(self, frame: Frame) -> None:
        takes = self._to is not None and not self._stopped
        if takes and not self._waiting and monotonic() < self._turn_ends:
            self._to(frame)  # type: ignore[misc]
            return
        self._waiting.append(frame)
        if takes:
            self._go_on()
        elif self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
        self._read_on()

    def _go_on(self) -> None:
        """Schedule the handing on of what waits, after other connections have had their turn."""
        if not self._goes_on:
            self._goes_on = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._goes_on = False
        self._turn_ends = monotonic() + TURN_SECONDS
        while self._to is not None and not self._stopped and self._waiting:
            # Once the connection is lost, all that came is handed on before the end is reported.
            if monotonic() > self._turn_ends and not self.lost.done():
                self._go_on()
                break
            self._to(self._waiting.pop(0))
        self._read_on()

    def _rest(self) -> None:
        self._rests = True
        self.loop.call_later(REST_SECONDS, self._rested)
        self._read_on()

    def _rested(self) -> None:
        self._rests = False
        self._read_on()

    def _read_on(self) -> None:
        """Resume or pause reading, depending on whether messages are being taken."""
        reads = not (self._stopped or self._rests) and len(self._waiting) < FRAMES_AHEAD
        if reads != self._reads and not self.transport.is_closing():
            self._reads = reads
            if reads:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()
