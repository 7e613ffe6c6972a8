"""The functions of one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from realtime.bridge.tools import Kept, Policy, Produced, Result
from realtime.tools import files
from realtime.tools.registry import Where
from realtime.tools.services.remote import Server


class Usable(Protocol):
    """A function that a call can offer: one of the site's own, or of a service (`group`)."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> Any: ...
    @property
    def about(self) -> Any: ...
    @property
    def group(self) -> str: ...
    @property
    def ask(self) -> bool: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def offer(self) -> dict[str, Any]: ...

    async def answer(self, where: Where, arguments: dict[str, Any]) -> Result: ...


class SiteToolbox:
    """Functions for a person in a conversation, and MCP servers that the provider calls itself."""

    def __init__(
        self, where: Where, tools: Iterable[Usable], servers: Sequence[Server] = ()
    ) -> None:
        self._where = where
        self._tools = {tool.name: tool for tool in tools}
        self._servers = servers

    @property
    def offered(self) -> Sequence[dict[str, Any]]:
        """Them as GA tools."""
        functions = [tool.offer for tool in self._tools.values()]
        return functions + [server.offer for server in self._servers]

    @property
    def authorizations(self) -> dict[str, str]:
        """The servers' secrets, by their labels. For the provider only."""
        return {each.label: each.authorization for each in self._servers if each.authorization}

    def policy(self, name: str) -> Policy:
        """Whether the person is asked first."""
        return "ask" if self._tools[name].ask else "free"

    def describe(self, name: str) -> tuple[str, str]:
        """Its name and what it does, for people."""
        tool = self._tools[name]
        label = f"{tool.group}: {tool.label}" if tool.group else str(tool.label)
        return label, str(tool.about)

    def seconds(self, name: str) -> float | None:
        """How long it may take, if that is longer than usual."""
        return self._tools[name].seconds

    async def run(self, name: str, arguments: dict[str, Any]) -> Result:
        """Do what a model asks for. Raises ToolFailed."""
        return await self._tools[name].answer(self._where, arguments)

    async def keep(self, made: Sequence[Produced]) -> Kept:
        """Keep files in the conversation."""
        return await files.keep(self._where, made)
