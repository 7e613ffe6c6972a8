"""A fast path for ordinary WebSocket frames: those with a whole, unfragmented message.

The library's parser takes a step for each field of a frame, and its writer makes an object of each
frame; for audio that is most of what a frame costs. Everything else (fragments, control frames,
anything that breaks a rule) is left to the library, byte for byte and in order.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from websockets.protocol import Protocol, State
from websockets.utils import apply_mask as slow_apply_mask

try:
    from websockets.speedups import apply_mask
except ImportError:
    apply_mask = slow_apply_mask

from .writer import Frame

WHOLE_TEXT, WHOLE_BINARY = WHOLE = 0x81, 0x82
"""First bytes of an unfragmented message, text and binary, without extensions."""
PARTS = (0x00, 0x01, 0x02, 0x80)
"""First bytes of a message's fragments: one in between, the first (text, binary), the last."""
KNOWN = frozenset({WHOLE_TEXT, WHOLE_BINARY, *PARTS, 0x88, 0x89, 0x8A})
"""All valid first bytes; the last three are a close, a ping and a pong."""
MASKED = 0x80
OPEN = State.OPEN  # looking up an enum member is slow, and each frame needs it
MASKS = 1024
_masks: list[bytes] = []
_short, _long = struct.Struct("!BBH").pack, struct.Struct("!BBQ").pack
END_OF_HEAD = b"\r\n\r\n"
"""The end of the handshake's HTTP head, after which frames follow."""


class Splitter:
    """Splits a connection's bytes into frames, whatever pieces they come in. Starts with a frame.

    The message in an ordinary frame goes to `on_frame`. All other frames go to `on_rest`, whole and
    unchanged, one at a time; so does every frame while the library's `connection` is not open. From
    the first invalid frame on (unknown, larger than the connection takes, wrongly masked, not
    UTF-8) all bytes go to `on_rest`, so that the library reports the error.
    """

    def __init__(
        self,
        connection: Protocol,
        *,
        masked: bool,
        on_frame: Callable[[Frame], None],
        on_rest: Callable[[bytes], None],
    ) -> None:
        self._mask_bit = MASKED if masked else 0
        assert connection.max_message_size is not None
        self._most = connection.max_message_size
        self._connection = connection
        self._on_frame = on_frame
        self._on_rest = on_rest
        self._kept = bytearray()  # the beginning of a frame
        self._need = 0  # how many bytes of it are needed to go on
        self._in_parts = False  # a message in several frames has begun
        self._gave_up = False

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        if self._kept:
            self._kept += data
            if len(self._kept) < self._need:
                return
            data = bytes(self._kept)
            self._kept = bytearray()
        at = 0
        while at < len(data):
            if self._gave_up:
                self._on_rest(data[at:])
                return
            after = self._frame(data, at)
            if after > len(data):
                self._kept = bytearray(data[at:])
                self._need = after - at
                return
            at = after

    def _frame(self, data: bytes, at: int) -> int:
        """Hand on the frame at `at` and return where it ends. If it is incomplete, hand on nothing
        and return how far `data` has to reach to get further."""
        there, body = len(data), at + 2
        if there < body:
            return body
        first, second = data[at], data[at + 1]
        if first not in KNOWN or second & MASKED != self._mask_bit:
            self._gave_up = True
            return at
        size = second & 0x7F
        if size >= 126:
            body += 2 if size == 126 else 8
            if there < body:
                return body
            size = int.from_bytes(data[at + 2 : body])
        if second >= MASKED:
            body += 4
        end = body + size
        if there < end or size > self._most:
            self._gave_up = size > self._most
            return at if self._gave_up else end
        if first not in WHOLE or self._in_parts or self._connection.state is not OPEN:
            if first in PARTS:
                self._in_parts = first != 0x80
            self._on_rest(data[at:end])
            return end
        payload = data[body:end]
        if second >= MASKED:
            payload = apply_mask(payload, data[body - 4 : body])
        if first == WHOLE_BINARY:
            self._on_frame(payload)
        elif not self._hand_on_text(payload):
            return at
        return end

    def _hand_on_text(self, payload: bytes) -> bool:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._gave_up = True
            return False
        self._on_frame(text)
        return True


def framed(frame: Frame, masked: bool) -> bytes:
    """A message as one frame. A client's frames have to be `masked`."""
    if isinstance(frame, str):
        first, payload = WHOLE_TEXT, frame.encode()
    else:
        first, payload = WHOLE_BINARY, frame
    size, bit = len(payload), MASKED if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = _short(first, bit | 126, size)
    else:
        head = _long(first, bit | 127, size)
    if not masked:
        return head + payload
    mask = _masks.pop() if _masks else _mask()
    return head + mask + apply_mask(payload, mask)


def _mask() -> bytes:
    """Four unpredictable bytes. Getting them from the system costs as much as the rest of a frame,
    so many masks are made at a time."""
    many = os.urandom(4 * MASKS)
    _masks.extend(many[at : at + 4] for at in range(0, len(many), 4))
    return _masks.pop()
