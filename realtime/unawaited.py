"""Jobs that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

# A task that nobody holds is collected while it runs.
_tasks: set[asyncio.Task[None]] = set()


def begin(job: Coroutine[Any, Any, None]) -> None:
    """Run a job for itself, on the running loop."""
    task = asyncio.create_task(job)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
