"""The load: pages, or programs, that talk without a pause. Own process, told what to do."""

from __future__ import annotations

import random
import resource
import socket
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.bench.peers import (
    BINARY,
    CLOSE,
    TEXT,
    Loop,
    Peer,
    Stamped,
    age_ms,
    age_of_base64,
    framed,
    percentiles,
)

DELTA = b'"response.output_audio.delta"'
PLAYED = 25  # frames between two reports of what was heard
GOODBYE = framed(CLOSE, (1000).to_bytes(2, "big"), True)
TOLD_BYTES = 32_000  # between two reports of what has arrived
OPEN_SECONDS = 20.0

delays: list[float] = []


class Program(Peer):
    """A program: GA events with base64."""

    audio = Stamped(True, b'{"type":"input_audio_buffer.append","audio":"', b'"}')
    ready_mark = b'"session.created"'

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.began = time.monotonic()
        self.ready = 0.0
        super().__init__(socket.create_connection((parts.hostname, parts.port)))
        lines = {
            "Host": parts.netloc,
            "Origin": f"http://{parts.netloc}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.sock.send(f"GET {path} HTTP/1.1\r\n{told}\r\n".encode())

    def handshake(self, head: bytes) -> None:
        if b" 101 " not in head[:20]:
            raise ConnectionError(head[:200])

    def tick(self) -> None:
        self.send(self.audio.now())

    def frame(self, opcode: int, payload: bytes) -> None:
        if DELTA in payload[:200]:
            at = payload.index(b'"delta":') + 8
            delays.append(age_of_base64(payload[payload.index(b'"', at) + 1 :][:12]))
        elif not self.ready and self.ready_mark in payload[:80]:
            self.ready = time.monotonic()


class Page(Program):
    """A page: binary audio, and now and then what was heard."""

    audio = Stamped(True)
    ready_mark = b'"nextvoice.ready"'
    item = ""
    heard = 0
    received = untold = 0

    def handshake(self, head: bytes) -> None:
        super().handshake(head)
        self._say({"type": "nextvoice.start"})

    def tick(self) -> None:
        super().tick()
        if self.item and self.heard % PLAYED == 0:
            place = {"item_id": self.item, "content_index": 0, "audio_end_ms": self.heard * 40}
            self._say({"type": "nextvoice.played", **place})
        self.heard += 1

    def frame(self, opcode: int, payload: bytes) -> None:
        self.received += 1
        self.untold += len(payload)
        if self.untold >= TOLD_BYTES:
            self.untold = 0
            self._say({"type": "nextvoice.received", "received": self.received})
        if opcode == BINARY:
            delays.append(age_ms(payload))
        elif payload.startswith(b'{"type":"nextvoice.audio"'):
            self.item, self.heard = orjson.loads(payload)["item_id"], 1
        else:
            super().frame(opcode, payload)

    def _say(self, event: dict[str, Any]) -> None:
        self.send(framed(TEXT, orjson.dumps(event), True))


KINDS = {"page": Page, "program": Program}
calls: list[Program] = []


def open_calls(kind: str, urls: list[str], headers: dict[str, str]) -> dict[str, Any]:
    """Open calls one after another; how long each took until it was ready, in ms."""
    took = []
    for url in urls:
        call = KINDS[kind](url, headers)
        if not _becomes_ready(call):
            return {"failed": loop.lost[-1:] or ["not ready in time"], "open": len(calls)}
        took.append((call.ready - call.began) * 1000)
        calls.append(call)
        loop.start(call, random.random())
    return {"ms": percentiles(took), "open": len(calls)}


def _becomes_ready(call: Program) -> bool:
    loop.add(call)
    limit, lost = call.began + OPEN_SECONDS, len(loop.lost)
    loop.run(lambda: bool(call.ready) or time.monotonic() > limit or len(loop.lost) > lost)
    return bool(call.ready)


def run(seconds: float) -> dict[str, Any]:
    """Let all calls go on; the delays in this time."""
    lost, end = len(loop.lost), time.monotonic() + seconds
    delays.clear()
    loop.run(lambda: time.monotonic() > end)
    times = resource.getrusage(resource.RUSAGE_SELF)
    return percentiles(delays) | {
        "lost": loop.lost[lost:],
        "cpu": times.ru_utime + times.ru_stime,
    }


def stop_reading(reads: bool) -> dict[str, Any]:
    """The first call reads no more, or again."""
    loop.pause(calls[0], reads)
    return {}


def close() -> dict[str, Any]:
    """Hang up, as a page does that leaves: one that is only gone might come back."""
    for call in calls:
        with suppress(OSError):
            call.send(GOODBYE)
        loop.drop(call)
    calls.clear()
    return {}


loop = Loop({"open": open_calls, "run": run, "stop_reading": stop_reading, "close": close})

if __name__ == "__main__":
    loop.run(lambda: False)
