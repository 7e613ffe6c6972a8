"""Messages from a provider, handed on as they come: whole, in order, and not while paused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from realtime.bridge.framing import framed
from realtime.bridge.stream import FRAMES_AHEAD, MUCH_BYTES, TURN_SECONDS, Stream

pytestmark = pytest.mark.outside

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    """A server that sends what a test tells it to, in the pieces that it gives."""

    def __init__(self) -> None:
        self.writer: asyncio.StreamWriter | None = None
        self.reader: asyncio.StreamReader | None = None

    async def shake(self, *pieces: bytes, at: int | None = None) -> None:
        """Answer the handshake and send `pieces` with it; `at`: where to cut all of it in two."""
        assert self.reader is not None
        head = await self.reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1]  # type: ignore[index]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"".join(pieces)
        )
        if at is None:
            await self.say(answer)
        else:
            await self.say(answer[:at], answer[at:])

    async def say(self, *pieces: bytes) -> None:
        assert self.writer is not None
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_stream(*said: bytes, at: int | None = None) -> AsyncIterator[tuple[Stream, Peer]]:
    peer = Peer()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.reader, peer.writer = reader, writer
        await peer.shake(*said, at=at)

    async with await asyncio.start_server(visit, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = await connect(
            f"ws://127.0.0.1:{port}/",
            create_connection=Stream,
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
            max_size=100_000,
        )
        assert isinstance(stream, Stream)
        try:
            yield stream, peer
        finally:
            stream.transport.abort()


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("at", [None, *range(124, 140)])
async def test_what_follows_the_handshake_is_seen_wherever_it_is_cut(at: int | None) -> None:
    first, second = framed("first", masked=False), framed(b"second", masked=False)
    async with a_stream(first, second, at=at) as (stream, _peer):
        async with asyncio.timeout(5):
            assert [await stream.receive(), await stream.receive()] == ["first", b"second"]


async def test_a_message_in_parts_is_handed_on_whole() -> None:
    parts = [
        Frame(Opcode.TEXT, "grü".encode()[:-1], fin=False),
        Frame(Opcode.PING, b"?"),
        Frame(Opcode.CONT, "grü".encode()[-1:] + "ß".encode()),
    ]
    seen: list[str | bytes] = []
    async with a_stream() as (stream, peer):
        stream.hand_to(seen.append)
        await peer.say(*[part.serialize(mask=False) for part in parts], framed("b", masked=False))
        await until(lambda: len(seen) == 2)
    assert seen == ["grüß", "b"]


@pytest.mark.parametrize("parts", [1, 2])
async def test_text_that_is_none_ends_the_connection(parts: int) -> None:
    whole = [Frame(Opcode.TEXT, b"\xff\xfe")]
    cut = [Frame(Opcode.TEXT, b"\xff", fin=False), Frame(Opcode.CONT, b"\xfe")]
    seen: list[str | bytes] = []
    async with a_stream() as (stream, peer):
        stream.hand_to(seen.append)
        frames = whole if parts == 1 else cut
        await peer.say(*[frame.serialize(mask=False) for frame in frames])
        await asyncio.wait({stream.lost}, timeout=5)
        assert stream.close_exc.sent is not None
        assert (stream.close_exc.sent.code, seen) == (1007, [])


async def test_nothing_is_handed_on_while_paused_and_all_in_order_afterwards() -> None:
    seen: list[str | bytes] = []
    async with a_stream() as (stream, peer):
        stream.hand_to(seen.append)
        stream.pause()
        told = [f"{number}" for number in range(30)]
        await peer.say(b"".join(framed(each, masked=False) for each in told))
        await asyncio.sleep(0.05)
        assert seen == []
        stream.resume()
        await until(lambda: len(seen) == len(told))
        assert seen == told


async def test_no_more_is_read_than_somebody_takes() -> None:
    async with a_stream() as (stream, peer):
        piece = framed(bytes(60_000), masked=False)
        for _ in range(FRAMES_AHEAD):
            await peer.say(piece)
        await asyncio.sleep(0.05)
        assert stream.transport.is_reading() is False
        for _ in range(FRAMES_AHEAD):
            await stream.receive()
        assert stream.transport.is_reading() is True


async def test_after_much_at_once_it_rests_for_a_moment() -> None:
    async with a_stream() as (stream, _peer):
        stream.hand_to(lambda frame: None)
        stream.data_received(framed(bytes(MUCH_BYTES - 100), masked=False))
        assert stream.transport.is_reading() is True
        stream.data_received(framed(bytes(MUCH_BYTES), masked=False))
        assert stream.transport.is_reading() is False
        await until(stream.transport.is_reading)


async def test_a_connection_that_ends_while_it_rests_stays_ended() -> None:
    failed: list[object] = []
    async with a_stream() as (stream, _peer):
        stream.loop.set_exception_handler(lambda loop, context: failed.append(context))
        stream.hand_to(lambda frame: None)
        stream.data_received(framed(bytes(MUCH_BYTES), masked=False))
        stream.transport.abort()
        await asyncio.wait({stream.lost}, timeout=5)
        await until(lambda: not stream._rests)
    assert failed == []


async def test_who_waits_for_a_message_learns_that_there_will_be_none() -> None:
    async with a_stream() as (stream, peer):
        waiting = asyncio.create_task(stream.receive())
        await asyncio.sleep(0.02)
        assert peer.writer is not None
        peer.writer.transport.abort()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(waiting, 5)


async def test_a_transport_that_is_full_has_to_be_waited_for() -> None:
    async with a_stream() as (stream, _peer):
        sent = 0
        while stream.send_now(bytes(50_000)):
            sent += 1
            assert sent < 1000
        assert stream.paused is True


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """The messages handed to its `append`, each of which takes a whole turn (`TURN_SECONDS`)."""
    now = 0.0
    monkeypatch.setattr("realtime.bridge.stream.monotonic", lambda: now)

    class Slow(list[str | bytes]):
        def append(self, frame: str | bytes) -> None:
            nonlocal now
            now += TURN_SECONDS
            super().append(frame)

    return Slow()


async def test_what_came_at_once_lets_others_have_their_turn(slowly: list[str | bytes]) -> None:
    def take(frame: str | bytes) -> None:
        slowly.append(frame)
        if len(slowly) == 1:
            asyncio.get_running_loop().call_soon(slowly.append, "another's")

    many = [framed(f"{n}", masked=False) for n in range(2 * FRAMES_AHEAD)]
    async with a_stream() as (stream, peer):
        stream.hand_to(take)
        await peer.say(b"".join(many))
        await until(lambda: len(slowly) > len(many))
    assert slowly[0] == "0" and "another's" in slowly[1:4]
    slowly.remove("another's")
    assert slowly == [f"{n}" for n in range(2 * FRAMES_AHEAD)]


async def test_what_came_before_the_end_is_handed_on_before_it(slowly: list[str | bytes]) -> None:
    many = [framed(f"{n}", masked=False) for n in range(FRAMES_AHEAD - 1)]
    async with a_stream() as (stream, peer):
        assert peer.writer is not None
        peer.writer.write(b"".join(many))
        peer.writer.close()
        await asyncio.wait({stream.lost}, timeout=5)
        stream.hand_to(slowly.append)
        assert slowly == [f"{n}" for n in range(FRAMES_AHEAD - 1)]
