"""The scripted provider: a real WebSocket server on loopback that plays a test's script.

It replaces a provider's server, not any code of ours. Each connection plays one script: a list of
steps, in order. Everything the client sends is recorded, whether or not a step waits for it, and
after the last step the server keeps reading until the client closes.

    script = [
        Send(session_created()),
        Expect("session.update"),
        Hear(4800),                                  # bytes of microphone audio in total
        Send({"type": "input_audio_buffer.speech_started", ...}, {...}),
        Close(1001, "Your session hit the maximum duration of 60 minutes."),
    ]
    async with ScriptedProvider(script) as provider:
        target = provider.target(key="sk-test")      # a bridge Target that reaches it
        ...                                          # run the code under test
        visit = provider.visits[0]                   # the first connection
        assert visit.types() == ["session.update", ...]
        assert visit.audio == pcm
        await visit.over.wait()                      # until the connection is closed
        assert visit.closed == Closing("client", 1000, "")
        assert visit.problem is None                 # a step that timed out

A script can begin with a step before the upgrade: `Refuse` (an HTTP error) or `HangHandshake`
(accepts TCP, then nothing). `ScriptedProvider(..., hang_tcp=True)` never accepts connections.
Several scripts (`ScriptedProvider(first, second)`) are for the first connection, the second, ...;
the last one is for all later ones as well. `play(path)` converts a wire sample into steps.

With `tls=(server_context)` the URL is `wss:`. Nothing here waits longer than `Expect.seconds`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.bridge.dialects import Target, Timeouts

Event = Mapping[str, Any]
WIRE = Path(__file__).parent / "wire"


# Tests look for leaked keys in the log, so the provider's own messages must not be in it.
_quiet = logging.Logger("scripted", logging.CRITICAL)


class Send:
    """Send these events, each as one JSON text frame."""

    def __init__(self, *events: Event) -> None:
        self.events = events


@dataclass(frozen=True)
class Raw:
    """Send one raw frame: str as text, bytes as binary."""

    frame: str | bytes


class Expect:
    """Wait for client events of these types, in this order; others in between are skipped."""

    def __init__(self, *types: str, seconds: float = 5.0) -> None:
        self.types = types
        self.seconds = seconds


@dataclass(frozen=True)
class Hear:
    """Wait until this many bytes of microphone audio were received since the connection began."""

    audio_bytes: int
    seconds: float = 5.0


@dataclass(frozen=True)
class Until:
    """Wait until the test sets this event."""

    event: asyncio.Event


@dataclass(frozen=True)
class Close:
    """Close with this code and reason."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True)
class Die:
    """Cut the connection without a close frame."""


@dataclass(frozen=True)
class Refuse:
    """Answer the upgrade with this HTTP status instead. Only as the first step."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HangHandshake:
    """Accept TCP and never answer the upgrade. Only as the first step."""


@dataclass(frozen=True)
class StopReading:
    """Stop reading what the client sends."""


Step = Send | Raw | Expect | Hear | Until | Close | Die | Refuse | HangHandshake | StopReading


@dataclass(frozen=True)
class Closing:
    """How a connection ended. `by`: "client", "server" or "nobody" (cut, code 1006)."""

    by: str
    code: int
    reason: str


class Visit:
    """One connection as the provider saw it."""

    def __init__(self, request: Request) -> None:
        self.path = request.path
        self.headers = request.headers
        self.events: list[dict[str, Any]] = []
        """Client events in order, without audio appends, whose audio is in `audio`."""
        self.audio = bytearray()
        self.frames: list[str | bytes] = []
        """Frames that are not JSON objects."""
        self.closed: Closing | None = None
        self.problem: str | None = None
        self.step: Step | None = None
        """The step being played; None before the first and after the last."""
        self.over = asyncio.Event()
        self._news = asyncio.Condition()
        self._taken = 0

    def types(self) -> list[str]:
        """Types of the client events, without audio appends."""
        return [kind_of(event) for event in self.events]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The client events of one type."""
        return [event for event in self.events if kind_of(event) == kind]

    async def record(self, frame: str | bytes) -> None:
        """Record a frame and wake the steps that wait for it."""
        try:
            event = json.loads(frame)
        except ValueError:
            event = None
        async with self._news:
            if not isinstance(event, dict):
                self.frames.append(frame)
            elif (audio := _audio_in(event)) is not None:
                self.audio += base64.b64decode(audio, validate=True)
            else:
                self.events.append(event)
            self._news.notify_all()

    async def expect(self, kind: str) -> dict[str, Any]:
        """Wait for the next client event of this type that was not yet returned."""
        async with self._news:
            while True:
                while self._taken < len(self.events):
                    event = self.events[self._taken]
                    self._taken += 1
                    if kind_of(event) == kind:
                        return event
                await self._news.wait()

    async def hear(self, audio_bytes: int) -> None:
        """Wait for this much microphone audio."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.audio) >= audio_bytes)


class ScriptedProvider:
    """The server, an async context manager; see the module's docstring."""

    def __init__(
        self,
        *scripts: Sequence[Step],
        tls: ssl.SSLContext | None = None,
        hang_tcp: bool = False,
    ) -> None:
        self.visits: list[Visit] = []
        self.refused: list[Request] = []
        self.port = 0
        self._scripts = [list(script) for script in scripts] or [[]]
        self._tls = tls
        self._hang_tcp = hang_tcp
        self._server: Server | None = None
        self._sockets: list[socket.socket] = []
        self._leaving = asyncio.Event()
        self._connections = 0

    @property
    def url(self) -> str:
        """The URL for clients, without a query."""
        return f"{'wss' if self._tls else 'ws'}://localhost:{self.port}/v1/realtime"

    def target(self, **fields: Any) -> Target:
        """A bridge target that reaches this provider; keyword arguments override its fields."""
        given: dict[str, Any] = {
            "name": "Scripted",
            "url": self.url,
            "model": "scripted-1",
            "key": "sk-scripted-0123456789",
            "allow_private": True,
            "timeouts": Timeouts(dns=2, tcp=2, total=3, close=0.1),
        }
        return Target(**(given | fields))

    async def __aenter__(self) -> Self:
        if self._hang_tcp:
            await self._listen_only()
        else:
            self._server = await serve(
                self._play,
                "localhost",
                0,
                family=socket.AF_INET,
                process_request=self._before_upgrade,
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=0.1,
                ssl=self._tls,
                logger=_quiet,
            )
            self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        for sock in self._sockets:
            sock.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def visit(self, number: int = 0, seconds: float = 5.0) -> Visit:
        """Wait for the connection with this number, counted from 0."""
        async with asyncio.timeout(seconds):
            while len(self.visits) <= number:  # noqa: ASYNC110 (a test may poll)
                await asyncio.sleep(0.002)
        return self.visits[number]

    async def _listen_only(self) -> None:
        """Fill the backlog, so that further connections hang as behind a dropping firewall."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self.port = listener.getsockname()[1]
        self._sockets.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._sockets.append(filler)

    def _script(self, connection: ServerConnection) -> list[Step]:
        number: int | None = getattr(connection, "script_number", None)
        if number is None:
            number = self._connections
            self._connections += 1
            connection.script_number = number  # type: ignore[attr-defined]
        return self._scripts[min(number, len(self._scripts) - 1)]

    async def _before_upgrade(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        step = next(iter(self._script(connection)), None)
        if isinstance(step, HangHandshake):
            self.refused.append(request)
            await self._leaving.wait()
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
        if isinstance(step, Refuse):
            self.refused.append(request)
            headers = Headers(step.headers)
            headers["Content-Length"] = str(len(step.body))
            return Response(step.status, "Refused", headers, step.body)
        return None

    async def _play(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        visit = Visit(connection.request)
        self.visits.append(visit)
        reading = asyncio.create_task(self._read(connection, visit))
        steps = asyncio.create_task(self._steps(connection, visit, reading))
        try:
            await asyncio.wait({reading, steps}, return_when=asyncio.FIRST_COMPLETED)
            if reading.cancelled() or steps.done():
                await asyncio.wait({steps})
                await asyncio.wait({reading})
            elif visit.step is not None and not isinstance(visit.step, Close | Die):
                visit.problem = f"the client left at {visit.step}"
        finally:
            steps.cancel()
            reading.cancel()
            visit.closed = _closing(connection)
            visit.over.set()

    async def _steps(
        self, connection: ServerConnection, visit: Visit, reading: asyncio.Task[None]
    ) -> None:
        try:
            for visit.step in self._script(connection):
                await self._do(visit.step, connection, reading, visit)
            visit.step = None
        except TimeoutError as error:
            visit.problem = str(error)
            await connection.close(1011, "the script was not met")
        except ConnectionClosed:
            pass

    async def _read(self, connection: ServerConnection, visit: Visit) -> None:
        try:
            async for frame in connection:
                await visit.record(frame)
        except ConnectionClosed:
            pass

    async def _do(
        self,
        step: Step,
        connection: ServerConnection,
        reading: asyncio.Task[None],
        visit: Visit,
    ) -> None:
        match step:
            case Send():
                for event in step.events:
                    await connection.send(json.dumps(event))
            case Raw():
                await connection.send(step.frame)
            case Expect():
                for kind in step.types:
                    await _within(step.seconds, visit.expect(kind), f"no {kind} came")
            case Hear():
                heard = visit.hear(step.audio_bytes)
                await _within(step.seconds, heard, f"no {step.audio_bytes} bytes of audio came")
            case Until():
                await step.event.wait()
            case Close():
                await connection.close(step.code, step.reason)
            case Die():
                connection.transport.abort()
                await connection.wait_closed()
            case StopReading():
                reading.cancel()
                connection.transport.pause_reading()
                await self._leaving.wait()
            case Refuse() | HangHandshake():
                pass


def kind_of(event: Mapping[str, Any]) -> str:
    """The type of an event; for a Gemini message the name of its content, such as `clientContent`
    or `realtimeInput.text`."""
    if "type" in event:
        return str(event["type"])
    name, content = next(iter(event.items()), ("", None))
    if name == "realtimeInput" and isinstance(content, dict) and content:
        return f"{name}.{next(iter(content))}"
    return str(name)


def _audio_in(event: Mapping[str, Any]) -> str | None:
    """The base64 audio of an audio append in OpenAI's or Gemini's format."""
    kind = kind_of(event)
    if kind == "input_audio_buffer.append":
        return str(event["audio"])
    return str(event["realtimeInput"]["audio"]["data"]) if kind == "realtimeInput.audio" else None


async def _within(seconds: float, waiting: Any, problem: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        raise TimeoutError(problem) from None


def _closing(connection: ServerConnection) -> Closing | None:
    protocol = connection.protocol
    if protocol.close_rcvd is None and protocol.close_sent is None:
        return Closing("nobody", 1006, "")
    client_first = protocol.close_rcvd is not None and protocol.close_rcvd_then_sent is not False
    close = protocol.close_rcvd if client_first else protocol.close_sent
    assert close is not None
    return Closing("client" if client_first else "server", close.code, close.reason)


def session_created(session_id: str = "sess_1", **fields: Any) -> dict[str, Any]:
    """A GA `session.created`."""
    session = {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": "scripted-1",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24000}},
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
        **fields,
    }
    return {"type": "session.created", "event_id": f"event_{session_id}", "session": session}


def audio_delta(pcm: bytes, item_id: str = "item_a", response_id: str = "resp_1") -> dict[str, Any]:
    """A GA audio delta of an answer."""
    return {
        "type": "response.output_audio.delta",
        "response_id": response_id,
        "item_id": item_id,
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(pcm).decode(),
    }


def response_created(response_id: str = "resp_1") -> dict[str, Any]:
    """A GA `response.created`."""
    response = {"id": response_id, "object": "realtime.response", "status": "in_progress"}
    return {"type": "response.created", "response": response | {"output": [], "usage": None}}


def response_done(
    response_id: str = "resp_1", status: str = "completed", **fields: Any
) -> dict[str, Any]:
    """A GA `response.done`; `fields` are the response's."""
    response = {"id": response_id, "object": "realtime.response", "status": status, "output": []}
    return {"type": "response.done", "response": response | {"usage": None} | fields}


def item_added(item_id: str, previous: str | None, role: str = "user") -> dict[str, Any]:
    """A GA `conversation.item.added` of a message."""
    item = {"id": item_id, "object": "realtime.item", "type": "message", "role": role}
    item |= {"status": "completed"}
    return {
        "type": "conversation.item.added",
        "previous_item_id": previous,
        "item": item | {"content": []},
    }


def load_wire(path: Path | str) -> list[dict[str, Any]]:
    """The entries of a wire sample: `{"dir": "s2c" | "c2s", "event": {...}}` each.

    A bare name is looked up in `tests/wire`.
    """
    path = Path(path)
    sample = json.loads((path if path.is_absolute() else WIRE / path).read_text())
    events: list[dict[str, Any]] = sample["events"]
    return events


def play(path: Path | str, *, expect: bool = True) -> list[Step]:
    """A wire sample as steps: server events are sent; client events are waited for unless `expect`
    is False, audio appends by their number of bytes."""
    steps: list[Step] = []
    heard = 0
    for entry in load_wire(path):
        event = entry["event"]
        if entry["dir"] == "s2c":
            steps.append(Send(event))
        elif (audio := _audio_in(event)) is not None:
            heard += len(base64.b64decode(audio))
            steps += [Hear(heard)] if expect else []
        elif expect:
            steps.append(Expect(kind_of(event)))
    return steps
