"""The process that encodes: it yields to everybody, ends with its parent, and is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realtime.keeping import mp3
from realtime.keeping.encoding import Encoder, NotEncoded
from tests.processes import children, command
from tests.realtime.keeping.test_tracks import tone
from tests.site import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

WITHIN = 60.0
SECOND = 48_000
HOURS = 5 * 3600 * SECOND
PARENT = """
import sys
from pathlib import Path
from realtime.keeping.encoding import Encoder
encoder, raw = Encoder(), Path(sys.argv[1])
for size in map(int, sys.argv[2:]):
    print(encoder.encode(raw, size, raw.with_suffix(".mp3")), flush=True)
sys.stdin.read()
"""


def eventually(found: Callable[[], object]) -> None:
    until = time.monotonic() + WITHIN
    while not found():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.01)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A second of sound, and hours of silence that take no room."""
    path = tmp_path / "a.pcm"
    path.write_bytes(tone(1000))
    os.truncate(path, HOURS)
    return path


@pytest.fixture
def encoder(raw: Path) -> Iterator[Encoder]:
    """One that has begun."""
    encoder = Encoder()
    encoder.encode(raw, SECOND, raw.with_suffix(".mp3"))
    yield encoder
    assert encoder.pid is not None
    os.kill(encoder.pid, signal.SIGKILL)


@contextmanager
def parent(raw: Path, *sizes: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has a file encoded up to these sizes, and then stays."""
    arguments = [sys.executable, "-c", PARENT, str(raw), *map(str, sizes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_makes_what_the_process_itself_would(encoder: Encoder, raw: Path) -> None:
    made = raw.with_suffix(".mp3")
    assert encoder.encode(raw, SECOND, made) == size_of(made)
    assert made.read_bytes() == mp3.encode([tone(1000)])


@pytest.mark.parametrize("sizes", [[SECOND], [SECOND, HOURS]], ids=["idle", "at work"])
def test_it_ends_with_a_parent_that_is_killed(raw: Path, sizes: list[int]) -> None:
    with parent(raw, *sizes) as process:
        assert process.stdout is not None
        first = int(process.stdout.readline())
        (child,) = children(process.pid)
        if HOURS in sizes:
            eventually(lambda: size_of(raw.with_suffix(".mp3")) > 2 * first)
        assert "realtime.keeping.encoder" in command(child)
        process.kill()
        eventually(lambda: not command(child))
        # It did not go on to the end.
        assert size_of(raw.with_suffix(".mp3")) < HOURS // 10


def test_nobody_waits_for_a_core_because_of_it(encoder: Encoder) -> None:
    assert encoder.pid is not None
    assert os.sched_getscheduler(encoder.pid) == os.SCHED_IDLE
    # In the site's session: where each has its share of the time, that share is the site's.
    assert os.getsid(encoder.pid) == os.getsid(0)


def test_what_stops_the_site_does_not_stop_it(encoder: Encoder, raw: Path) -> None:
    first = encoder.pid
    assert first is not None
    # Ctrl-C goes to the terminal's process group, service managers signal all processes.
    assert os.getpgid(first) != os.getpgid(0)
    os.kill(first, signal.SIGTERM)
    encoder.encode(raw, SECOND, raw.with_suffix(".mp3"))
    assert encoder.pid == first


def test_one_that_is_killed_at_work_is_replaced_and_the_work_done(
    encoder: Encoder, raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, sizes = encoder.pid, list[int]()
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    made = raw.with_suffix(".mp3")
    asking = threading.Thread(target=lambda: sizes.append(encoder.encode(raw, SECOND, made)))
    asking.start()
    os.kill(first, signal.SIGKILL)
    asking.join(WITHIN)
    assert sizes == [size_of(made)]
    assert made.read_bytes() == mp3.encode([tone(1000)])
    assert encoder.pid != first
    told = [record.getMessage() for record in caplog.records]
    assert told == ["realtime.keeping.encoder ended with -9; another one starts"]


def test_a_file_that_cannot_be_read_stops_no_other(encoder: Encoder, raw: Path) -> None:
    first, made = encoder.pid, raw.with_suffix(".mp3")
    for broken in (raw.with_name("absent.pcm"), raw.parent):
        with pytest.raises(NotEncoded, match=r"^(FileNotFoundError|IsADirectoryError): "):
            encoder.encode(broken, SECOND, made)
        assert not made.exists()
    assert encoder.encode(raw, SECOND, made) == size_of(made)
    assert encoder.pid == first


def test_one_that_cannot_start_is_tried_twice_and_again_the_next_time(
    raw: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder, made = Encoder(), raw.with_suffix(".mp3")
    for program, why in (
        ("/bin/false", "realtime.keeping.encoder ended with "),
        ("/absent", ".*'/absent'"),
    ):
        caplog.clear()
        with monkeypatch.context() as patch, pytest.raises(NotEncoded, match=why):
            patch.setattr(sys, "executable", program)
            encoder.encode(raw, SECOND, made)
        assert len(caplog.records) == 1
    assert encoder.encode(raw, SECOND, made) == size_of(made)


def test_it_loads_what_encoding_needs_and_nothing_else() -> None:
    """Each worker has one: it is to be small."""
    ask = (
        "import sys, realtime.keeping.encoder\n"
        "big = {'django', 'numpy', 'orjson', 'soxr', 'asyncio', 'logging'}\n"
        "ours = {name for name in sys.modules if name.startswith(('realtime', 'chats'))}\n"
        "print(sorted(ours | big & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, check=True, capture_output=True)
    modules = ("keeping", "keeping.encoder", "keeping.mp3", "programs")
    ours = [f"realtime.{name}" for name in (*modules, "programs.priority", "programs.program")]
    assert told.stdout.decode().strip() == str(["realtime", *ours])
