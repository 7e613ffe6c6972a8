"""Answers from any OpenAI-compatible `/chat/completions`, streamed."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from realtime.local.brain import BrainFailed, CallArguments, CallBegun, Piece, Prompt, Said
from realtime.local.conversation import Item
from realtime.local.events import new_id
from realtime.local.http import Endpoint, HttpFailed, post

LONGEST_ID = 32
NOT_UNDERSTOOD = "[the person spoke, but the words could not be recognised]"
PENDING = "[not done yet; what comes of it is told later]"
LATE = "What came of a function that was called before: "
IDLE = "The person has been silent for a while. Ask shortly whether they are still there."


class ChatBrain:
    """`endpoint.base` + /chat/completions with `stream: true`."""

    name = "chat completions"
    follows_instructions = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "model": self._endpoint.model, "ready": True}

    async def answer(self, prompt: Prompt) -> AsyncIterator[Piece]:
        body = json.dumps(request(prompt, self._endpoint.model)).encode()
        url = self._endpoint.url("/chat/completions")
        calls = dict[int, object]()
        try:
            async with post(
                url, body, "application/json", key=self._endpoint.key, accept="text/event-stream"
            ) as answer:
                async for chunk in _events(answer.lines()):
                    for piece in _pieces(chunk, calls):
                        yield piece
        except HttpFailed as problem:
            code, kind = _code(problem.status)
            raise BrainFailed(f"The language model failed. {problem}", code, kind) from None


def request(prompt: Prompt, model: str) -> dict[str, Any]:
    """The body of the chat completion."""
    body: dict[str, Any] = {"model": model, "messages": messages(prompt), "stream": True}
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    name: tool[name]
                    for name in ("name", "description", "parameters")
                    if tool.get(name) is not None
                },
            }
            for tool in prompt.tools
        ]
        choice = prompt.tool_choice
        if isinstance(choice, dict):
            choice = {"type": "function", "function": {"name": choice["name"]}}
        body["tool_choice"] = choice
    if prompt.max_output_tokens is not None:
        body["max_tokens"] = prompt.max_output_tokens
    return body


def messages(prompt: Prompt) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if prompt.instructions:
        found.append({"role": "system", "content": prompt.instructions})
    found += _turns(prompt.items)
    if prompt.idle:
        found.append({"role": "system", "content": IDLE})
    return found


def _turns(items: list[Item]) -> Iterator[dict[str, Any]]:
    at = 0
    while at < len(items):
        calls, at = _run(items, at, "function_call")
        outputs, at = _run(items, at, "function_call_output")
        if calls or outputs:
            yield from _called([item for item in calls if item.status == "completed"], outputs)
        else:
            yield {"role": items[at].role, "content": _content(items[at])}
            at += 1


def _run(items: list[Item], at: int, kind: str) -> tuple[list[Item], int]:
    """The items of a kind from a place on, and where they end."""
    end = at
    while end < len(items) and items[end].kind == kind:
        end += 1
    return items[at:end], end


def _called(calls: list[Item], outputs: list[Item]) -> Iterator[dict[str, Any]]:
    """Parallel tool calls and their outputs. Services refuse a conversation in which an output is
    missing or in another place, so later outputs are told in another way."""
    made = [
        {
            "id": item.call_id,
            "type": "function",
            "function": {"name": item.name, "arguments": item.arguments or "{}"},
        }
        for item in calls
    ]
    if made:
        yield {"role": "assistant", "content": None, "tool_calls": made}
    late = {item.call_id: item.output for item in outputs}
    for item in calls:
        text = late.pop(item.call_id, PENDING)
        yield {"role": "tool", "tool_call_id": item.call_id, "content": text}
    for output in late.values():
        yield {"role": "system", "content": LATE + output}


def _content(item: Item) -> Any:
    images = [part for part in item.parts if part.image_url]
    unheard = any(part.kind == "input_audio" and not part.text for part in item.parts)
    text = item.text or (NOT_UNDERSTOOD if unheard else "")
    if not images:
        return text
    shown: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for part in images:
        url = {"url": part.image_url, "detail": part.detail}
        shown.append({"type": "image_url", "image_url": url})
    return shown


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            raise BrainFailed("The language model sent something that is not JSON.") from None
        if isinstance(chunk, dict):
            yield chunk


def _pieces(chunk: dict[str, Any], calls: dict[int, object]) -> list[Piece]:
    """One stream chunk -> pieces; `calls` remembers the ids of tool calls that have begun, by their
    index. Ollama gives all of them the same."""
    if error := chunk.get("error"):
        message = error.get("message") if isinstance(error, dict) else str(error)
        raise BrainFailed(f"The language model failed. {message}")
    pieces: list[Piece] = []
    for choice in (chunk.get("choices") or [])[:1]:
        delta = choice.get("delta") or {}
        if text := delta.get("content"):
            pieces.append(Said(str(text)))
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            index, theirs = int(call.get("index") or 0), call.get("id")
            if index not in calls or (theirs and theirs != calls[index]):
                calls[index] = theirs
                fits = isinstance(theirs, str) and 0 < len(theirs) <= LONGEST_ID
                call_id = theirs if fits else new_id("call")
                pieces.append(CallBegun(call_id, str(function.get("name") or "")))
            if arguments := function.get("arguments"):
                text = arguments if isinstance(arguments, str) else json.dumps(arguments)
                pieces.append(CallArguments(text))
    return pieces


def _code(status: int) -> tuple[str, str]:
    if status in (401, 403):
        return "invalid_api_key", "invalid_request_error"
    if status == 404:
        return "model_not_found", "invalid_request_error"
    if status == 429:
        return "rate_limit_exceeded", "rate_limit_error"
    return "server_error", "server_error"
