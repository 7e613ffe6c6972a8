"""Programs that a supervisor runs, and their processes.

A process is started by exec, never by fork alone: threads, database pools and event loops do not
survive a fork. Its standard input is one end of a socket pair, its line: there it is told to accept
connections, and says when it does; and each side learns when the other one dies.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from realtime import logs

log = logging.getLogger(__name__)

# How long a new process may take to accept connections, and an old one to end.
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run. `arguments` are Python's, `environment` is its whole one (None: ours).

    `greets`: whether it says on its line when it is ready. `on_end`: called with the id of each
    process that ended. `log`: where its standard error goes (None: unchanged to ours).
    `follows`: whether SIGHUP replaces it where it runs beside workers.
    """

    name: str
    arguments: Sequence[str]
    sockets: Sequence[socket.socket] = ()
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    greets: bool = True
    on_end: Callable[[int], object] = lambda pid: None
    log: logging.Logger | None = None
    follows: bool = False


class Child:
    """A running process. Make it with `start`."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.pid = process.pid
        self._process = process
        self._line = line
        self._since = asyncio.get_running_loop().time()

    @classmethod
    async def start(cls, program: Program) -> Child:
        """Start the program in a session of its own, so that a terminal's Ctrl-C is ours only."""
        line, theirs = socket.socketpair()
        line.setblocking(False)
        with theirs, logs.told_to(program.log) as told:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program.arguments,
                stdin=theirs.fileno(),
                stderr=told,
                pass_fds=[each.fileno() for each in program.sockets],
                env=program.environment,
                cwd=program.folder,
                start_new_session=True,
            )
        return cls(process, line)

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    def go(self) -> None:
        """Let it accept connections."""
        with suppress(OSError):
            self._line.send(b"g")

    @property
    def lived(self) -> float:
        """Seconds since its start, or since it accepted connections."""
        return asyncio.get_running_loop().time() - self._since

    async def ready(self) -> bool:
        """Wait until it accepts connections; False when it ends before, or takes too long."""
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(START_SECONDS):
                up = await loop.sock_recv(self._line, 1) != b""
        except (TimeoutError, OSError):
            return False
        self._since = loop.time()
        return up

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        status = await self._process.wait()
        self._line.close()
        return status

    def send(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, number: int) -> None:
        """Send it a signal and wait for its end; kill it when that takes too long."""
        self.send(number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.wait()
        except TimeoutError:
            log.error("process %d did not end in time and is killed", self.pid)
            self.send(signal.SIGKILL)
            await self.wait()


def how_ended(status: int) -> str:
    """How a process ended, by its exit status."""
    return f"by signal {-status}" if status < 0 else f"with status {status}"
