"""MCP servers over streamable HTTP, through the official SDK and our guarded HTTP client.

Importing this takes seconds, because of the SDK: `run.py` does so when it is first needed.

Each call opens a session of its own, so none is kept alive in vain; where the server has lost it
meanwhile, it is opened again once. A redirect is followed only within the origin that was checked.
The SDK's own check of structured results is not used: it would run strangers' regular expressions
on the event loop that carries everybody's audio.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from mcp_types import Tool as McpTool
from pydantic import TypeAdapter, ValidationError

from realtime.bridge.redact import hide, shown_message
from realtime.bridge.tools import Produced, Result
from realtime.outbound import SECONDS, Destination, client, no_answer
from realtime.tools.services.openapi import MOST_DESCRIPTION, Function, free_name
from realtime.tools.services.results import ServiceFailed, file_of, forms_of, of_files, of_json
from realtime.tools.services.schema import BadSchema, portable

MOST_TOOLS = 200
MOST_PAGES = 20
MOST_LINKS = 50
SESSION_LOST = "Session terminated"

# They log what is sent and answered ("client" is what the SDK's sessions log as).
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_results: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)


async def functions(to: Destination) -> tuple[list[Function], list[str]]:
    """The tools of a server, and what is wrong with others. Raises ServiceFailed and NoAnswer."""
    async with _session(to) as session:
        tools, cursor = list[McpTool](), None
        for _page in range(MOST_PAGES):
            page = await session.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor or len(tools) > MOST_TOOLS:
                break
    found, problems = list[Function](), list[str]()
    for tool in tools[:MOST_TOOLS]:
        try:
            found.append(_function(tool, {each.name for each in found}))
        except BadSchema as problem:
            problems.append(f"{tool.name[:60]}: {problem}")
    return found, problems


async def call(to: Destination, tool: str, arguments: dict[str, Any]) -> Result:
    """Call a tool. Raises ServiceFailed and NoAnswer."""
    try:
        result = await _called(to, tool, arguments)
    except _SessionLost:
        try:
            result = await _called(to, tool, arguments)
        except _SessionLost:
            raise ServiceFailed("it lost the session twice") from None
    return _result(result, forms_of(to.secret.values()))


class _SessionLost(Exception):
    """The server does not know the session any more: nothing was done."""


async def _called(to: Destination, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    params = CallToolRequestParams(name=tool, arguments=arguments)
    async with _session(to) as session:
        result = await session.session.send_request(CallToolRequest(params=params), _results)
    if isinstance(result, InputRequiredResult):
        raise ServiceFailed("it wants to ask something back, which is not supported")
    return result


@asynccontextmanager
async def _session(to: Destination) -> AsyncIterator[Client]:
    """A session with a server, limited to `SECONDS`. Whatever goes wrong in it is a ServiceFailed,
    a NoAnswer or _SessionLost."""
    failed: Exception | None = None
    try:
        async with asyncio.timeout(SECONDS), client(to) as http:
            transport = streamable_http_client(
                to.url, http_client=http, max_sse_event_size=to.most_bytes
            )
            async with Client(transport, cache=None) as session:
                yield session
    except Exception as problem:
        failed = _failure(problem, to)
    if failed is not None:  # outside of `except`, so that nothing with a secret is chained to it
        raise failed


def _failure(problem: BaseException, to: Destination) -> Exception:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, ServiceFailed):
        return problem
    if isinstance(problem, MCPError):
        if problem.error.message == SESSION_LOST:
            return _SessionLost()
        said = shown_message(problem.error.message, forms_of(to.secret.values()))
        return ServiceFailed(f"MCP error {problem.error.code}", f"The service refused: {said}")
    if isinstance(problem, ValidationError):
        return ServiceFailed("it answered what is not MCP")
    return no_answer(problem)


def _function(tool: McpTool, taken: set[str]) -> Function:
    schema = portable(tool.input_schema, tool.input_schema)
    hints = tool.annotations
    return Function(
        name=free_name(tool.name, taken),
        description=(tool.description or tool.title or tool.name)[:MOST_DESCRIPTION],
        parameters={"type": "object", "properties": {}} | schema,
        call={"tool": tool.name},
        read_only=hints is not None and hints.read_only_hint is True,
    )


def _result(told: CallToolResult, hidden: tuple[str, ...]) -> Result:
    texts, links = list[str](), list[dict[str, str]]()
    files: list[Produced] = []
    for each in told.content:
        match each:
            case TextContent(text=text):
                texts.append(text)
            case ImageContent(data=data, mime_type=kind) | AudioContent(data=data, mime_type=kind):
                files.append(file_of(_bytes(data), kind.lower(), hidden))
            case ResourceLink(uri=uri, name=name, description=about):
                links.append({"url": str(uri), "title": name, "text": about or ""})
            case EmbeddedResource(resource=TextResourceContents(text=text)):
                texts.append(text)
            case EmbeddedResource(resource=BlobResourceContents(blob=data, mime_type=kind)):
                files.append(file_of(_bytes(data), (kind or "").lower(), hidden))
    text = hide("\n".join(texts), hidden).replace("\0", "").strip()
    if told.is_error:
        said = shown_message(text, hidden)
        raise ServiceFailed("the tool said so", said or "The tool failed, and did not say why.")
    return _together(told.structured_content, text, links[:MOST_LINKS], files, hidden)


def _together(
    structured: Any,
    text: str,
    links: list[dict[str, str]],
    files: list[Produced],
    hidden: tuple[str, ...],
) -> Result:
    """The parts of a result as one. By MCP's custom, structured content repeats the text."""
    said = Result(text, {"text": text} if text else {})
    if structured is not None:
        said = of_json(structured, hidden)
    outputs, shown = [said.output] if said.output else [], dict(said.shown)
    if links:
        clean = [{name: hide(value, hidden) for name, value in link.items()} for link in links]
        outputs.append(orjson.dumps({"links": clean}).decode())
        shown["links"] = clean
    if files:
        outputs.append(of_files(files).output)
    return Result("\n".join(outputs) or '{"done": true}', shown, tuple(files))


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ServiceFailed("a file in its answer is not base64") from None
