"""The short way for frames, past ASGI, on a real uvicorn: nothing is overtaken, nothing lost."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from realtime.management.commands.serve import listening
from realtime.quick import QUICK, QuickProtocol

App = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


@asynccontextmanager
async def served(app: App) -> AsyncIterator[ClientConnection]:
    """A client of `app` on a server of ours."""
    config = uvicorn.Config(app, port=0, ws=QuickProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with connect(f"ws://127.0.0.1:{port}/", compression=None) as socket:
            yield socket
    finally:
        server.should_exit = True
        await running


class Listening:
    """An application that takes frames the short way, if `takes` says so, and all but "wait" and
    "end". These it is given by ASGI.

    It answers "done" to "end"; to "wait" after a while in which it asks for nothing.
    """

    def __init__(self, takes: bool = True) -> None:
        self.seen: list[tuple[str, str | bytes]] = []
        self._takes = takes

    def _take(self, frame: str | bytes) -> bool:
        if not self._takes or frame in ("wait", "end"):
            return False
        self.seen.append(("short", frame))
        return True

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        quick = scope["extensions"][QUICK]
        quick.offer_to(self._take)
        while (message := await receive())["type"] == "websocket.receive":
            frame = message.get("text") or message.get("bytes")
            self.seen.append(("asgi", frame))
            if frame == "wait":
                await asyncio.sleep(0.1)
            if frame == "end":
                assert quick.send_now("done") is True
                assert quick.send_now(b"done") is True


async def test_what_is_taken_takes_the_short_way_and_all_else_the_long_one() -> None:
    app = Listening()
    async with served(app) as socket:
        for frame in (b"1", "2"):
            await socket.send(frame)
            await asyncio.sleep(0.05)
        await socket.send("end")
        assert [await socket.recv(), await socket.recv()] == ["done", b"done"]
    assert app.seen == [("short", b"1"), ("short", "2"), ("asgi", "end")]


async def test_nothing_overtakes_what_is_still_being_dealt_with() -> None:
    app = Listening()
    async with served(app) as socket:
        await socket.send("wait")
        for number in range(20):
            await socket.send(b"%d" % number)
        await socket.send("end")
        await socket.recv()
    frames = [frame for _way, frame in app.seen]
    assert frames == ["wait", *[b"%d" % number for number in range(20)], "end"]
    assert app.seen[1][0] == "asgi"


async def test_what_is_refused_comes_by_asgi() -> None:
    app = Listening(takes=False)
    async with served(app) as socket:
        await socket.send(b"1")
        await socket.send("end")
        await socket.recv()
    assert app.seen == [("asgi", b"1"), ("asgi", "end")]


async def test_a_client_that_reads_nothing_has_to_be_waited_for() -> None:
    full = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Callable[..., Any], send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        quick = scope["extensions"][QUICK]
        sent = 0
        while quick.send_now(bytes(100_000)):
            sent += 1
            assert sent < 1000
        full.set()
        await receive()
        assert quick.send_now(b"") is False

    async with served(app) as socket:
        async with asyncio.timeout(10):
            await full.wait()
        socket.transport.abort()  # saying good-bye would be waited for


def test_on_what_is_accepted_nothing_waits_for_an_acknowledgement() -> None:
    with listening("127.0.0.1", 0) as server:
        with sockets.create_connection(server.getsockname()), server.accept()[0] as accepted:
            assert accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY)
