"""What is done for all of a process's calls in one step, by one task of their event loop."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

M = TypeVar("M")


class Members(ABC, Generic[M]):
    """The calls it is done for, by their ids. `_run` is its task, while there are any."""

    def __init__(self) -> None:
        self._members: dict[uuid.UUID, M] = {}
        self._task: asyncio.Task[None] | None = None

    def join(self, call_id: uuid.UUID, member: M) -> None:
        """Do it for this call too, from now on."""
        self._members[call_id] = member
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    @abstractmethod
    async def _run(self) -> None:
        """Do it again and again; to end when there are no members."""
