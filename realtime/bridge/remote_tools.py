"""Follows tools that the provider calls itself, on MCP servers: shows them, and asks the person.

The items are GA's: `mcp_list_tools`, `mcp_approval_request` and `mcp_call`. People see a request
and the call that follows from it as one call. Malformed items are left out, or shown as far as
possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from .approvals import APPROVED, Approvals
from .call import Call
from .dialects.tidy import text_or
from .events import Event
from .ids import new_id
from .limits import Limits
from .tool_calls import (
    AWAITING,
    COMPLETED,
    DECLINED,
    FAILED,
    INTERRUPTED,
    RUNNING,
    ToolCall,
    announce,
    with_files,
)
from .tools import Result, Toolbox, fitted
from .words import gettext_noop as _

ITEM_EVENTS = frozenset(
    {
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.added",
        "response.output_item.done",
    }
)
STATES = {"in_progress": RUNNING, "completed": COMPLETED, "failed": FAILED}
LISTING = _("Finding out what the tools can do")
NOT_LISTED = "The server did not say which tools it has."
MOST = 200
"""How many items of one upstream session's calls are followed."""


class RemoteTools:
    """Follows the MCP items of a call. Gets its events from `ToolLoop`."""

    def __init__(self, toolbox: Toolbox, limits: Limits, approvals: Approvals) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._approvals = approvals
        self._calls: dict[str, ToolCall] = {}  # by the ids of all their items
        self._servers: dict[str, str] = {}  # by the id of the item that lists their tools
        self._call: Call
        self._spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

    def serve(self, call: Call, spawn: Callable[..., asyncio.Task[None]]) -> None:
        """Work for this call, in tasks made by `spawn`."""
        self._call, self._spawn = call, spawn
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """End what is under way as interrupted: the call, or its upstream session, is over."""
        for call in list(self._calls.values()):
            if call.open:
                self._end(call, INTERRUPTED)
        self._calls.clear()
        self._servers.clear()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take any event of the provider."""
        kind = event["type"]
        if kind in ITEM_EVENTS:
            self._item(event["item"], event.get("response_id") or "")
        elif kind == "response.done":
            self._response_done(event["response"])
        elif kind == "session.created":
            self.stop()
        elif kind == "mcp_list_tools.failed":
            self._not_listed(event["item_id"])
        elif (call := self._calls.get(event.get("item_id") or "")) is not None and call.open:
            self._goes_on(call, kind, event)

    def _response_done(self, response: Mapping[str, Any]) -> None:
        for item in response.get("output") or ():
            self._item(item, response["id"])
        if response.get("status") == "cancelled":
            self._broken_off(response["id"])

    def _goes_on(self, call: ToolCall, kind: str, event: Mapping[str, Any]) -> None:
        if kind == "response.mcp_call_arguments.delta":
            call.arguments += event["delta"]
        elif kind == "response.mcp_call_arguments.done":
            call.arguments = event["arguments"]
            announce(self._call, call)
        elif kind.startswith("response.mcp_call.") and call.state != AWAITING:
            state = STATES[kind.rpartition(".")[2]]
            if state != RUNNING:
                self._end(call, state)

    # Items

    def _item(self, item: Mapping[str, Any], response_id: str) -> None:
        match item.get("type"):
            case "mcp_list_tools":
                self._servers[item["id"]] = text_or(item.get("server_label"), "")
            case "mcp_approval_request":
                self._requested(item, response_id)
            case "mcp_call":
                self._called(item, response_id)

    def _of(self, item: Mapping[str, Any], response_id: str) -> ToolCall | None:
        """The call that the item is about, if it is known."""
        call = self._calls.get(item["id"])
        asked = item.get("approval_request_id")
        if call is None and isinstance(asked, str) and (call := self._calls.get(asked)):
            self._calls[item["id"]] = call
        if call is not None:
            call.response_id = response_id or call.response_id
        return call

    def _has_room(self) -> bool:
        """Whether one more call can be followed, after forgetting old finished ones if needed."""
        if len(self._calls) >= MOST:
            over = [item_id for item_id, call in self._calls.items() if not call.open]
            for item_id in over[: MOST // 2]:
                del self._calls[item_id]
        return len(self._calls) < MOST

    def _begin(self, item: Mapping[str, Any], response_id: str, state: str) -> ToolCall:
        call = self._calls[item["id"]] = ToolCall(
            id=item["id"],
            shown_id=self._approvals.shown_id(item["id"]),
            item_id=self._approvals.shown_id(item["id"], "item"),
            response_id=response_id,
            name=text_or(item.get("name"), ""),
            arguments=text_or(item.get("arguments"), ""),
            server=text_or(item.get("server_label"), ""),
            state=state,
            began=self._loop.time(),
        )
        announce(self._call, call)
        return call

    def _requested(self, item: Mapping[str, Any], response_id: str) -> None:
        if self._of(item, response_id) is None and self._has_room():
            call = self._begin(item, response_id, AWAITING)
            call.task = self._spawn(self._decided(call))

    def _called(self, item: Mapping[str, Any], response_id: str) -> None:
        call = self._of(item, response_id)
        if call is None:
            if not self._has_room():
                return
            call = self._begin(item, response_id, RUNNING)
        call.arguments = text_or(item.get("arguments"), "") or call.arguments
        output, problem = item.get("output"), item.get("error")
        if call.output or call.state in (DECLINED, INTERRUPTED):
            return
        if problem:
            call.output = fitted(_words(problem), self._limits.tool_bytes)
            self._end(call, FAILED)
        elif isinstance(output, str) and output:
            self._found(call, output)

    def _found(self, call: ToolCall, output: str) -> None:
        call.output = fitted(output, self._limits.tool_bytes)
        self._end(call, COMPLETED)
        if call.output != output:
            self._spawn(self._keep(call, output))

    async def _keep(self, call: ToolCall, output: str) -> None:
        result, kept = await with_files(Result(output), self._toolbox, self._limits)
        call.attachments, call.shown = kept.attachments, result.shown
        announce(self._call, call)

    def _end(self, call: ToolCall, state: str) -> None:
        if call.state == AWAITING and call.task is not None and not call.approval:
            call.task.cancel()
        if call.took_ms is None:
            call.took_ms = round((self._loop.time() - call.began) * 1000)
        call.state = state
        announce(self._call, call)

    def _not_listed(self, item_id: str) -> None:
        if item_id in self._calls:
            return
        server = self._servers.get(item_id, "")
        call = ToolCall(item_id, item_id, item_id, "", "mcp_list_tools", "", LISTING, server=server)
        self._calls[item_id] = call
        call.output = NOT_LISTED
        call.began = self._loop.time()
        self._end(call, FAILED)

    # Decisions of the person

    async def _decided(self, call: ToolCall) -> None:
        what = f"{call.server} {call.name}"
        if not self._approvals.needless(what):
            call.approval = await self._approvals.ask(call.shown_id, what)
        approved = call.approval in (None, APPROVED)
        call.began = self._loop.time()
        self._answer(call, approve=approved)
        if approved:
            call.state = RUNNING
            announce(self._call, call)
        else:
            self._end(call, DECLINED)

    def _broken_off(self, response_id: str) -> None:
        """An answer was interrupted: decline its calls that still wait for approval."""
        for call in list(self._calls.values()):
            if call.response_id == response_id and call.state == AWAITING:
                self._answer(call, approve=False)
                self._end(call, INTERRUPTED)

    def _answer(self, call: ToolCall, *, approve: bool) -> None:
        item: Event = {"id": new_id("item"), "type": "mcp_approval_response"}
        item |= {"approval_request_id": call.id, "approve": approve}
        self._call.to_upstream({"type": "conversation.item.create"}, item=item)


def _words(problem: object) -> str:
    """The text of an MCP call's error: a GA object's message, or a string; never empty."""
    message = problem.get("message") if isinstance(problem, Mapping) else problem
    return message if isinstance(message, str) and message else "The call failed."
