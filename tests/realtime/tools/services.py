"""Real services on loopback: an HTTP API with good and bad manners, and an MCP server."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp_types import ToolAnnotations

from tests.servers import serve

SECRET = "canary-0123+456/789=ab&cdefghij"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
PETS = [{"name": "Rex", "legs": 4}, {"name": "Tweety", "legs": 2, "bird": True}]
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HTML_KIND, JSON = "text/html", "application/json"
FEED = "<rss><item>Rex sleeps.</item></rss>"


PATHS = ["pets", "refused", "crash", "page", "picture", "leaky", "nothing", "lies", "away"]
PATHS += ["zipped", "slow", "drip", "huge", "marked", "odd", "feed", "untold"]


def document(url: str) -> str:
    """The API as OpenAPI describes it."""
    paths: dict[str, Any] = {f"/{name}": {"get": {"operationId": name}} for name in PATHS}
    sent = {"content": {"application/json": {"schema": {"type": "object"}}}}
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "q", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
    ]
    paths["/things/{id}"] = {
        "put": {"operationId": "echo", "parameters": parameters, "requestBody": sent}
    }
    return json.dumps({"openapi": "3.1.0", "servers": [{"url": url}], "paths": paths})


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Api(http.server.BaseHTTPRequestHandler):
    """Answers by the last part of the path."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.asked.append(Asked(self.command, self.path, headers, body))
        path = self.path.partition("?")[0]
        getattr(self, f"do_{path.rpartition('/')[2]}", self.do_echo)(headers, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

    def answer(self, data: Any, kind: str = "application/json", status: int = 200, **more: str):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_pets(self, headers: Any, body: bytes) -> None:
        self.answer(PETS)

    def do_echo(self, headers: Any, body: bytes) -> None:
        self.answer({"path": self.path, "headers": headers, "body": body.decode()})

    def do_refused(self, headers: Any, body: bytes) -> None:
        said = json.dumps({"message": f"Not with {headers.get('authorization')}"})
        self.answer(said.replace("+", "\\u002b").replace("/", "\\/").encode(), status=403)

    def do_crash(self, headers: Any, body: bytes) -> None:
        self.answer(HTML.encode() * 1000, "text/html", 500)

    def do_page(self, headers: Any, body: bytes) -> None:
        self.answer(HTML.encode(), "text/html")

    def do_picture(self, headers: Any, body: bytes) -> None:
        self.answer(PNG, "text/html")

    def do_leaky(self, headers: Any, body: bytes) -> None:
        self.answer(b"%PDF-" + headers["authorization"].encode(), "application/pdf")

    def do_nothing(self, headers: Any, body: bytes) -> None:
        self.answer(b"", status=204)

    def do_lies(self, headers: Any, body: bytes) -> None:
        self.answer(b"{no json")

    def do_marked(self, headers: Any, body: bytes) -> None:
        self.answer(b"\xef\xbb\xbf" + json.dumps(PETS).encode())

    def do_odd(self, headers: Any, body: bytes) -> None:
        self.answer(b'{"legs": NaN, "id": 123456789012345678901234567890}')

    def do_feed(self, headers: Any, body: bytes) -> None:
        self.answer(FEED.encode(), "application/rss+xml; charset=utf-8")

    def do_untold(self, headers: Any, body: bytes) -> None:
        self.answer(b"Rex sleeps.", "")

    def do_away(self, headers: Any, body: bytes) -> None:
        self.answer(b"", status=302, Location=f"http://127.0.0.1:{self.port}/pets")

    def do_zipped(self, headers: Any, body: bytes) -> None:
        self.answer(b"\x1f\x8b", Content_Encoding="gzip")

    def do_slow(self, headers: Any, body: bytes) -> None:
        server: Any = self.server
        server.leave.wait(10)

    def do_drip(self, headers: Any, body: bytes) -> None:
        server: Any = self.server
        self.send_response(200)
        self.end_headers()
        while not server.leave.wait(0.05):
            self.wfile.write(b".")

    def do_huge(self, headers: Any, body: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(bytes(1024 * 1024))

    def do_generations(self, headers: Any, body: bytes) -> None:
        server: Any = self.server
        page = isinstance(server.image, str)
        self.answer(server.image.encode() if page else server.image, HTML_KIND if page else JSON)

    def do_document(self, headers: Any, body: bytes) -> None:
        server: Any = self.server
        self.answer(server.document)

    @property
    def port(self) -> int:
        server: Any = self.server
        return int(server.server_port)

    def log_message(self, *_args: Any) -> None:
        pass


class ApiServer(http.server.ThreadingHTTPServer):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.asked: list[Asked] = []
        self.leave = threading.Event()
        self.image: Any = {}
        self.document: Any = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up in the middle is what some tests are about


@contextmanager
def api() -> Iterator[ApiServer]:
    """An HTTP API on loopback."""
    server = ApiServer()
    serve(server)
    try:
        yield server
    finally:
        server.leave.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mcp:
    """An MCP server on loopback, and what it was sent."""

    port: int
    headers: list[dict[str, str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    lose: int = 0
    """So many calls of tools are answered as if their session were gone."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


def tools_of(server: MCPServer, secret: str) -> None:
    """The tools that tests call."""

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def pets(legs: int = 4) -> list[dict[str, Any]]:
        """List the pets."""
        return [pet for pet in PETS if pet["legs"] == legs]

    @server.tool()
    def adopt(name: str) -> str:
        """Take a pet home."""
        return f"{name} is yours. {HTML}"

    @server.tool()
    def portrait() -> Image:
        """Draw a pet."""
        return Image(data=PNG, format="png")

    @server.tool()
    def broken() -> str:
        """Fail."""
        raise ValueError(f"no, not with {secret}")

    @server.tool()
    def tells() -> str:
        """Say the secret."""
        return f"It is {secret}."

    @server.tool()
    def counts() -> dict[str, Any]:
        """Say how many there are."""
        return {"pets": 10**30}

    @server.tool()
    def huge() -> str:
        """Say much."""
        return "x" * 32 * 1024 * 1024

    @server.tool()
    def slow() -> str:
        """Take long."""
        time.sleep(3)
        return "late"


@contextmanager
def mcp_server(*, legacy: bool = False, secret: str = SECRET) -> Iterator[Mcp]:
    """The SDK's own server, over streamable HTTP."""
    server = MCPServer("pets")
    tools_of(server, secret)
    listener = socket.create_server(("127.0.0.1", 0))
    mcp = Mcp(listener.getsockname()[1])
    inner = server.streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        mcp.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        message = await receive()
        told = json.loads(message["body"]) if message.get("body") else {}
        mcp.methods.append(told.get("method") or scope["method"])
        status = 0
        if legacy and told.get("method") == "server/discover":
            status = 405
        elif told.get("method") == "tools/call" and mcp.lose:
            mcp.lose -= 1
            status = 404
        if status:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        first = [message]

        async def again() -> Any:
            return first.pop() if first else await receive()

        await inner(scope, again, send)

    config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not serving.started:
            time.sleep(0.01)
        yield mcp
    finally:
        serving.should_exit = True
        thread.join(10)
        listener.close()
