"""HTTP requests to addresses that somebody typed in: webhooks, plugins, MCP servers, images.

A name is resolved once, all its addresses are checked (`bridge.guard`), and one of these is
connected to; TLS verifies the name. A destination is one origin, so that a secret reaches no other.
No redirects, no proxies of the environment, no compressed answers; size and time are limited.
Secrets are added below the HTTP library, which logs and keeps what it sends.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from realtime.bridge.connect import Resolve, resolve
from realtime.bridge.guard import Forbidden, check_url, is_allowed
from realtime.bridge.trust import trusted

SECONDS = 14.0
"""A little less than a tool may take, so that its caller learns what was waited for."""
CONNECT_SECONDS = 5.0
MOST_BYTES = 8 * 1024 * 1024
ADDRESSES_TRIED = 4
SCHEMES = ("http", "https")

# They log addresses with their queries, and at DEBUG every header that is sent.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class NoAnswer(Exception):
    """There was no answer, or it was refused. The text is for operators: it contains nothing of the
    address, of what was sent, or of what came."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Headers and parameters that are added to requests to one destination only."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    def values(self) -> tuple[str, ...]:
        """The secret values, in each form in which a service may repeat them."""
        given = [*self.headers.values(), *self.query.values()]
        bare = [value.removeprefix("Bearer ") for value in given]
        return tuple(dict.fromkeys(value for value in (*given, *bare) if value))


@dataclass(frozen=True, slots=True)
class Destination:
    """A server, and the secret that is sent with each request. `vouched`: an operator or admin
    allowed exactly this host and port, which may then be internal, without TLS, on any port."""

    url: str
    vouched: bool = False
    secret: Secret = Secret()
    most_bytes: int = MOST_BYTES
    resolve: Resolve = resolve


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `content_type`: lower case, without parameters."""

    status: int
    content_type: str
    data: bytes = field(repr=False)


async def fetch(
    to: Destination,
    method: str,
    url: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """Request `url` (of the destination's origin; empty: its own address) and read the whole
    answer. Raises NoAnswer; any status is an answer."""
    try:
        async with asyncio.timeout(seconds), client(to, seconds) as http:
            async with http.stream(method, url or to.url, headers=headers, content=body) as got:
                data = b"".join([part async for part in got.aiter_raw()])
                kind = got.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return Answer(got.status_code, kind, data)
    except Exception as problem:
        failed = no_answer(problem)
    # Outside of `except`: a chained error would carry frames with secrets in their locals.
    raise failed


def no_answer(problem: BaseException) -> NoAnswer:
    """What went wrong, in words that reveal nothing."""
    if isinstance(problem, NoAnswer | Forbidden):
        return NoAnswer(str(problem))
    if isinstance(problem, TimeoutError | httpx2.TimeoutException):
        return NoAnswer("no answer in time")
    if _because_of(problem, ssl.SSLError):
        return NoAnswer("no trusted TLS connection")
    return NoAnswer(f"no connection ({type(problem).__name__})")


@asynccontextmanager
async def client(to: Destination, seconds: float = SECONDS) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client that reaches this destination only. Its requests raise NoAnswer, Forbidden and
    httpx2's errors."""
    patience = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
    async with httpx2.AsyncClient(
        transport=_Guarded(to),
        headers={"User-Agent": "NextVoice", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
        timeout=patience,
    ) as made:
        yield made


class _Guarded(httpx2.AsyncBaseTransport):
    """Connects to checked addresses of one origin."""

    def __init__(self, to: Destination) -> None:
        self._to = to
        self._origin = _origin(httpx2.URL(to.url))
        self._host, self._port, _tls = check_url(to.url, to.vouched, SCHEMES)
        self._inner = httpx2.AsyncHTTPTransport(verify=trusted("http"), trust_env=False)
        self._addresses: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _origin(request.url) != self._origin:
            raise Forbidden("another server than the one that was checked", "bad_url")
        if not self._addresses:
            self._addresses = await self._checked()
        *others, last = self._addresses
        for address in others:
            try:
                return await self._ask(address, request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as problem:
                if _because_of(problem, ssl.SSLError):
                    raise  # that one answers; what the others say would hide what is wrong
        return await self._ask(last, request)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _checked(self) -> list[str]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await self._to.resolve(self._host, self._port)
        except OSError as problem:
            if isinstance(problem, TimeoutError):
                raise
            raise NoAnswer("the host is not known") from None
        # All addresses must be fine: one bad one among them is what DNS rebinding looks like.
        if not found or not all(is_allowed(each, self._to.vouched) for each in found):
            raise Forbidden("the host has an address that is not allowed", "address_forbidden")
        return found[:ADDRESSES_TRIED]

    async def _ask(self, address: str, request: httpx2.Request) -> httpx2.Response:
        url, headers = request.url, request.headers.copy()
        if self._to.secret.query:
            url = url.copy_merge_params(dict(self._to.secret.query))
        headers.update(self._to.secret.headers)
        # TLS verifies the name; we connect to the address that was checked.
        pinned = httpx2.Request(
            request.method,
            url.copy_with(host=address),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": self._host},
        )
        answer = await self._inner.handle_async_request(pinned)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            await answer.aclose()
            raise NoAnswer("it answered compressed, although asked not to")
        answer.stream = _Bounded(answer.stream, self._to.most_bytes)
        return answer


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer, up to `most` bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise NoAnswer("the answer is too large")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address, normalised. Raises Forbidden if it is none."""
    host, port, _tls = check_url(url, True, SCHEMES)
    return urlsplit(url).scheme, host, port


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.lower(), url.port


def _because_of(problem: BaseException | None, kind: type[BaseException]) -> bool:
    while problem is not None:
        if isinstance(problem, kind):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
