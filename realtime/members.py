"""Work that is done for all of a process's calls at once, by one task of their event loop."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

M = TypeVar("M")


class Members(ABC, Generic[M]):
    """The calls by their ids. `_run` is the task; it runs while there are any."""

    def __init__(self) -> None:
        self._members: dict[uuid.UUID, M] = {}
        self._task: asyncio.Task[None] | None = None

    def join(self, call_id: uuid.UUID, member: M) -> None:
        """Work for this call too, from now on."""
        self._members[call_id] = member
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    @abstractmethod
    async def _run(self) -> None:
        """Work in a loop; return when there are no members."""
