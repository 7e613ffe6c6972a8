"""The server: WebSocket on /v1/realtime, and two small pages over HTTP."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websocket_serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from realtime.local.config import DEFAULT_MODEL
from realtime.local.errors import Refused
from realtime.local.events import Event
from realtime.local.outbox import Outbox
from realtime.local.session import FRAME_LIMIT, SESSION_S, Session
from realtime.local.settings import Engine, engine_from

log = logging.getLogger(__name__)

PATHS = ("/v1/realtime", "/realtime", "/openai/v1/realtime")
# A little above what a session accepts, so that a large event is answered, not cut off.
SOCKET_LIMIT = FRAME_LIMIT + 4 * 1024 * 1024
MOST_SESSIONS = 64
CLOSE_S = 0.5


@dataclass(slots=True)
class Provider:
    """A running server. `port` is the real one when 0 was asked for."""

    engine: Engine
    host: str
    port: int
    session_s: float
    sessions: int = 0

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}/v1/realtime"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Plain HTTP pages; None lets the WebSocket handshake go on."""
        path = urlsplit(request.path).path.rstrip("/")
        if path == "/healthz":
            return _json(HTTPStatus.OK, self.health())
        if path == "/v1/models":
            model = {"id": DEFAULT_MODEL, "object": "model", "created": 0, "owned_by": "nextvoice"}
            return _json(HTTPStatus.OK, {"object": "list", "data": [model]})
        if not _trusted(request.headers.get("Origin"), self.host):
            message = "Pages of other sites may not use this server."
            return _json(HTTPStatus.FORBIDDEN, _http_error(message))
        if path not in PATHS:
            return _json(HTTPStatus.NOT_FOUND, _http_error(f"Unknown path: {path or '/'}"))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            message = "This address speaks WebSocket: connect with ws:// or wss://."
            return _json(HTTPStatus.UPGRADE_REQUIRED, _http_error(message))
        if self.sessions >= MOST_SESSIONS:
            return _json(HTTPStatus.TOO_MANY_REQUESTS, _http_error("Too many sessions at once."))
        return None

    def health(self) -> dict[str, object]:
        state = {"status": "ok", "ready": self.engine.ready, "sessions": self.sessions}
        return {**state, **self.engine.health()}

    async def handle(self, connection: ServerConnection) -> None:
        self.sessions += 1
        try:
            await self._converse(connection)
        except ConnectionClosed:
            pass
        finally:
            self.sessions -= 1

    async def _converse(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        outbox = Outbox(_encoded, connection.transport.abort)
        session = Session(
            self.engine,
            outbox.put,
            model=query.get("model", [""])[0][:200],
            lasts_s=self.session_s,
            room=outbox.room,
        )
        session.open()
        writer = asyncio.create_task(_write(connection, outbox))
        try:
            async with asyncio.timeout(self.session_s):
                await _read(connection, session)
        except TimeoutError:
            await _expire(connection, session, writer, self.session_s)
        finally:
            session.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


async def _read(connection: ServerConnection, session: Session) -> None:
    async for frame in connection:
        for step in session.receive(frame):
            step()
            await asyncio.sleep(0)


async def _write(connection: ServerConnection, outbox: Outbox) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.send(await outbox.next())


async def _expire(
    connection: ServerConnection,
    session: Session,
    writer: "asyncio.Task[None]",
    session_s: float,
) -> None:
    """The last event of a session that reached its end: an error, then close 1001."""
    session.close()
    length = f"{session_s / 60:g} minutes" if session_s >= 60 else f"{session_s:g} seconds"
    message = f"Your session hit the maximum duration of {length}."
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    with contextlib.suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await connection.send(_encoded(Refused(message, code="session_expired").event(None)))
            await connection.close(1001, message)


def _encoded(event: Event) -> str:
    return orjson.dumps(event).decode()


def _json(status: HTTPStatus, body: object) -> Response:
    data = orjson.dumps(body)
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, data)


def _http_error(message: str) -> dict[str, object]:
    return {"error": {"type": "invalid_request_error", "code": None, "message": message}}


def _trusted(origin: str | None, host: str) -> bool:
    """A server on loopback asks for no key, so only pages of this machine may call it."""
    if origin is None or not _is_loopback(host):
        return True
    return _is_loopback(urlsplit(origin).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _subprotocol(
    connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Browsers refuse a handshake whose `realtime` offer is not echoed."""
    return Subprotocol("realtime") if "realtime" in offered else None


@contextlib.asynccontextmanager
async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    engine: Engine | None = None,
    session_s: float = SESSION_S,
    sock: socket.socket | None = None,
) -> AsyncIterator[Provider]:
    """Run the provider while the block runs; workers start at once and end with it.

    `sock`: a listening socket to use instead of `host` and `port`.
    """
    provider = Provider(engine or engine_from(), host, port, session_s)
    provider.engine.start()
    server: Server | None = None
    try:
        server = await websocket_serve(
            provider.handle,
            host if sock is None else None,
            port if sock is None else None,
            sock=sock,
            process_request=provider.answer,
            select_subprotocol=_subprotocol,
            compression=None,
            max_size=SOCKET_LIMIT,
            max_queue=8,
            close_timeout=CLOSE_S,
            server_header=None,
        )
        provider.port = next(iter(server.sockets)).getsockname()[1]
        yield provider
    finally:
        if server is not None:
            server.close(code=1012, reason="the server stops")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await server.wait_closed()
        await provider.engine.close()
