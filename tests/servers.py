"""Private PostgreSQL, Redis and sound servers for tests; the first two on free loopback ports.

    def test_something() -> None:
        require("postgres", "redis")            # skips, or fails where CI must have them
        with Postgres() as postgres, Redis() as redis:
            env = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
            postgres.stop()                     # immediate shutdown, as in a power cut
            postgres.start()                    # the same data on the same port

    redis = fixture(Redis, "redis", "module")   # in a conftest: a fixture with that name

The machine's own servers are not touched, and everything is removed afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import pytest

PACKAGES = {
    "postgres": "postgresql",
    "redis": "redis-server",
    "chromium": "chromium",
    "firefox-esr": "firefox-esr",
    "pulseaudio": "pulseaudio",
    "node": "nodejs",
    "npm": "npm",
}
START_SECONDS = 15.0
Server = TypeVar("Server")


def require(*parts: str) -> None:
    """Skip the test if a program is missing; in CI, which must have them all, fail it."""
    for part in parts:
        if _program(part) is None:
            say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            say(f"{part} is missing: apt-get install {PACKAGES[part]}")


def fixture(
    server: Callable[[], AbstractContextManager[Server]],
    part: str,
    scope: Literal["package", "module"],
) -> Callable[[], Iterator[Server]]:
    """A fixture with this scope that runs a server; `require` decides if its program is missing."""

    @pytest.fixture(scope=scope, name=part)
    def run() -> Iterator[Server]:
        require(part)
        with server() as running:
            yield running

    return run


def serve(server: socketserver.BaseServer, name: str = "server") -> None:
    """Serve in a thread until the server is shut down. It polls for that every 10 ms instead of
    every half second."""
    serving = threading.Thread(target=server.serve_forever, args=(0.01,), name=name, daemon=True)
    serving.start()


def free_port() -> int:
    """A TCP port that is free right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _program(part: str) -> str | None:
    if part != "postgres":
        return shutil.which({"redis": "redis-server"}.get(part, part))
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return str(installed[-1]) if installed else shutil.which("initdb")


def _version(program: Path) -> float:
    try:
        return float(program.parts[-3])
    except ValueError:
        return 0.0


class Postgres:
    """A PostgreSQL cluster in a temporary folder; `url` is its database."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self._folder = Path(tempfile.mkdtemp(prefix="nextvoice-pg-"))
        self._bin = Path(_program("postgres") or "").parent

    def __enter__(self) -> Self:
        # The server refuses to run as root, so its own user must have access to the folder.
        self._folder.chmod(0o711)
        home = self._folder / "server"
        home.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        try:
            initdb = ["-D", str(home / "data"), "-U", "postgres", "--auth=trust"]
            self._run("initdb", *initdb, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, also again after `stop`, and wait until it responds."""
        home = self._folder / "server"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
        # Commits survive a killed server even so, though not a crash of the machine.
        options += " -c fsync=off -c full_page_writes=off"
        log = str(home / "log")
        self._run("pg_ctl", "-D", str(home / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: "immediate" drops all connections, "fast" terminates them properly."""
        data = self._folder / "server" / "data"
        if (data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(data), "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()}")


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, also again after `kill`, and wait until it responds."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no"],
            cwd=tempfile.gettempdir(),
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Make it accept connections without responding."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Resume after `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Loudspeaker:
    """A sound server with a null sink as its only output; `url` is for PULSE_SERVER.

    Without any output Firefox does not start audio at all.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nextvoice-sound-"))
        self._address = self._folder / "socket"
        self.url = f"unix:{self._address}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        speech = f"module-native-protocol-unix auth-anonymous=1 socket={self._address}"
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--realtime=no"]
        command += ["--exit-idle-time=-1", "-L", "module-null-sink", "-L", speech]
        home = {"HOME": str(self._folder), "PULSE_RUNTIME_PATH": str(self._folder)}
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env={**os.environ, **home}, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._address.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "log").read_text()
                self._end()
                raise RuntimeError(f"pulseaudio did not start:\n{said}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0
