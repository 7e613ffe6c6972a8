"""One helper process: started, watched, restarted when it dies, stopped with the server."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from realtime.local.frames import HEAD_SIZE, pack, unpack_head

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 30.0
# A worker that failed to start this often, and never did, is taken for broken.
BROKEN_STARTS = 2
PASSED_ON = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMPDIR",
    "VIRTUAL_ENV",
)
PROJECT_ROOT = Path(__file__).resolve().parents[2]


def worker_environment() -> dict[str, str]:
    """The environment that a worker needs, without our keys."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


class Worker:
    """Runs `python -m module`; the process ends by itself when its stdin closes."""

    def __init__(
        self,
        module: str,
        on_message: Callable[[bytes, int, bytes], None],
        on_state: Callable[[], None] = lambda: None,
    ) -> None:
        self.module = module
        self.ready = False
        self.starts = 0
        self.ever_ready = False
        self.problem = ""
        self._on_message, self._on_state = on_message, on_state
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def broken(self) -> bool:
        """It cannot run on this machine; it is still tried again now and then."""
        return not self.ever_ready and self.starts >= BROKEN_STARTS

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._keep_running())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def send(self, kind: bytes, job: int, payload: bytes = b"") -> None:
        """Never blocks; callers bound what they send by the answers they get."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(pack(kind, job, payload))

    def kill(self) -> None:
        """End a process that hangs; a new one is started."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _keep_running(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            self.starts += 1
            try:
                was_ready = await self._run_once()
            except OSError as problem:
                was_ready, self.problem = False, str(problem)
            wait_s = FIRST_WAIT_S if was_ready else min(wait_s * 2, LONGEST_WAIT_S)
            log.warning("%s ended; starting it again in %.1f s", self.module, wait_s)
            await asyncio.sleep(wait_s)

    async def _run_once(self) -> bool:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=worker_environment(),
            # A Ctrl-C in the terminal is for the server, which then ends its workers.
            start_new_session=os.name == "posix",
        )
        was_ready = False
        try:
            assert process.stdout is not None
            while True:
                kind, job, size = unpack_head(await process.stdout.readexactly(HEAD_SIZE))
                payload = await process.stdout.readexactly(size)
                if kind == b"R":
                    was_ready = self.ready = self.ever_ready = True
                    self.problem = ""
                    self._on_state()
                elif kind == b"X":
                    self.problem = payload.decode("utf-8", "replace")
                else:
                    self._on_message(kind, job, payload)
        except (asyncio.IncompleteReadError, ValueError):
            return was_ready
        finally:
            self.ready = False
            self._on_state()
            self.kill()
            with contextlib.suppress(Exception):
                await asyncio.shield(process.wait())
