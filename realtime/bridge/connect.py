"""Opening a WebSocket to a provider: resolve the name once, check the addresses, connect to one of
those."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from websockets.asyncio.client import connect as ws_connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from .dialects.base import Dialect
from .dialects.target import Target
from .errors import judge_status
from .faults import refusal_fault, transport_fault
from .guard import Forbidden, check_url, is_allowed
from .progress import Progress, StepName
from .redact import shown_message
from .stream import Stream
from .trust import trusted

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to IP addresses. Raises `OSError`."""

MAX_FRAME = 4 * 1024 * 1024
MAX_BODY = 16_384
ADDRESSES_TRIED = 4

# At DEBUG the library logs the handshake, key included. This logger is in no registry, so no
# logging configuration can lower its level.
_socket_logger = logging.Logger("nextvoice.upstream.socket", logging.WARNING)
_socket_logger.parent = logging.getLogger(__name__)


class UpstreamFailed(Exception):
    """An upstream session could not be opened. `reason`: an end reason of `ends.ENDS`.

    `fault`: what exactly went wrong, a name of `faults.FAULTS`. `provider_message`: the provider's
    own words, key removed. `retry_after`: seconds it asked for. `detail` is for operators.
    """

    def __init__(
        self,
        step: StepName,
        reason: str,
        detail: str,
        provider_message: str | None = None,
        http_status: int | None = None,
        retry_after: float | None = None,
        fault: str = "",
    ) -> None:
        super().__init__(f"{step}: {detail}")
        self.step = step
        self.reason = reason
        self.detail = detail
        self.provider_message = provider_message
        self.http_status = http_status
        self.retry_after = retry_after
        self.fault = fault or reason


async def resolve(host: str, port: int) -> list[str]:
    """Addresses of a host by the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Connecting:
    """One attempt to open a connection. `progress` says how far it has come.

    Raises `UpstreamFailed` only, with nothing of the library's errors, because those may contain
    headers.
    """

    def __init__(
        self,
        target: Target,
        dialect: Dialect,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.progress = progress or Progress()
        self._target = target
        self._dialect = dialect
        self._resolve = resolve
        self._tls = tls

    async def open(self) -> Stream:
        """Connect and upgrade. Raises `UpstreamFailed`; cancellation leaves nothing open."""
        try:
            return await self._attempt()
        except Exception as error:
            failed = self._failure(error)
        # Outside of `except`: a chained error would carry frames with the key in their locals.
        raise failed

    async def _attempt(self) -> Stream:
        url = self._dialect.url(self._target)
        host, port, secure = check_url(url, self._target.allow_private)
        addresses = await self._addresses(host, port)
        self.progress.begin("tcp", ", ".join(addresses))
        sock = await self._dial(addresses, port)
        self.progress.begin("tls" if secure else "handshake", _peer(sock))
        return await self._upgrade(url, host, secure, sock)

    async def _addresses(self, host: str, port: int) -> list[str]:
        async with asyncio.timeout(self._target.timeouts.dns):
            addresses = await self._resolve(host, port)
        # All addresses must be fine: one bad one among them is what DNS rebinding looks like.
        if not addresses or not all(
            is_allowed(address, self._target.allow_private) for address in addresses
        ):
            fault = "address_forbidden" if addresses else "unknown_host"
            raise Forbidden("the host has an address that is not allowed", fault)
        return addresses[:ADDRESSES_TRIED]

    async def _dial(self, addresses: list[str], port: int) -> socket.socket:
        *others, last = addresses
        for address in others:
            try:
                return await self._dial_one(address, port)
            except OSError:
                continue
        return await self._dial_one(last, port)

    async def _dial_one(self, address: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._target.timeouts.tcp):
                await loop.sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _upgrade(self, url: str, host: str, secure: bool, sock: socket.socket) -> Stream:
        connecting = self

        class Connection(Stream):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                if secure:
                    session = transport.get_extra_info("ssl_object")
                    connecting.progress.begin("handshake", session.version() or "")
                super().connection_made(transport)

        options: dict[str, Any] = {"sock": sock}
        try:
            if secure:
                # Others' audio must not wait while certificates are read for the first time.
                tls = self._tls or await asyncio.to_thread(trusted, "socket")
                options |= {"ssl": tls, "server_hostname": host}
            connection = await ws_connect(
                url,
                additional_headers=dict(self._dialect.headers(self._target)),
                subprotocols=[Subprotocol(name) for name in self._dialect.subprotocols] or None,
                compression=None,
                proxy=None,
                open_timeout=None,
                ping_interval=None,
                close_timeout=self._target.timeouts.close,
                max_size=MAX_FRAME,
                logger=_socket_logger,
                create_connection=Connection,
                **options,
            )
        except BaseException:
            sock.close()
            raise
        assert isinstance(connection, Stream)
        return connection

    def _failure(self, error: Exception) -> UpstreamFailed:
        if isinstance(error, UpstreamFailed):
            return error
        if isinstance(error.__cause__, InvalidStatus):
            error = error.__cause__  # a redirect, which a pinned socket does not follow
        if isinstance(error, InvalidStatus):
            return self._refused(error)
        step = self.progress.step
        fault = transport_fault(step, error)
        if isinstance(error, TimeoutError):
            return UpstreamFailed(step, "provider_timeout", "no answer in time", fault=fault)
        # Only operators learn that it is forbidden: people get the text for a closed port.
        detail = str(error) if isinstance(error, Forbidden) else type(error).__name__
        return UpstreamFailed(step, "provider_unreachable", detail, fault=fault)

    def _refused(self, error: InvalidStatus) -> UpstreamFailed:
        response = error.response
        told = _error_in(response.body)
        message = shown_message(str(told.get("message") or ""), self._target.secrets())
        return UpstreamFailed(
            "handshake",
            judge_status(response.status_code, told),
            f"HTTP {response.status_code}",
            provider_message=message or None,
            http_status=response.status_code,
            retry_after=_retry_after(response.headers),
            fault=refusal_fault(response.status_code, told),
        )


def _peer(sock: socket.socket) -> str:
    return str(sock.getpeername()[0])


def _error_in(body: bytes | bytearray | memoryview | None) -> Mapping[str, Any]:
    """The error object of a JSON body, in the shapes that providers use; empty if there is none."""
    try:
        told = orjson.loads(bytes(body or b"")[:MAX_BODY])
    except ValueError:
        return {}
    error = told.get("error", told) if isinstance(told, dict) else {}
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _retry_after(headers: Headers) -> float | None:
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value[:6])
    try:
        at = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (at - sent).total_seconds())
    except (TypeError, ValueError):
        return None
