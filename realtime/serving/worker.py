"""A process that serves pages and calls on a socket, and drains before it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from django.conf import settings
from django.urls import get_resolver

from realtime.api.frames import Protocol
from realtime.calls import live
from realtime.keeping import store, tracks
from realtime.keeping.row_writing import RowWriter
from realtime.money.keeper import renew_with
from realtime.money.renewing import Renewer
from realtime.programs.priority import go_first
from realtime.serving.garbage import Garbage
from realtime.serving.heap import have_one_heap

log = logging.getLogger(__name__)

# How long running calls may take to end before the sockets are closed, and how long open requests
# may take after that. With what is still to be written it all takes less than 30 s.
DRAIN_SECONDS = 8
REQUEST_SECONDS = 10
SETTLE_SECONDS = 5
GRACE_SECONDS = 0.5

# How long a thread may keep the others waiting. Every frame that is sent or received gives the
# interpreter lock away; with Python's 5 ms each one could cost a call that much beside a busy
# thread.
SWITCH_SECONDS = 0.00005

# Stop, and leave new connections to other workers from now on. SIGTERM stops as well, but goes on
# answering, so that probes learn that the whole site is going.
RETIRE = signal.SIGUSR1


class Server(uvicorn.Server):
    """Uvicorn that lets calls end properly before it closes their sockets.

    `on_started` is called once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._garbage = Garbage()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._garbage.start()
        self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn notices up to a tenth of a second later; /readyz says so from here on.
        live.stop_taking()
        super().handle_exit(sig, frame)

    def retire(self, sig: int, frame: FrameType | None) -> None:
        """The handler of `RETIRE`. The site stays up, so /readyz does not change."""
        live.retire()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if live.retired():
            await self._accept_no_more()
        try:
            await live.drain(DRAIN_SECONDS)
        except TimeoutError:
            log.error("%d calls did not end in time", live.count())
        await super().shutdown(sockets)

    async def _accept_no_more(self) -> None:
        for server in self.servers:
            server.close()
        # Clients that were accepted a moment ago have not sent their requests yet.
        await asyncio.sleep(GRACE_SECONDS)
        # A proxy's idle connections would bring more requests here. Sockets are closed later, when
        # their calls have ended.
        for connection in list(self.server_state.connections):
            if not isinstance(connection, Protocol):
                connection.shutdown()


def serve(
    sock: socket.socket,
    on_started: Callable[[], object] = lambda: None,
    config: uvicorn.Config | None = None,
) -> None:
    """Serve on a listening socket until SIGTERM, SIGINT or `RETIRE`; for the main thread.

    Returns when every call has ended and everything it left is written, or in the journal.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    have_one_heap()
    go_first()
    writer, renewer = RowWriter(), Renewer()
    writer.start_soon()
    renewer.start_soon()
    store.store().write = writer.write
    renew_with(renewer.renew)
    server = Server(config or loaded(), on_started)
    # Uvicorn raises the signal that stopped it once more when it is done. As an exception it lets
    # the `finally` below save what is still to be written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(RETIRE, server.retire)
    try:
        with suppress(KeyboardInterrupt):
            server.run([sock])
    finally:
        with suppress(TimeoutError):
            tracks.settle(SETTLE_SECONDS)
        store.store().close(SETTLE_SECONDS)


def serve_for_supervisor(fd: int) -> None:
    """Serve on an inherited socket, when the supervisor says so. Standard input is the line to it:
    it is told there when connections are accepted, and when the line ends, because the supervisor
    did, the worker retires."""
    go = threading.Event()
    threading.Thread(target=_follow_line, args=(go,), name="supervisor", daemon=True).start()
    config = loaded()
    log.info("worker %d is loaded", os.getpid())
    go.wait()
    serve(socket.socket(fileno=fd), _say_ready, config)


def _say_ready() -> None:
    with suppress(BrokenPipeError):  # the supervisor has ended meanwhile, and so will this worker
        os.write(0, b"r")


def _follow_line(go: threading.Event) -> None:
    with suppress(OSError):
        while os.read(0, 1):
            go.set()
    os.kill(os.getpid(), RETIRE)


def loaded() -> uvicorn.Config:
    """How uvicorn serves the site, with all of the site loaded."""
    config = config_of_server()
    config.load()
    # Every view: otherwise the first requests would load them while others talk.
    _ = get_resolver().url_patterns
    return config


def config_of_server() -> uvicorn.Config:
    """How uvicorn serves the site."""
    return uvicorn.Config(
        "nextvoice.asgi:application",
        ws=Protocol,
        # Audio does not compress, and every compressing socket costs 26-51 kB.
        ws_per_message_deflate=False,
        # For pages; `Protocol` lets programs send more.
        ws_max_size=256 * 1024,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=REQUEST_SECONDS,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=settings.ALLAUTH_TRUSTED_PROXY_COUNT > 0,
        server_header=False,
    )
