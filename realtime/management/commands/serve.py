"""Serve the site: pages, calls and the embedded provider, with a drain on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from realtime import embedded, metrics
from realtime.data_dir import in_use, private_files, served
from realtime.db import BEHIND, is_behind, with_connection
from realtime.deploy_checks import LOCAL, MEMORY, of_static_files, of_workers, public_hosts
from realtime.logs import last_words
from realtime.management.arguments import port
from realtime.serving import worker
from realtime.serving.child import Program
from realtime.serving.chores import chores
from realtime.serving.figures import own_folder
from realtime.serving.supervisor import Supervisor

log = logging.getLogger(__name__)

BACKLOG = 2048
DEAF = (
    "Another process serves this DATA_DIR already, and they would not hear of each other: tabs of"
    " one would not see calls of the other. Set REDIS_URL for both, or stop one."
)


class Command(BaseCommand):
    help = "Serve the site with uvicorn."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=port, default=8000, help="TCP port")
        parser.add_argument("--workers", type=int, default=1, help="processes that take calls")
        # How a supervisor starts its workers.
        parser.add_argument("--inherit", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._serve(**options)
        except CommandError as problem:
            if settings.LOG_FORMAT != "json":
                raise
            # The error is for whoever reads the log, like everything that a site writes.
            sys.exit(last_words(str(problem)))

    @private_files()
    def _serve(self, **options: Any) -> None:
        if options["workers"] > 1:
            # Until there are workers to replace, SIGHUP does nothing: those that are started later
            # read the settings then. Not SIG_IGN, which they would inherit.
            signal.signal(signal.SIGHUP, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        if options["inherit"] is not None:
            worker.serve_for_supervisor(options["inherit"])
            return
        host, workers = options["host"], options["workers"]
        if workers < 1:
            raise CommandError("--workers must be 1 or more")
        _check(workers)
        with (
            listening(host, options["port"]) as sock,
            in_use(alone=False) as free,
            served() as others,
        ):
            if not free:
                raise CommandError("A backup is being restored here: serve when that is done.")
            if others and settings.CHANNEL_LAYERS["default"]["BACKEND"] == MEMORY:
                log.warning(DEAF)
            shown = f"[{host}]" if ":" in host else host
            where = f"http://{shown}:{sock.getsockname()[1]}"
            self._greet(where, _unanswered(host))
            if workers == 1:
                _serve_alone(sock)
            else:
                _serve_with(sock, workers)

    def _greet(self, where: str, warning: str) -> None:
        """Say where the site is: to people, or in the log where machines read that, since standard
        output may go to the same stream."""
        if settings.LOG_FORMAT == "json":
            log.info("NextVoice is on %s", where)
            if warning:
                log.warning("%s", warning)
            return
        self.stdout.write(f"\n  NextVoice is on  {where}  (Ctrl-C stops it)\n")
        if warning:
            self.stdout.write(f"  {warning}\n")
        self.stdout.flush()


def _unanswered(host: str) -> str:
    """What to do when others can reach this address but would get an error; "" when they cannot."""
    if host in LOCAL or public_hosts():
        return ""
    return (
        f"It answers to {', '.join(settings.ALLOWED_HOSTS)} only: add the names and addresses that"
        " people type to ALLOWED_HOSTS."
    )


# Django's check: whoever guesses SECRET_KEY can make links that set new passwords.
WEAK_KEY = "security.W009"


def _check(workers: int) -> None:
    """Refuse what cannot work, and warn of what is dangerous."""
    found = of_workers(workers) + of_static_files()
    found += run_checks(tags=[Tags.security], include_deployment_checks=True)
    for each in found:
        told = str(each.id).startswith("realtime.") or each.id == WEAK_KEY
        if told and not each.is_serious():
            log.warning("%s %s (%s)", each.msg, each.hint or "", each.id)
    if serious := [each for each in found if each.is_serious()]:
        raise CommandError("\n".join(f"{each.msg} {each.hint}" for each in serious))
    # Somebody may be migrating meanwhile; until then the site is not ready.
    with suppress(Error):
        if with_connection(is_behind):
            log.warning(BEHIND)


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises CommandError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        raise CommandError(
            f"Cannot listen on {host}, port {port} ({problem.strerror}): choose another with PORT="
        ) from None
    # Accepted sockets inherit it. asyncio only sets it on sockets it made itself, and without it
    # audio waits up to 40 ms for the other side's acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _serve_alone(sock: socket.socket) -> None:
    # A terminal was closed, and not with nohup: calls end properly first.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    if _runs_embedded():
        # Its speech models take seconds to load; pages need not wait for them.
        threading.Thread(target=_start_embedded, name="embedded", daemon=True).start()
    try:
        with chores():
            worker.serve(sock)
    finally:
        embedded.stop()


def _serve_with(sock: socket.socket, workers: int) -> None:
    with own_folder(Path(settings.DATA_DIR) / "metrics") as figures:
        if not asyncio.run(_supervisor(sock, workers, figures).run()):
            raise CommandError("No worker could start; what went wrong is said above.")


def _supervisor(sock: socket.socket, workers: int, figures: Path) -> Supervisor:
    beside, told = [chores_program()], {metrics.FOLDER: str(figures)}
    if _runs_embedded():
        theirs = socket.create_server(("127.0.0.1", 0))
        run = embedded.arguments(theirs)
        beside.append(
            Program(
                "embedded provider",
                run,
                [theirs],
                folder=settings.BASE_DIR,
                greets=False,
                log=embedded.log,
            )
        )
        its_port = theirs.getsockname()[1]
        log.info("embedded provider on 127.0.0.1:%d", its_port)
        told["LOCAL_VOICE_URL"] = f"ws://127.0.0.1:{its_port}"
    program = worker_program(sock, told, on_end=partial(metrics.forget, figures))
    return Supervisor(program, workers, beside)


def worker_program(
    sock: socket.socket, told: Mapping[str, str], on_end: Callable[[int], object]
) -> Program:
    """The program of a worker: this command on a listening socket, with `told` added to its
    environment."""
    serve = [str(settings.BASE_DIR / "manage.py"), "serve", "--inherit", str(sock.fileno())]
    return Program("worker", serve, [sock], {**_given(), **told}, on_end=on_end)


def chores_program() -> Program:
    """The program that does the chores beside workers."""
    run = ["-m", "realtime.serving.chores_program"]
    here = settings.BASE_DIR
    return Program("janitor", run, environment=_given(), folder=here, follows=True)


def _given() -> dict[str, str]:
    """The environment for programs that follow the settings. Variables from a file are left out:
    the program reads the file itself, and it may have changed."""
    return {name: value for name, value in os.environ.items() if name not in settings.FROM_FILE}


def _runs_embedded() -> bool:
    return bool(settings.LOCAL_VOICE and not settings.LOCAL_VOICE_URL)


def _start_embedded() -> None:
    try:
        embedded.url()
    except embedded.NotAvailable as problem:
        log.error("the embedded provider does not run: %s", problem)
