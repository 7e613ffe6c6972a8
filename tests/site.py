"""The real site as a separate process, and clients that use it over HTTP and WebSocket.

    with Site(tmp_path) as site:                        # set up, serve, wait for /readyz
        ann = site.person("ann")                        # creates the user and signs in
        thread = ann.new_conversation()                 # its id
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            await call.event("nextvoice.ready")
            await call.speak("sum.wav")
            ...
    # on exit it is stopped by SIGTERM and its log is checked for tracebacks

`Site(tmp_path, voice=True)` has the embedded provider; `workers=2` (needs a `REDIS_URL`) serves
with that many processes, whose ids are `site.workers()`; `people=("ann",)` creates these users,
with a session of each in `site.sessions`; other keyword arguments are environment variables.
`Caller` works with any server of the site, including one inside a test.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
import wave
from array import array
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.once import once
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
AUDIO = Path(__file__).parent / "audio"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
# A restore runs all migrations, which takes a while on a busy machine.
COMMAND_SECONDS = 180.0
TOKEN = "t" * 32
INHERITED = {
    **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
    "PYTHONPATH": str(ROOT),
    "DJANGO_SETTINGS_MODULE": "nextvoice.settings",
    "ENV_FILE": os.devnull,
}
PIECE = 4800  # bytes of PCM in 100 ms
DATABASE = "nextvoice.sqlite3"

CALL = "from django.core.management import call_command\ncall_command"
SETUP = """
from chats.models import User
from django.core.management import call_command
from django.test import Client
call_command("setup")
sessions = {}
for name in PEOPLE:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create_user(name, password=f"{name}-password"))
    sessions[name] = client.cookies["sessionid"].value
tell(sessions)
"""


def static_files() -> Path:
    """The collected static files, shared by all sites of this test run."""

    def collect(folder: Path) -> None:
        here = {"STATIC_ROOT": str(folder / "static"), "DATA_DIR": str(folder / "data")}
        _run(f"{CALL}('collectstatic', interactive=False, verbosity=0)", folder, INHERITED | here)

    return once("collected", collect) / "static"


def migrated() -> Path:
    """A database with empty tables, to be copied."""

    def migrate(folder: Path) -> None:
        here = {"DATA_DIR": str(folder / "data")}
        _run(f"{CALL}('migrate', verbosity=0)", folder, INHERITED | here)

    return once("migrated", migrate) / "data" / DATABASE


def new_data(people: tuple[str, ...], environment: dict[str, str]) -> tuple[Path, dict[str, str]]:
    """The data folder of a freshly set up site with these settings and people, to be copied; and
    the people's sessions."""

    def set_up(folder: Path) -> None:
        (folder / "data").mkdir()
        shutil.copy(migrated(), folder / "data" / DATABASE)
        sessions = _set_up(people, folder, environment | {"DATA_DIR": str(folder / "data")})
        (folder / "sessions.json").write_text(json.dumps(sessions))

    kind = json.dumps([people, environment], sort_keys=True)
    made = once(f"site-{hashlib.sha256(kind.encode()).hexdigest()}", set_up)
    return made / "data", json.loads((made / "sessions.json").read_text())


def _set_up(people: tuple[str, ...], folder: Path, environment: dict[str, str]) -> dict[str, str]:
    sessions: dict[str, str] = _run(f"PEOPLE = {people!r}\n{SETUP}", folder, environment)
    return sessions


def _run(code: str, folder: Path, environment: dict[str, str]) -> Any:
    prelude = "import json, django; django.setup()\ndef tell(x): print('\\0' + json.dumps(x))\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.rpartition("\0")[2] if "\0" in done.stdout else "null")


class Site:
    """`manage.py serve` with its own data folder in `folder`. A context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        voice: bool = False,
        workers: int = 1,
        people: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        self.folder = folder
        self.count = workers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "site.log"
        self.process: subprocess.Popen[bytes] | None = None
        common = {
            **INHERITED,
            "STATIC_ROOT": str(static_files()),
            "LOCAL_VOICE": str(voice),
            "ALLOWED_HOSTS": "127.0.0.1,localhost,nextvoice.test",
            **environment,
        }
        self.environment = {"DATA_DIR": str(folder / "data"), **common}
        # A site without a database server is set up once for all sites with the same settings, and
        # one helper process runs all code and commands; starting anew each time takes seconds.
        self._common = None if "DATABASE_URL" in environment else common
        self._people = people
        self.sessions: dict[str, str] = {}
        self._shell: Shell | None = None

    def __enter__(self) -> Self:
        self.set_up()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shell is not None:
            self._shell.__exit__(None, None, None)
            self._shell = None
        self.stop()
        if kind is None:
            written = self.log.read_text()
            assert "Traceback" not in written, written

    def set_up(self) -> None:
        """Create the database and run `manage.py setup`."""
        data = Path(self.environment["DATA_DIR"])
        if self._common is None or data.exists():
            self.sessions = _set_up(self._people, self.folder, self.environment)
        else:
            new, self.sessions = new_data(self._people, self._common)
            shutil.copytree(new, data)

    def start(self) -> None:
        """Serve and wait until it is ready; after `stop` or `kill` again with the same data."""
        assert self.process is None, "it runs already"
        command = [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(self.port)]
        command += ["--workers", str(self.count)] if self.count > 1 else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while self.ready() != 200 or len(self.workers()) < self.count:
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the site did not start ({ended}):\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> int | None:
        """Stop it as a deployment does and return its exit status; None if it is not running."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill it without a graceful shutdown."""
        if self.process is not None:
            workers = self.workers()
            self.process.kill()
            self.process.wait()
            self.process = None
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Ids of the worker processes that accept calls; for a single process, its own id."""
        assert self.process is not None, "it does not run"
        if self.count == 1:
            return [self.process.pid]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with suppress(OSError):
            return [int(pid) for pid in children.read_text().split() if _accepts(int(pid))]
        return []

    def worker_of(self, call: Caller) -> int:
        """The process at the other end of a call's socket."""
        mine, its = call.socket.local_address[1], self.port
        ends = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inode = next(e[9] for e in ends if e[1][-4:] == f"{its:04X}" and e[2][-4:] == f"{mine:04X}")
        for worker in self.workers():
            for fd in Path(f"/proc/{worker}/fd").iterdir():
                with suppress(OSError):  # closed in the meantime
                    if os.readlink(fd) == f"socket:[{inode}]":
                        return worker
        raise LookupError("no worker holds the socket")

    @asynccontextmanager
    async def dial(self, worker: int, conversation: str, cookie: str) -> AsyncIterator[Caller]:
        """Like `Caller.dial`, repeated until this worker accepts the connection."""
        while True:
            async with Caller.dial(self.url, conversation, cookie) as call:
                if await asyncio.to_thread(self.worker_of, call) == worker:
                    yield call
                    return

    def ready(self) -> int:
        """The HTTP status of /readyz; 0 without a response."""
        try:
            return Person(self.url).get("/readyz").status
        except OSError:
            return 0

    def run(self, code: str) -> Any:
        """Run Django code in a separate process; returns what it passes to `tell(...)`, or None."""
        if self._common is None:
            return _run(code, self.folder, self.environment)
        if self._shell is None:
            self._shell = Shell(self).__enter__()
        return self._shell.run(code)

    def person(self, name: str) -> Person:
        """Create a user with the password `<name>-password` and sign them in."""
        self.run(
            "from chats.models import User\n"
            f"User.objects.create_user({name!r}, password={name + '-password'!r})"
        )
        person = Person(self.url)
        person.sign_in(name, f"{name}-password")
        return person

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a management command in a separate process, with additional environment variables."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def provider(self, url: str, key: str = "") -> None:
        """Make the provider at `url` the default for calls."""
        words = ["provider", "Scripted", "--url", url, "--model", "scripted-1", "--default"]
        words += ["--transcription-model", "t"] + (["--key-env", "SCRIPTED_KEY"] if key else [])
        self.run(
            "import os\n"
            "from django.core.management import call_command\n"
            f"os.environ['SCRIPTED_KEY'] = {key!r}\n"
            f"call_command(*{words!r})"
        )


def _accepts(process: int) -> bool:
    """Whether the process is a worker whose event loop polls the inherited listening socket."""
    with suppress(OSError, ValueError):
        folder = Path(f"/proc/{process}")
        command = (folder / "cmdline").read_text().split("\0")
        polled = ["tfd:", command[command.index("--inherit") + 1]]
        loops = [fd.name for fd in (folder / "fd").iterdir() if "eventpoll" in os.readlink(fd)]
        infos = [(folder / "fdinfo" / loop).read_text().splitlines() for loop in loops]
        return any(line.split()[:2] == polled for lines in infos for line in lines)
    return False


SHELL = """
import contextlib, io, json, os, sys, traceback
import django
django.setup()
from django.core.management import execute_from_command_line
from django.db import connections
answers = sys.stdout
for line in sys.stdin:
    asked = json.loads(line)
    told, said, trouble, environment = [None], io.StringIO(), "", dict(os.environ)
    os.environ.update(asked["environment"])
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            if asked["code"] is not None:
                exec(asked["code"], {"tell": told.append})
            else:
                execute_from_command_line(["manage.py", *asked["arguments"]])
    except SystemExit:
        pass
    except Exception:
        trouble = traceback.format_exc()
    os.environ.clear()
    os.environ.update(environment)
    connections.close_all()
    print(json.dumps([told[-1], said.getvalue(), trouble]), file=answers, flush=True)
"""


class Shell:
    """A separate process that runs many pieces of code and commands: only its start takes a second
    or two. A context manager."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.log = site.folder / "shell.log"

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SHELL],
                cwd=self._site.folder,
                env=self._site.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, code: str) -> Any:
        """Like `Site.run`."""
        told, _said, trouble = self._ask(code=code)
        if trouble:
            raise RuntimeError(trouble)
        return told

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command with additional variables; returns everything it printed."""
        _told, said, trouble = self._ask(arguments=arguments, environment=environment)
        return f"{said}{trouble}"

    def _ask(self, **asked: Any) -> Any:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"code": None, "environment": {}} | asked) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)


@dataclass(frozen=True)
class Answer:
    """An HTTP response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Person:
    """A minimal HTTP client: cookies, GET and POST. Redirects are not followed."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        self.url = url
        self.timeout = timeout
        self.cookies: dict[str, str] = {"csrftoken": TOKEN}

    @property
    def cookie(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def get(self, path: str, **headers: str) -> Answer:
        """GET; `Range="bytes=0-9"` and the like become headers."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, **fields: str) -> Answer:
        """POST a form with its CSRF token."""
        body = urlencode({"csrfmiddlewaretoken": self.cookies["csrftoken"], **fields})
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url}
        return self._ask("POST", path, body, kind)

    def sign_in(self, name: str, password: str) -> None:
        """Sign in through the sign-in form."""
        answer = self.post("/accounts/login/", login=name, password=password)
        assert (answer.status, "sessionid" in self.cookies) == (302, True), answer

    def new_conversation(self) -> str:
        """Start a conversation; returns its id."""
        answer = self.post("/c/new/")
        assert answer.status == 302, answer
        return str(uuid.UUID(answer.headers["location"].rstrip("/").rpartition("/")[2]))

    def _ask(self, verb: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(
            self.url.removeprefix("http://"), timeout=self.timeout
        )
        try:
            connection.request(verb, path, body, {"Cookie": self.cookie, **headers})
            response = connection.getresponse()
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


def microphone(name: str) -> bytes:
    """A recording of `tests/audio` as PCM16 at 24 kHz, the format that the page sends."""
    with wave.open(str(AUDIO / name), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 2)
        samples = array("h", file.readframes(file.getnframes()))
    halved = ((a + b) // 2 for a, b in zip(samples[0::2], samples[1::2], strict=False))
    return array("h", halved).tobytes()


@dataclass
class Caller:
    """The browser's side of a call. `events` are the JSON frames in order, `audio` PCM by item."""

    socket: ClientConnection
    # Whether it reports all audio as played at once.
    plays: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)
    audio: dict[str, bytearray] = field(default_factory=dict)
    over: bool = False
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _playing: dict[str, Any] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def dial(
        cls, url: str, conversation: str, cookie: str, *, reads: bool = True, plays: bool = True
    ) -> AsyncIterator[Caller]:
        """Open the call socket of a conversation at the site `url`.

        `reads=False`: do not read what the server sends.
        """
        socket = await connect(
            f"{url.replace('http', 'ws', 1)}/ws/call/{conversation}/",
            origin=url,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
            compression=None,
            proxy=None,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
        )
        caller = cls(socket, plays)
        reading = asyncio.create_task(caller._read()) if reads else None
        try:
            yield caller
        finally:
            if reading is not None:
                reading.cancel()
            else:
                socket.transport.abort()
            await socket.close()

    @property
    def types(self) -> list[str]:
        """The type of every event."""
        return [event["type"] for event in self.events]

    @property
    def code(self) -> int | None:
        """The close code; None before the close and if there is none."""
        close = self.socket.protocol.close_rcvd
        return None if close is None else close.code

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type so far."""
        return [event for event in self.events if event["type"] == kind]

    async def start(self, **fields: Any) -> dict[str, Any]:
        """Start the call and wait until it is ready or has failed."""
        await self.send({"type": "nextvoice.start", **fields})
        return await self.until(
            lambda: next(
                (e for e in self.events if e["type"] in ("nextvoice.ready", "nextvoice.ended")),
                None,
            )
        )

    async def send(self, event: Mapping[str, Any] | str | bytes) -> None:
        """Send an event, or a raw frame."""
        await self.socket.send(event if isinstance(event, str | bytes) else json.dumps(event))

    async def speak(self, sound: str | bytes, *, pace: float = 1.0) -> None:
        """Send a recording or PCM at `pace` times real time; 0 is at once."""
        pcm = microphone(sound) if isinstance(sound, str) else sound
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(pcm), PIECE):
            await self.send(pcm[at : at + PIECE])
            if pace:
                due += 0.1 / pace
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def event(self, kind: str, /, seconds: float = 10.0, **fields: Any) -> dict[str, Any]:
        """Wait for the first event of this type with these fields."""
        return await self.until(
            lambda: next((e for e in self.of(kind) if fields.items() <= e.items()), None), seconds
        )

    async def ended(self, seconds: float = 10.0) -> tuple[str, int | None]:
        """Wait for the end; returns its reason and the close code."""
        await self.until(lambda: self.over, seconds)
        reasons = [event["reason"] for event in self.of("nextvoice.ended")]
        return (reasons[0] if len(reasons) == 1 else str(reasons), self.code)

    async def until(self, found: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Call `found()` after each frame until it returns something truthy; returns that."""
        try:
            async with asyncio.timeout(seconds), self._news:
                return await self._news.wait_for(found)
        except TimeoutError:
            raise TimeoutError(f"never came; these did: {self.types}") from None

    def vanish(self) -> None:
        """Cut the connection without a close frame, as a network failure does."""
        self.socket.transport.abort()

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                async with self._news:
                    self._take(frame)
                    self._news.notify_all()
                if self.plays and isinstance(frame, bytes):
                    await self._played()
        except ConnectionClosed:
            pass
        finally:
            with suppress(asyncio.CancelledError):
                async with self._news:
                    self.over = True
                    self._news.notify_all()

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.audio.setdefault(self._playing["item_id"], bytearray()).extend(frame)
            return
        event = json.loads(frame)
        self.events.append(event)
        if event["type"] == "nextvoice.audio":
            self._playing = event

    async def _played(self) -> None:
        item = self._playing["item_id"]
        heard = {"item_id": item, "content_index": self._playing["content_index"]}
        with suppress(ConnectionClosed):
            at = len(self.audio[item]) // 48
            await self.send({"type": "nextvoice.played", **heard, "audio_end_ms": at})
