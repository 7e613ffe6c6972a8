"""What only a hand-made client sends: frames no library makes, and sockets on which nothing comes.

Floods of audio and messages, slow readers and large bodies have tests of their own, beside what
bounds them (bridge/test_limits, realtime/test_consumer, test_slow_reader, api/test_bounds,
chats/test_large_bodies).
"""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.test import Client

from chats.models import Conversation, User
from realtime import consumers
from realtime.bridge.ends import ENDS
from realtime.calls import live
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

MEGABYTE = 1_000_000
MASK = bytes(4)


def memory() -> int:
    """Memory this process, which serves as well, holds right now, in bytes."""
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


@pytest.fixture
def cookie(ann: User) -> str:
    client = Client()
    client.force_login(ann)
    return f"sessionid={client.cookies['sessionid'].value}"


class Raw:
    """A WebSocket by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, first: int, length: int, body: bytes = b"") -> bool:
        """One frame: its first byte, the length it claims, and what follows. False: cut off."""
        size = (
            bytes([0x80 | length])
            if length < 126
            else b"\xfe" + struct.pack(">H", length)
            if length < 65536
            else b"\xff" + struct.pack(">Q", length)
        )
        try:
            self.writer.write(bytes([first]) + size + MASK + body)
            await self.writer.drain()
        except ConnectionError:
            return False
        return True

    async def code(self) -> int | None:
        """The close code that comes; None when the connection just ends."""
        async with asyncio.timeout(60):
            try:
                while True:
                    first, size = await self.reader.readexactly(2)
                    length = size & 0x7F
                    if length == 126:
                        (length,) = struct.unpack(">H", await self.reader.readexactly(2))
                    body = await self.reader.readexactly(length)
                    if first & 0x0F == 8:
                        return int(struct.unpack(">H", body[:2])[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                return None


@asynccontextmanager
async def raw(here: str, conversation: Conversation, cookie: str) -> AsyncIterator[Raw]:
    """A socket of Ann's for a call, on which nothing has been said."""
    host = here.removeprefix("http://")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        f"GET /ws/call/{conversation.pk}/ HTTP/1.1",
        *(f"Host: {host}", f"Origin: {here}", f"Cookie: {cookie}"),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *(f"Sec-WebSocket-Key: {key}", "", ""),
    ]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("length", [256 * 1024 + 1, 20 * MEGABYTE, 4 * 1024**3, 2**62])
async def test_a_frame_that_claims_too_much_is_refused_before_it_comes(
    here: str, conversation: Conversation, cookie: str, length: int
) -> None:
    async with raw(here, conversation, cookie) as socket:
        before = memory()
        await socket.send(0x82, length, bytes(1000))
        assert await socket.code() == 1009
        assert memory() - before < 5 * MEGABYTE


async def test_a_message_in_pieces_of_one_byte_grows_no_further_than_one_may(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with raw(here, conversation, cookie) as socket:
        closing = asyncio.create_task(socket.code())
        before = memory()
        piece = b"\x00\x81" + MASK + b"x"
        await socket.send(0x01, 1, b"x")
        for _ in range(300):
            try:
                socket.writer.write(piece * 1000)
                await socket.writer.drain()
            except ConnectionError:
                break
            if closing.done():
                break
        # On a slow machine the time for a call to begin is over before.
        assert await closing in (1009, ENDS["no_start"].close_code, None)
        assert memory() - before < 100 * MEGABYTE


async def test_a_flood_of_pings_holds_nobody_up(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with raw(here, conversation, cookie) as flooding:
        reading = asyncio.create_task(flooding.code())
        before = memory()
        for _ in range(50):
            flooding.writer.write((b"\x89\x81" + MASK + b"x") * 200)
            await flooding.writer.drain()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.send({"type": "no.such.event"})
            told = await call.event("error")
            assert told["error"]["code"] == "unknown_event"
        assert memory() - before < 10 * MEGABYTE
        reading.cancel()


async def test_on_so_many_sockets_may_nothing_begin_and_no_more(
    here: str, conversation: Conversation, cookie: str
) -> None:
    most = consumers.MOST_WAITING
    sockets = [raw(here, conversation, cookie) for _ in range(most + 2)]
    opened = []
    try:
        for each in sockets[:most]:
            opened.append(await each.__aenter__())
        for each in sockets[most:]:
            async with each as late:
                assert await late.code() == 4429
    finally:
        for each in sockets[:most]:
            await each.__aexit__(None, None, None)
    assert live.count() == 0
