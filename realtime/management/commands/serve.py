"""Serve the site: pages, calls and the embedded provider, with a drain on SIGTERM."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from realtime import embedded, janitor, live, store, tracks
from realtime.api.frames import Protocol
from realtime.db import with_connection
from realtime.money import alerts

log = logging.getLogger(__name__)

# How long running calls may take to say goodbye before the sockets are closed.
DRAIN_SECONDS = 8
# How long a thread may keep the others waiting. Every frame that is sent or received lets go of
# the interpreter; with Python's 5 ms each one could cost a call that much beside a busy thread.
SWITCH_SECONDS = 0.0005


class Server(uvicorn.Server):
    """Uvicorn that lets calls end properly before it closes their sockets."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await live.drain(DRAIN_SECONDS)
        except TimeoutError:
            log.error("%d calls did not end in time", live.count())
        await super().shutdown(sockets)


class Command(BaseCommand):
    help = "Serve the site with uvicorn."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="TCP port")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        sys.setswitchinterval(SWITCH_SECONDS)
        stop_sweeping = threading.Event()
        for name, loop in (("janitor", _sweep), ("alerts", _tell_of_budgets)):
            threading.Thread(target=loop, args=[stop_sweeping], name=name, daemon=True).start()
        if settings.LOCAL_VOICE and not settings.LOCAL_VOICE_URL:
            # Its speech models take seconds to load; pages need not wait for them.
            threading.Thread(target=_start_embedded, name="embedded", daemon=True).start()
        shown = f"[{host}]" if ":" in host else host
        self.stdout.write(f"\n  NextVoice is on  http://{shown}:{port}  (Ctrl-C stops it)\n")
        self.stdout.flush()
        server = Server(_config(host, port))
        # Uvicorn raises the signal that stopped it once more when it is done. As an exception it
        # lets the `finally` below keep what is still to be written.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.run()
        except (KeyboardInterrupt, SystemExit):
            # Uvicorn exits by itself when it cannot listen; what to do is said below.
            pass
        finally:
            stop_sweeping.set()
            with suppress(TimeoutError):
                tracks.settle(5)
            store.store().close(5)
            embedded.stop()
        if not server.started:
            raise CommandError(f"Port {port} on {host} is taken: choose another with PORT=")


def _config(host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        "nextvoice.asgi:application",
        host=host,
        port=port,
        ws=Protocol,
        # Audio does not compress, and every compressing socket costs 26-51 kB.
        ws_per_message_deflate=False,
        # For pages; `Protocol` lets programs send more.
        ws_max_size=256 * 1024,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=10,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=settings.ALLAUTH_TRUSTED_PROXY_COUNT > 0,
        server_header=False,
    )


def _start_embedded() -> None:
    try:
        embedded.url()
    except embedded.NotAvailable as problem:
        log.error("the embedded provider does not run: %s", problem)


def _sweep(stop: threading.Event) -> None:
    _repeat(stop, "janitor", janitor.sweep, janitor.PATIENCE_SECONDS)


def _tell_of_budgets(stop: threading.Event) -> None:
    # A loop of its own: mail servers and webhooks may be slow.
    _repeat(stop, "alerts", alerts.run, alerts.EVERY_SECONDS)


def _repeat(stop: threading.Event, name: str, work: Callable[[], object], seconds: float) -> None:
    while True:
        try:
            with_connection(work)
        except (OperationalError, InterfaceError) as problem:
            log.warning("%s: waiting for the database: %s", name, str(problem).partition("\n")[0])
        except Exception:
            log.exception("%s: failed; it tries again", name)
        if stop.wait(seconds):
            return
