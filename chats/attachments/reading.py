"""Reads uploaded files in a child process, so that a hostile one costs a child and nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from django.conf import settings

from chats.attachments.sniff import Refused

log = logging.getLogger(__name__)

SECONDS = 25.0
"""How long reading one file may take."""
AT_ONCE = 2
QUEUED = 20
MAX_ANSWER = 8_000_000

# Django may use several event loops, and one cannot release what another waits for.
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, Places] = WeakKeyDictionary()


class Places:
    """Limits how many readers run at once, and how many more may wait."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for one reader. Raises `Refused` when too many wait."""
        if self._waiting >= QUEUED:
            raise Refused("busy")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


async def read(path: Path, name: str, out: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """Read the file at `path`; pictures are written to the folder `out`. Raises `Refused`."""
    async with _places.setdefault(asyncio.get_running_loop(), Places()).one():
        command = [sys.executable, "-m", "chats.attachments.reader", str(path), str(out)]
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=settings.BASE_DIR,
            env=_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                answer, _ = await child.communicate(orjson.dumps({"name": name}))
        except TimeoutError:
            raise Refused("too_slow") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return _found(child.returncode, answer, time.monotonic() - began)


def _found(status: int | None, answer: bytes, took: float) -> dict[str, Any]:
    if status or len(answer) > MAX_ANSWER:
        # Killed by one of its limits, or crashed over the file.
        log.warning("an uploaded file ended its reader with %s after %.1f s", status, took)
        raise Refused("too_large_inside")
    found: dict[str, Any] = orjson.loads(answer)
    if "refused" in found:
        raise Refused(found["refused"])
    return found


def _environment() -> dict[str, str]:
    """A bare environment: the site's has its keys."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}
