"""HTTP requests to addresses that somebody typed in: webhooks, plugins, MCP servers, images.

A name is resolved once, every address of it is checked (`bridge.guard`), and one of those is what
is connected to; TLS verifies the name. One origin a destination, so that a secret reaches no
other. No redirects, no proxies of the environment, no compressed answers; size and time are
bounded. Secrets are put on below the HTTP library, which logs and remembers what it sends.
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
"""A little less than a tool may take, so that who waits is told what was waited for."""
CONNECT_SECONDS = 5.0
MOST_BYTES = 8 * 1024 * 1024
ADDRESSES_TRIED = 4
SCHEMES = ("http", "https")

# They log addresses with what was asked for in them, and at DEBUG each header that is sent.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class NoAnswer(Exception):
    """There was no answer, or one that was not taken. The text is for operators: it holds nothing
    of the address, of what was sent, or of what came."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a request carries besides, for one destination only."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    def values(self) -> tuple[str, ...]:
        """What must not be seen of it, each in the ways a service may give it back."""
        given = [*self.headers.values(), *self.query.values()]
        bare = [value.removeprefix("Bearer ") for value in given]
        return tuple(dict.fromkeys(value for value in (*given, *bare) if value))


@dataclass(frozen=True, slots=True)
class Destination:
    """A server and what it is told with each request. `vouched`: an operator or admin allowed just
    this host and port, which may then be an inner one, without TLS, on any port."""

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
    """Ask for `url` (of the destination's origin; empty: its own address) and take all of the
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
    """What went wrong, in words that give nothing away."""
    if isinstance(problem, NoAnswer | Forbidden):
        return NoAnswer(str(problem))
    if isinstance(problem, TimeoutError | httpx2.TimeoutException):
        return NoAnswer("no answer in time")
    if _because_of(problem, ssl.SSLError):
        return NoAnswer("no trusted TLS connection")
    return NoAnswer(f"no connection ({type(problem).__name__})")


@asynccontextmanager
async def client(to: Destination, seconds: float = SECONDS) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client that reaches this destination only. Its requests raise NoAnswer, Forbidden
    and what httpx2 raises."""
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
        # Every answer must be fine: one bad among them is how a rebinding host looks.
        if not found or not all(is_allowed(each, self._to.vouched) for each in found):
            raise Forbidden("the host has an address that is not allowed", "address_forbidden")
        return found[:ADDRESSES_TRIED]

    async def _ask(self, address: str, request: httpx2.Request) -> httpx2.Response:
        url, headers = request.url, request.headers.copy()
        if self._to.secret.query:
            url = url.copy_merge_params(dict(self._to.secret.query))
        headers.update(self._to.secret.headers)
        # The name is what is verified; the address, which was checked, is what is connected to.
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
    """An answer's body, as far as `most` bytes."""

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
    """Scheme, host and port of an address, spelled one way. Raises Forbidden for what is none."""
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
