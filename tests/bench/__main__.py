"""Run the benchmark: `python -m tests.bench [calls] [seconds]`.

Relay and load run on different cores where there are two. Figures of one run are comparable with
each other only: quote the ratios.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.stamps import FRAME_SECONDS, age_ms, stamped

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PREPARE = """
import sys
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from chats.models import Conversation, User
from realtime.models import Provider, VoiceModel
provider = Provider.objects.create(name="Bench", url=sys.argv_url, allow_private=True)
VoiceModel.objects.create(provider=provider, name="bench", default=True)
user = User.objects.create_user("bench")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print("session", session.session_key)
for _ in range(sys.argv_calls):
    print("conversation", Conversation.objects.create(owner=user, account=user.own_account).pk)
"""


class Relay:
    """A relay under test: its process, and how a call is opened and frames are read through it."""

    def __init__(self, name: str, pid: int, urls: list[str], headers: dict[str, str]) -> None:
        self.name = name
        self.pid = pid
        self.urls = urls
        self.headers = headers
        self.binary = name == "nextvoice"

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]

    async def talk(self, url: str, seconds: float, delays: list[float]) -> None:
        origin = re.sub(r"^ws(.*?//[^/]+).*", r"http\1", url)
        async with connect(
            url, compression=None, max_size=None, origin=origin, additional_headers=self.headers
        ) as socket:
            if self.binary:
                await socket.send('{"type":"nextvoice.start","turn_detection":null}')
                while '"nextvoice.ready"' not in str(await socket.recv())[:40]:
                    pass
            reader = asyncio.create_task(self._read(socket, delays))
            loop = asyncio.get_running_loop()
            due = loop.time()
            end = due + seconds
            while due < end:
                frame = stamped()
                if self.binary:
                    await socket.send(frame)
                else:
                    audio = base64.b64encode(frame).decode()
                    await socket.send(
                        orjson.dumps({"type": "input_audio_buffer.append", "audio": audio}).decode()
                    )
                due += FRAME_SECONDS
                await asyncio.sleep(max(0.0, due - loop.time()))
            reader.cancel()

    async def _read(self, socket: ClientConnection, delays: list[float]) -> None:
        async for frame in socket:
            if isinstance(frame, bytes):
                delays.append(age_ms(frame))
            elif '"response.output_audio.delta"' in frame[:80]:
                delays.append(age_ms(base64.b64decode(orjson.loads(frame)["delta"])))


@contextlib.contextmanager
def started(command: list[str], core: int, **env: str) -> Iterator[subprocess.Popen[str]]:
    cores = sorted(os.sched_getaffinity(0))
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[core % len(cores)]}),
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)


def line(child: subprocess.Popen[str], pattern: str = ".") -> str:
    stdout: IO[str] = child.stdout  # type: ignore[assignment]
    for text in stdout:
        if re.search(pattern, text):
            return text.strip()
    raise SystemExit("a process of the benchmark ended early")


@contextlib.contextmanager
def site(provider: str, calls: int) -> Iterator[Relay]:
    """The real site with recording and captions on, one conversation a call."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"DATA_DIR": folder, "LOCAL_VOICE": "false", "LOG_LEVEL": "ERROR"}
        manage = [sys.executable, "manage.py"]
        prepare = PREPARE.replace("sys.argv_url", repr(provider)).replace(
            "sys.argv_calls", str(calls)
        )
        subprocess.run(
            [*manage, "setup"], cwd=ROOT, env=os.environ | env, check=True, capture_output=True
        )
        made = subprocess.run(
            [*manage, "shell", "-v0", "-c", prepare],
            cwd=ROOT,
            env=os.environ | env,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        session = re.search(r"session (\w+)", made)[1]  # type: ignore[index]
        conversations = re.findall(r"conversation (\S+)", made)
        port = _free_port()
        with started([*manage, "serve", "--port", str(port)], 0, **env) as child:
            line(child, "NextVoice is on")
            _wait_for(port)
            urls = [f"ws://127.0.0.1:{port}/ws/call/{pk}/" for pk in conversations]
            yield Relay("nextvoice", child.pid, urls, {"Cookie": f"sessionid={session}"})


@contextlib.contextmanager
def floor(provider: str, calls: int) -> Iterator[Relay]:
    with started([sys.executable, "-m", "tests.bench.floor", provider], 0) as child:
        url = f"ws://127.0.0.1:{line(child)}/"
        yield Relay("bare relay", child.pid, [url] * calls, {})


async def measure(relay: Relay, provider: subprocess.Popen[str], seconds: float) -> list[float]:
    """Run all calls at once; returns down p99, up p99 (ms), CPU ms per call-second, kB per call."""
    down: list[float] = []
    cpu, memory = relay.cpu_seconds(), relay.memory_kb()
    talks = [asyncio.create_task(relay.talk(url, seconds, down)) for url in relay.urls]
    await asyncio.sleep(seconds * 0.9)
    grown = relay.memory_kb() - memory
    await asyncio.gather(*talks)
    spent = relay.cpu_seconds() - cpu
    provider.stdin.write("\n")  # type: ignore[union-attr]
    provider.stdin.flush()  # type: ignore[union-attr]
    up = orjson.loads(await asyncio.to_thread(line, provider))
    calls = len(relay.urls)
    return [p99(down), p99(up), spent * 1000 / (calls * seconds), grown / calls, len(down), len(up)]


def p99(delays: list[float]) -> float:
    # The first second opens sockets and sessions.
    return sorted(delays)[int(len(delays) * 0.99)] if delays else float("nan")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    import socket
    import time

    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit("the site did not start")


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]}) if os.cpu_count() else None
    with started([sys.executable, "-m", "tests.bench.provider"], 1) as provider:
        url = f"ws://127.0.0.1:{line(provider)}/v1/realtime"
        rows: dict[str, list[float]] = {}
        for make in (floor, site):
            with make(url, calls) as relay:
                rows[relay.name] = asyncio.run(measure(relay, provider, seconds))
    print(
        f"{calls} calls at once for {seconds:.0f} s, 25 frames/s each way, one core for the relay"
    )
    print(f"{'':12} {'down p99':>9} {'up p99':>9} {'CPU':>12} {'memory':>10} {'frames':>14}")
    for name, (down, up, cpu, memory, got, sent) in rows.items():
        print(
            f"{name:12} {down:7.1f}ms {up:7.1f}ms {cpu:5.2f}ms/call-s {memory:5.0f}kB/call"
            f" {got:6.0f}/{sent:.0f}"
        )
    ours, bare = rows["nextvoice"], rows["bare relay"]
    print(f"ratio to the bare relay: CPU {ours[2] / bare[2]:.2f}, down p99 {ours[0] / bare[0]:.2f}")


if __name__ == "__main__":
    main()
