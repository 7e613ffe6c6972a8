"""Many WebSocket peers in one thread, so cheap that they are not what is measured.

Frames are made beforehand and carry the time they were sent: each one tells its own delay.
"""

from __future__ import annotations

import base64
import heapq
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from websockets.speedups import apply_mask

FRAME_SECONDS = 0.04
FRAME_BYTES = 1920  # 40 ms of PCM16 at 24 kHz, of which the first eight say when
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
NO_MASK = bytes(4)
"""A client must mask, but may do so with zeros, which leaves the frame as it was made."""


def framed(opcode: int, payload: bytes, masked: bool) -> bytes:
    """A whole WebSocket frame."""
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, mask | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, mask | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, mask | 127, size)
    return head + (NO_MASK if masked else b"") + payload


NUMBER = b"000000000"


class Stamped:
    """A frame with 40 ms of audio, made once; `now()` gives it with the time in it, and with
    another number in place of `NUMBER`, if it has that."""

    def __init__(self, masked: bool, before: bytes | None = None, after: bytes = b"") -> None:
        audio = bytes(FRAME_BYTES)
        self._text = before is not None
        if before is None:
            whole = framed(BINARY, audio, masked)
            self._at = len(whole) - FRAME_BYTES
        else:
            encoded = base64.b64encode(audio)
            whole = framed(TEXT, before + encoded + after, masked)
            self._at = len(whole) - len(after) - len(encoded)
        self._whole = bytearray(whole)
        self._number_at = whole.find(NUMBER) if before is not None and NUMBER in before else 0
        self._number = 0

    def now(self) -> bytes:
        if self._number_at:
            self._number += 1
            self._whole[self._number_at : self._number_at + 9] = b"%09d" % self._number
        stamp = struct.pack("<q", time.monotonic_ns())
        if self._text:
            stamp = base64.b64encode(stamp + b"\0")
        self._whole[self._at : self._at + len(stamp)] = stamp
        return bytes(self._whole)


def age_ms(audio: bytes | memoryview) -> float:
    """How long ago audio was stamped."""
    return (time.monotonic_ns() - int(struct.unpack_from("<q", audio)[0])) / 1e6


def age_of_base64(text: bytes) -> float:
    return age_ms(base64.b64decode(text[:12]))


class Peer:
    """One end of a WebSocket. `handshake(head)` is called once, `frame` for each frame."""

    masked = False  # whether what it receives is

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.sock = sock
        self.reads = True
        self._open = False
        self._rest = b""
        self._unsent = b""

    def handshake(self, head: bytes) -> None:
        raise NotImplementedError

    def frame(self, opcode: int, payload: bytes) -> None:
        raise NotImplementedError

    def tick(self) -> None:
        """Called every 40 ms."""

    def send(self, data: bytes) -> None:
        data = self._unsent + data
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        self._unsent = data[sent:]

    def readable(self) -> None:
        data = self.sock.recv(262_144)
        if not data:
            raise ConnectionError
        if self._rest:
            data = self._rest + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            self._open = True
            self.handshake(data[:at])
        self._rest = data[self._frames(data, at) :]

    def _frames(self, data: bytes, at: int) -> int:
        """Hand on the whole frames from `at` on; returns where the rest begins."""
        while len(data) - at >= 2:
            size, start = data[at + 1] & 0x7F, at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            start += 4 if self.masked else 0
            if len(data) < start + size:
                break
            payload = data[start : start + size]
            if self.masked and (mask := data[start - 4 : start]) != NO_MASK:
                payload = apply_mask(payload, mask)
            opcode, at = data[at] & 0x0F, start + size
            if opcode == PING:
                self.send(framed(10, payload, not self.masked))
            elif opcode == CLOSE:
                raise ConnectionError(payload)
            else:
                self.frame(opcode, payload)
        return at


class Loop:
    """Runs peers, and the commands that come as lines of JSON on the standard input."""

    def __init__(self, commands: dict[str, Callable[..., Any]]) -> None:
        self._commands = commands
        self._poll = select.epoll()
        self._poll.register(sys.stdin, select.EPOLLIN)
        self._peers: dict[int, Peer] = {}
        self._turns: list[tuple[float, int, Peer]] = []
        self._others: dict[int, Callable[[], None]] = {}
        self.lost: list[str] = []

    @property
    def peers(self) -> int:
        """How many there are."""
        return len(self._peers)

    def add(self, peer: Peer) -> None:
        self._peers[peer.sock.fileno()] = peer
        self._poll.register(peer.sock, select.EPOLLIN)

    def start(self, peer: Peer, phase: float) -> None:
        """Call its `tick` every 40 ms; `phase`: 0 to 1."""
        due = time.monotonic() + phase * FRAME_SECONDS
        heapq.heappush(self._turns, (due, peer.sock.fileno(), peer))

    def listen(self, sock: socket.socket, accept: Callable[[], None]) -> None:
        self._others[sock.fileno()] = accept
        self._poll.register(sock, select.EPOLLIN)

    def pause(self, peer: Peer, reads: bool) -> None:
        """Let a peer read no more, or again."""
        peer.reads = reads
        self._poll.modify(peer.sock, select.EPOLLIN if reads else 0)

    def run(self, until: Callable[[], bool]) -> None:
        """Run until it is so, or the input ends."""
        while not until():
            now = time.monotonic()
            while self._turns and self._turns[0][0] <= now:
                due, number, peer = self._turns[0]
                if self._peers.get(number) is not peer:
                    heapq.heappop(self._turns)
                    continue
                heapq.heapreplace(self._turns, (due + FRAME_SECONDS, number, peer))
                self._guarded(peer, peer.tick)
            left = self._turns[0][0] - time.monotonic() if self._turns else 0.05
            for number, _ in self._poll.poll(max(0.0, min(left, 0.05))):
                if (peer := self._peers.get(number)) is not None:
                    self._guarded(peer, peer.readable)
                elif number in self._others:
                    self._others[number]()
                elif not self._command():
                    return

    def drop(self, peer: Peer) -> None:
        if self._peers.pop(peer.sock.fileno(), None) is not None:
            self._poll.unregister(peer.sock)
            peer.sock.close()

    def _guarded(self, peer: Peer, work: Callable[[], None]) -> None:
        try:
            work()
        except BlockingIOError:
            pass
        except OSError as problem:
            self.lost.append(str(problem))
            self.drop(peer)

    def _command(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        told = orjson.loads(line)
        answer = self._commands[told.pop("do")](**told)
        with suppress(BrokenPipeError):
            print(orjson.dumps(answer).decode(), flush=True)
        return True


def percentiles(delays: list[float]) -> dict[str, float]:
    """The middle and the 99th of a hundred, in ms, and how many there were."""
    if not delays:
        return {"p50": float("nan"), "p99": float("nan"), "frames": 0}
    delays = sorted(delays)
    return {
        "p50": delays[len(delays) // 2],
        "p99": delays[int(len(delays) * 0.99)],
        "frames": len(delays),
    }
