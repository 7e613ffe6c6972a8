"""The functions of one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from realtime.bridge.tools import Kept, Policy, Produced, Result
from realtime.db import in_database
from realtime.tools import files
from realtime.tools.registry import TOOLS, Where


class SiteToolbox:
    """Built-in functions for a person in a conversation; those of `names` that exist."""

    def __init__(self, where: Where, names: Iterable[str]) -> None:
        self._where = where
        self._tools = {name: TOOLS[name] for name in names if name in TOOLS}

    @property
    def offered(self) -> Sequence[dict[str, Any]]:
        """They as GA function tools."""
        return [tool.offer for tool in self._tools.values()]

    def policy(self, name: str) -> Policy:
        """Whether the person is asked first."""
        return "ask" if self._tools[name].ask else "free"

    def describe(self, name: str) -> tuple[str, str]:
        """Its name and what it does, for people."""
        tool = self._tools[name]
        return str(tool.label), str(tool.about)

    async def run(self, name: str, arguments: dict[str, Any]) -> Result:
        """Do what a model asks for, off the event loop. Raises ToolFailed."""
        tool = self._tools[name]
        return await in_database(tool.run, self._where, **tool.values(arguments))

    async def keep(self, made: Sequence[Produced]) -> Kept:
        """Keep files in the conversation."""
        return await files.keep(self._where, made)
