"""A compact streaming HTTP POST on asyncio streams, for OpenAI-compatible endpoints.

One request per connection. No redirects, no proxies, no compression; every wait is bounded.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONNECT_S = 10.0
READ_S = 60.0
HEAD_LIMIT = 64 * 1024
LINE_LIMIT = 1024 * 1024
ERROR_BODY_LIMIT = 4096
_BAD_IN_HEADER = re.compile(r"[^\t\x20-\x7e]")


class HttpFailed(Exception):
    """The endpoint could not be used; `status` is 0 when it never answered."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base` is like http://host:11434/v1; a path already in it is kept."""

    base: str
    key: str = ""
    model: str = ""

    def url(self, path: str) -> str:
        base = self.base.rstrip("/")
        return base if base.endswith(path) else base + path


class Answer:
    """A 2xx answer whose body has not been read yet. Where it repeats the key that it was asked
    with, words of it do not."""

    def __init__(self, reader: asyncio.StreamReader, headers: dict[str, str], key: str) -> None:
        self.headers = headers
        self._reader = reader
        self._key = key.encode()

    async def chunks(self) -> AsyncIterator[bytes]:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            async for piece in self._chunked():
                yield piece
            return
        length = self.headers.get("content-length")
        left = int(length) if length and length.isdigit() else None
        while left is None or left > 0:
            piece = await _soon(self._reader.read(min(left or 65536, 65536)))
            if not piece:
                if left:
                    raise HttpFailed("The endpoint closed the connection in its answer.")
                return
            left = None if left is None else left - len(piece)
            yield piece

    async def _chunked(self) -> AsyncIterator[bytes]:
        while True:
            line = await _soon(self._reader.readuntil(b"\r\n"))
            size = int(line.split(b";")[0].strip() or b"0", 16)
            if size <= 0:
                return
            while size:
                piece = await _soon(self._reader.read(min(size, 65536)))
                if not piece:
                    raise HttpFailed("The endpoint closed the connection in its answer.")
                size -= len(piece)
                yield piece
            await _soon(self._reader.readexactly(2))

    async def lines(self) -> AsyncIterator[str]:
        """The body as text lines, without their ends."""
        rest = b""
        async for piece in self.chunks():
            rest += piece
            *whole, rest = rest.split(b"\n")
            if len(rest) > LINE_LIMIT:
                raise HttpFailed("The endpoint sent a line that is too long.")
            for line in whole:
                yield self._without_key(line.rstrip(b"\r")).decode("utf-8", "replace")
        if rest:
            yield self._without_key(rest).decode("utf-8", "replace")

    async def body(self, limit: int) -> bytes:
        data = bytearray()
        async for piece in self.chunks():
            data += piece
            if len(data) > limit:
                raise HttpFailed("The endpoint's answer is too large.")
        return self._without_key(bytes(data))

    async def beginning(self) -> str:
        """The start of the body, for an error's text."""
        data = b""
        async for piece in self.chunks():
            data += piece
            if len(data) >= ERROR_BODY_LIMIT:
                break
        text = self._without_key(data[:ERROR_BODY_LIMIT])
        return text.decode("utf-8", "replace").strip()[:500]

    def _without_key(self, data: bytes) -> bytes:
        return data.replace(self._key, b"[key]") if self._key else data


async def _soon(read: Coroutine[Any, Any, bytes]) -> bytes:
    async with asyncio.timeout(READ_S):
        return await read


@contextlib.asynccontextmanager
async def post(
    url: str, body: bytes, content_type: str, *, key: str = "", accept: str = "*/*"
) -> AsyncIterator[Answer]:
    """POST and yield the answer; raises HttpFailed for everything but a 2xx status."""
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise HttpFailed("The endpoint's address must start with http:// or https://.")
    head = _head(url, len(body), content_type, key, accept)
    tls = ssl.create_default_context() if target.scheme == "https" else None
    port = target.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                target.hostname, port, ssl=tls, limit=HEAD_LIMIT
            )
    except (OSError, TimeoutError) as problem:
        raise HttpFailed(f"The endpoint cannot be reached: {_reason(problem)}.") from None
    try:
        writer.write(head + body)
        yield await _answer(reader, key)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as problem:
        raise HttpFailed(f"The endpoint's answer broke off: {_reason(problem)}.") from None
    except asyncio.LimitOverrunError:
        raise HttpFailed("The endpoint's answer has headers that are too long.") from None
    finally:
        # abort: a cancelled answer must stop the other side's work at once.
        writer.transport.abort()


def _reason(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return str(problem) or type(problem).__name__


def _head(url: str, length: int, content_type: str, key: str, accept: str) -> bytes:
    target = urlsplit(url)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    headers = {
        "Host": target.netloc.rpartition("@")[2],
        "Content-Type": content_type,
        "Content-Length": str(length),
        "Accept": accept,
        "Accept-Encoding": "identity",
        "User-Agent": "nextvoice",
        "Connection": "close",
    }
    if key:
        headers["Authorization"] = f"Bearer {key}"
    for value in (path, *headers.values()):
        if _BAD_IN_HEADER.search(value) or ("\t" in value):
            raise HttpFailed("The endpoint's address or key has characters that cannot be sent.")
    if " " in path:
        raise HttpFailed("The endpoint's address has a space in it.")
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _answer(reader: asyncio.StreamReader, key: str) -> Answer:
    while True:
        head = (await _soon(reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
        first, *rest = head.split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise HttpFailed("The endpoint does not speak HTTP.")
        status = int(parts[1])
        if status >= 200:
            break
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    answer = Answer(reader, headers, key)
    if status < 300:
        return answer
    if status < 400:
        raise HttpFailed("The endpoint redirects elsewhere; use its final address.", status)
    text = ""
    with contextlib.suppress(HttpFailed):
        text = await answer.beginning()
    raise HttpFailed(f"The endpoint answered {status}: {text or parts[-1]}", status)
