"""Tasks that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

# Without a reference, a task may be garbage-collected while it runs.
_tasks: set[asyncio.Task[None]] = set()


def begin(job: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine as a task, on the running loop."""
    task = asyncio.create_task(job)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
