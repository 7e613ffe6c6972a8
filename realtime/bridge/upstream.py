"""The upstream shell: one provider connection, from its opening to its close."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from .connect import Connecting, Resolve, UpstreamFailed, resolve
from .dialects import dialect_for
from .dialects.base import Dialect
from .dialects.target import Target
from .errors import judge_close, judge_opening
from .events import Event
from .faults import close_fault, error_fault
from .progress import Progress
from .pulse import Listening, Pulse
from .redact import hide_in_frame, shown_message
from .stream import Stream
from .writer import HIGH_WATER, Frame, Writer

ABNORMAL = 1006
MAX_QUEUED = 32_000_000
"""How many bytes may be queued for a provider: a little more than a client's largest frame, since
`relieved` is awaited after each frame."""
OUR_REFUSALS = (1002, 1007, 1009)
"""Close codes with which we end a connection over a broken, ill-encoded or oversized frame."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How the provider's connection ended. `code` 1006: without a close frame."""

    code: int
    reason: str
    end_reason: str
    """An end reason of `ends.ENDS`, should this end the call."""


class Upstream:
    """An open upstream session; a `Leg` of the call. Get one with `open_upstream`.

    `first` holds the events received so far, `session.created` last. Everything received has the
    target's secrets taken out before anybody sees it.
    """

    def __init__(self, socket: Stream, target: Target, dialect: Dialect) -> None:
        self.dialect = dialect
        self.first: list[Event] = []
        self._socket = socket
        self._timeouts = target.timeouts
        self._secrets = target.secrets()
        self._running = asyncio.Event()
        self._running.set()
        self._silent = False  # given up for not answering
        self._writer = Writer(
            socket.send, at_once=socket.send_now, on_stuck=self._give_up, max_queued=MAX_QUEUED
        )
        self.send = self._writer.write
        """Send a frame; never blocks."""

    @property
    def expires_at(self) -> float | None:
        """When the provider will end the session, in seconds since the epoch, if it says."""
        created = [each for each in self.first if each["type"] == "session.created"]
        at = created[-1]["session"].get("expires_at") if created else None
        return float(at) if isinstance(at, int | float) and at > 0 else None

    @property
    def strained(self) -> bool:
        """Whether too much is on its way."""
        return self._writer.queued > HIGH_WATER

    async def relieved(self) -> None:
        """Wait while too much is on its way; a provider that takes nothing is given up."""
        if self.strained:
            await self._writer.drain()

    def pause(self) -> None:
        """Read no further until `resume`; the provider is slowed down by TCP."""
        self._running.clear()
        self._socket.pause()

    def resume(self) -> None:
        """Read on."""
        self._running.set()
        self._socket.resume()

    async def read(
        self, on_frame: Callable[[Frame], None], call: Listening | None = None
    ) -> Closed:
        """Call `on_frame` with every frame until the connection ends, and return how it ended. A
        provider that shows no sign of life is given up; see `Pulse`, which uses `call`."""
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        secrets = self._secrets

        def take(frame: Frame) -> None:
            if not broken.done():
                try:
                    on_frame(hide_in_frame(frame, secrets))
                except Exception as error:
                    broken.set_exception(error)

        keepalive = asyncio.create_task(self._keep_alive(call))
        try:
            self._socket.hand_to(take)
            await asyncio.wait({broken, self._socket.lost}, return_when=asyncio.FIRST_COMPLETED)
            # Frames that came before the end are handed on before it is reported.
            await self._running.wait()
            self._socket.hand_to(take)
            if broken.done():
                broken.result()
            return self._closed(self._socket.close_exc)
        finally:
            self._socket.hand_to(lambda frame: None)
            broken.cancel()
            keepalive.cancel()

    async def close(self) -> None:
        """Close politely within the target's `close` time, else at once. Idempotent."""
        try:
            await self._writer.close()
            async with asyncio.timeout(self._timeouts.close):
                await self._socket.close()
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the connection now."""
        self._socket.transport.abort()

    async def begin(self, session: Mapping[str, Any]) -> None:
        """Wait until the provider has created the session. Raises `UpstreamFailed`."""
        for frame in self.dialect.greeting(session):
            self._writer.write(frame)
        try:
            while not self._take_first(hide_in_frame(await self._socket.receive(), self._secrets)):
                pass
            return
        except ConnectionClosed as error:
            closed = self._closed(error)
        raise UpstreamFailed(
            "session",
            closed.end_reason,
            f"closed with {closed.code} before the session",
            provider_message=closed.reason or None,
            fault=close_fault(closed.reason, closed.end_reason),
        )

    def _take_first(self, frame: Frame) -> bool:
        for event in self.dialect.decode(frame):
            if event["type"] == "error":
                error = event["error"]
                raise UpstreamFailed(
                    "session",
                    judge_opening(error),
                    f"refused with {error['code']}",
                    provider_message=shown_message(error["message"], self._secrets) or None,
                    fault=error_fault(error),
                )
            self.first.append(event)
        return any(event["type"] == "session.created" for event in self.first)

    def _closed(self, error: ConnectionClosed) -> Closed:
        close = error.rcvd
        code = close.code if close is not None else ABNORMAL
        reason = shown_message(close.reason, self._secrets) if close is not None else ""
        if self._silent:
            return Closed(code, reason, "provider_timeout")
        if error.sent is not None and not error.rcvd_then_sent and error.sent.code in OUR_REFUSALS:
            return Closed(code, reason, "provider_error")
        return Closed(code, reason, judge_close(code, reason))

    def _give_up(self) -> None:
        self._silent = True
        self.abort()

    async def _keep_alive(self, call: Listening | None) -> None:
        await Pulse(self._socket, self._timeouts, self._running).watch(call)
        if not self._socket.lost.done():
            self._give_up()


async def open_upstream(
    target: Target,
    session: Mapping[str, Any],
    *,
    resolve: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
    progress: Progress | None = None,
    handle: str | None = None,
    told: bool = False,
) -> Upstream:
    """Connect and wait for the session, within `target.timeouts.total` seconds in all.

    `resolve` and `tls` replace the system's resolver and certificates; `progress` is told of each
    step. `handle` and `told` are for the dialect, see `Dialect.succeed`. Raises `UpstreamFailed`.
    """
    dialect = dialect_for(target)
    dialect.succeed(handle, told)
    progress = progress or Progress()
    connecting = Connecting(target, dialect, resolve, tls, progress)
    upstream: Upstream | None = None
    begun = False
    try:
        async with asyncio.timeout(target.timeouts.total):
            upstream = Upstream(await connecting.open(), target, dialect)
            progress.begin("session", "101")
            await upstream.begin(session)
        begun = True
        return upstream
    except TimeoutError:
        pass
    finally:
        if upstream is not None and not begun:
            await upstream.close()
    raise UpstreamFailed(
        progress.step, "provider_timeout", "no answer in time", fault=f"timeout_{progress.step}"
    )
