"""The embedded provider as a child process of the site.

`manage.py serve` starts it, once for all its workers; under `runserver` the first call does. It
runs outside this process because recognition holds Python's lock for hundreds of milliseconds at a
time, and because the synthesiser's licence (GPL) is not ours.
"""

from __future__ import annotations

import atexit
import logging
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from django.conf import settings

from realtime import logs

log = logging.getLogger(__name__)

START_SECONDS = 20.0
PATH = "/v1/realtime"
# Its standard input is ours: however this process dies, the child reads the end of it and stops.
RUN = ["-m", "realtime.local", "--until-stdin-closes"]

_lock = threading.Lock()
_child: subprocess.Popen[bytes] | None = None
_port = 0


class NotAvailable(Exception):
    """The embedded provider is switched off or did not start; the text says which."""


def url() -> str:
    """Return its address, ws://127.0.0.1:port/v1/realtime, starting it when it does not run.

    Blocks until it answers: call it from a thread. Raises NotAvailable.
    """
    if settings.LOCAL_VOICE_URL:
        return str(settings.LOCAL_VOICE_URL).rstrip("/") + PATH
    if not settings.LOCAL_VOICE:
        raise NotAvailable("LOCAL_VOICE is off")
    with _lock:
        if _child is None or _child.poll() is not None:
            _start()
        return f"ws://127.0.0.1:{_port}{PATH}"


def stop() -> None:
    """Stop the child, if this process started one."""
    global _child
    with _lock:
        if _child is not None and _child.poll() is None:
            _child.terminate()
            try:
                _child.wait(3)
            except subprocess.TimeoutExpired:
                _child.kill()
        _child = None


def arguments(sock: socket.socket) -> list[str]:
    """Python's arguments to run it on a listening socket, from the project's folder."""
    return [*RUN, "--fd", str(sock.fileno())]


def _start() -> None:
    global _child, _port
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, *RUN, "--port", "0", "--port-file", str(port_file)]
        with logs.told_to(log) as told:
            _child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=told,
                cwd=settings.BASE_DIR,
            )
        atexit.register(stop)
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            if _child.poll() is not None:
                raise NotAvailable(f"it ended with {_child.returncode} while starting")
            if time.monotonic() > deadline:
                _child.kill()
                raise NotAvailable(f"it did not answer within {START_SECONDS:.0f} s")
            time.sleep(0.02)
        _port = int(port_file.read_text())
    log.info("embedded provider on 127.0.0.1:%d", _port)
