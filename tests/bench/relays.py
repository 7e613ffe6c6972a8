"""The relays that are compared, each in a process of its own on the same core."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.processes import children

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PEERS = ROOT / ".bench"
"""Where the peer is installed, outside of our own environment and locks."""
LITELLM = "litellm[proxy]==1.108.7"
PREPARE = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from chats.models import Conversation, User
from realtime.models import Provider, VoiceModel
provider = Provider.objects.create(name="Bench", url={url!r}, allow_private=True)
VoiceModel.objects.create(
    provider=provider, name="bench", default=True, transcription_model="bench-transcribe"
)
user = User.objects.create_user("bench")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print("session", session.session_key)
for _ in range({calls}):
    print("conversation", Conversation.objects.create(owner=user, account=user.own_account).pk)
"""
IDLE_SECONDS = 0.05
"""So much of a processor in a second, and a relay that has no calls has nothing to do."""
PRICES = ("text_in=0.001", "audio_in=0.001", "text_out=0.001", "audio_out=0.001")


@dataclass
class Relay:
    """A relay under test. `kind`: who calls it, a page or a program; `urls`: one a call."""

    name: str
    pid: int
    kind: str
    urls: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    database: Path | None = None

    def cpu_seconds(self) -> float:
        """Of its process and of those that it started."""
        return sum(map(_cpu_ticks, [self.pid, *_descendants(self.pid)])) / TICKS

    def finish(self, seconds: float) -> None:
        """Wait until it has nothing left to do, such as recordings to encode; no longer than so."""
        end, spent = time.monotonic() + seconds, self.cpu_seconds()
        while time.monotonic() < end:
            time.sleep(1)
            before, spent = spent, self.cpu_seconds()
            if spent - before < IDLE_SECONDS:
                return

    def memory_kb(self) -> int:
        """Of its process alone."""
        return _memory_kb(self.pid)

    def beside_kb(self) -> int:
        """Of the processes that it started."""
        return sum(map(_memory_kb, _descendants(self.pid)))


def _descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [each for child in found for each in _descendants(child)]


def _cpu_ticks(pid: int) -> int:
    """Of a process, and of its children that are gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15]))
    return 0


def _memory_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        if found := re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1])
    return 0


@contextlib.contextmanager
def started(
    command: list[str], core: int, speaks: bool = True, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """A process on one core, the first or the last. `speaks`: what it prints is read here."""
    said = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
    cores = sorted(os.sched_getaffinity(0))
    child = subprocess.Popen(
        ["taskset", "-c", str(cores[core]), *command],
        cwd=ROOT,
        env=os.environ | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if speaks else said,
        stderr=said,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def line(child: subprocess.Popen[str], pattern: str = ".") -> str:
    """The next line of its output that has the pattern."""
    stdout: IO[str] = child.stdout  # type: ignore[assignment]
    for text in stdout:
        if re.search(pattern, text):
            return text.strip()
    raise SystemExit("a process of the benchmark ended early")


@contextlib.contextmanager
def floor(provider: str, calls: int) -> Iterator[Relay]:
    """A bare relay on the same WebSocket library."""
    with started([sys.executable, "-m", "tests.bench.floor", provider], 0) as child:
        yield Relay("bare relay", child.pid, "program", [f"ws://127.0.0.1:{line(child)}/"] * calls)


@contextlib.contextmanager
def site(provider: str, calls: int) -> Iterator[Relay]:
    """The real site: recordings, captions and a priced meter, one conversation a call."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "DATA_DIR": folder,
            "LOCAL_VOICE": "false",
            "LOG_LEVEL": os.environ.get("BENCH_LOG", "ERROR"),
        }
        _manage(env, "setup")
        made = _manage(env, "shell", "-v0", "-c", PREPARE.format(url=provider, calls=calls))
        for model, kind in (("bench", "realtime"), ("bench-transcribe", "transcription")):
            _manage(env, "prices", "--set", model, *PRICES, "--kind", kind)
        session = re.search(r"session (\w+)", made)[1]  # type: ignore[index]
        port = _free_port()
        command = [sys.executable, "manage.py", "serve", "--port", str(port)]
        with started(command, 0, speaks=False, **env) as child:
            _wait_for(port)
            urls = [
                f"ws://127.0.0.1:{port}/ws/call/{pk}/"
                for pk in re.findall(r"conversation (\S+)", made)
            ]
            database = Path(folder) / "nextvoice.sqlite3"
            yield Relay(
                "nextvoice", child.pid, "page", urls, {"Cookie": f"sessionid={session}"}, database
            )


@contextlib.contextmanager
def litellm(provider: str, calls: int) -> Iterator[Relay | None]:
    """LiteLLM's proxy, the peer; None where it cannot be installed."""
    program = _install_litellm()
    if program is None:
        yield None
        return
    key, port = "sk-" + secrets.token_hex(8), _free_port()
    base = provider.replace("ws://", "http://").removesuffix("/realtime")
    config = PEERS / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: bench\n    litellm_params:\n"
        f"      model: openai/bench\n      api_base: {base}\n      api_key: none\n"
        "    model_info:\n      mode: realtime\n"
    )
    env = {"LITELLM_MASTER_KEY": key, "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with started(command, 0, speaks=False, **env) as child:
        _wait_for(port, 180)
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=bench"
        yield Relay(
            "LiteLLM", child.pid, "program", [url] * calls, {"Authorization": f"Bearer {key}"}
        )


def _install_litellm() -> Path | None:
    program = PEERS / "bin" / "litellm"
    if not program.exists():
        print(f"installing {LITELLM} in {PEERS.name}/ ...", flush=True)
        for command in (
            [sys.executable, "-m", "venv", str(PEERS)],
            [str(PEERS / "bin" / "pip"), "install", "--quiet", LITELLM],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print("LiteLLM is left out, it cannot be installed:", done.stderr.strip()[-300:])
                return None
    return program


def _manage(env: dict[str, str], *args: str) -> str:
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env=os.environ | env,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise SystemExit("a relay did not start")
