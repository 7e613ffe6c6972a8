"""MCP servers that the provider calls itself: what the provider is told about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from realtime.models import ToolFunction, ToolService
from realtime.sealing import SealBroken
from realtime.tools.services.run import ServiceTool


@dataclass(frozen=True, slots=True)
class Server:
    """A server and which of its tools may be called. `authorization` is not part of `offer`: the
    dialect adds it on the way to the provider."""

    label: str
    url: str
    tools: tuple[ToolFunction, ...]
    authorization: str = field(default="", repr=False)

    @property
    def offer(self) -> dict[str, Any]:
        """It as a GA tool."""
        names = {
            asks: [row.call["tool"] for row in self.tools if row.ask is asks]
            for asks in (True, False)
        }
        return {
            "type": "mcp",
            "server_label": self.label,
            "server_url": self.url,
            "allowed_tools": [*names[False], *names[True]],
            "require_approval": {
                when: {"tool_names": names[asks]}
                for when, asks in (("never", False), ("always", True))
                if names[asks]
            },
        }


def is_passed_on(tool: object) -> bool:
    """Whether the provider is to call a function itself, if it can."""
    if not isinstance(tool, ServiceTool):
        return False
    service = tool.function.service
    return service.passed_on and service.kind == ToolService.Kind.MCP


def servers_of(tools: Iterable[object]) -> list[Server]:
    """The servers of functions that are passed on; the functions of one server stand together."""
    rows = [tool.function for tool in tools if isinstance(tool, ServiceTool)]
    servers = []
    for _pk, members in groupby(rows, key=lambda row: row.service_id):
        own = tuple(members)
        service = own[0].service
        try:
            said = service.secret().headers.get("Authorization", "").removeprefix("Bearer ")
        except SealBroken:
            continue  # it would be refused
        servers.append(Server(service.prefix, service.url, own, said))
    return servers
