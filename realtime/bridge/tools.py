"""Functions of our own that a model may call: run beside the audio, answered in its conversation.

A call begins as soon as the model has said all of it. When every call of a response is answered
and the response is over, the outputs are sent and one answer is asked for. What a model may do
wrong (unknown names, broken arguments, calls without end) comes back to it as the output.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

from .answers import answers_turns
from .call import Call
from .events import Event
from .ids import new_id
from .limits import Limits
from .taps import EndRecord, Tap

logger = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

RUNNING, COMPLETED, FAILED, INTERRUPTED = "in_progress", "completed", "failed", "interrupted"
"""States of a call, as `nextvoice.tool` tells them."""

MAX_NAME = 64
STOPPED = "The person interrupted, so this was stopped. Do not mention it unless asked."
TOO_MANY = "Too many function calls in one turn. Answer now with what you have."
STILL_WORKING = (
    "Say in one short sentence, in the language of the conversation, that you are still looking "
    "this up and will tell the result as soon as it is there. Say nothing else."
)


class ToolFailed(Exception):
    """A tool could not do what was asked; the text is for the model and the person."""


Policy = Literal["free", "ask"]
"""Whether a function is run as soon as the model asks for it, or once the person agrees."""


@dataclass(frozen=True, slots=True)
class Produced:
    """A file that a tool made. `content_type` is what the tool says, which proves nothing."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool found. `output`: text for the model; `shown`: what people see of it besides,
    as the site understands it; `files`: what it made, which the conversation keeps."""

    output: str
    shown: Event = field(default_factory=dict)
    files: tuple[Produced, ...] = ()


class Toolbox(Protocol):
    """The functions that a call offers."""

    @property
    def offered(self) -> Sequence[Event]:
        """GA function tools: type, name, description, parameters."""

    def policy(self, name: str) -> Policy:
        """Whether the person is asked before it is run."""

    async def run(self, name: str, arguments: Event) -> Result:
        """Do it. Raises `ToolFailed`, or anything else, which is nobody's business but the
        log's. It may be cancelled at any time."""


@dataclass(slots=True)
class FunctionCall:
    """One call of a model."""

    id: str
    item_id: str
    response_id: str
    name: str
    arguments: str
    allowed: bool = True
    state: str = RUNNING
    output: str = ""
    shown: Event = field(default_factory=dict)
    began: float = 0.0
    took_ms: int | None = None
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Turn:
    """The calls of one response."""

    session: int
    """The number of the upstream session that asked."""
    calls: list[FunctionCall] = field(default_factory=list)
    over: bool = False
    """The response has ended."""
    stopped: bool = False
    """The person interrupted it: nobody waits for an answer."""
    told: bool = False
    """The model was asked to say that it takes longer."""

    @property
    def answered(self) -> bool:
        """Whether all of it can be told to the model."""
        return self.over and all(call.state != RUNNING for call in self.calls)


class ToolLoop(Tap):
    """Follows a call as taps do, and runs the functions of one toolbox in it."""

    def __init__(self, toolbox: Toolbox, limits: Limits) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._names = {tool["name"] for tool in toolbox.offered}
        self._turns: dict[str, Turn] = {}  # by response id, until answered
        self._arguments: dict[str, str] = {}  # as far as they came, by item id
        self._session = 0
        self._used = 0  # calls since the person said something
        self._call: Call
        self._spawn: Spawn
        self._closed = False

    def serve(self, call: Call, spawn: Spawn) -> None:
        """Work for this call, in tasks made by `spawn`."""
        self._call, self._spawn = call, spawn
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """The call is over: so is what runs."""
        self._interrupt()
        self._closed = True

    # What the provider says

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "session.created":
                self._session += 1
                # Once the session has been told the conversation.
                self._loop.call_soon(self._settle_all)
            case "input_audio_buffer.committed":
                self._used = 0
            case "response.function_call_arguments.delta":
                so_far = self._arguments.get(event["item_id"], "")
                self._arguments[event["item_id"]] = so_far + event["delta"]
            case "response.function_call_arguments.done":
                self._arguments[event["item_id"]] = event["arguments"]
            case "response.output_item.done":
                self._begin(event["response_id"], event["item"])
            case "response.done":
                self._response_done(event["response"])

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "conversation.item.create" and event["item"].get("role") == "user":
            self._used = 0

    def on_end(self, record: EndRecord) -> None:
        self._closed = True

    def _begin(self, response_id: str, item: Mapping[str, Any]) -> None:
        whole = item.get("type") == "function_call" and item.get("status", COMPLETED) == COMPLETED
        if not whole or self._closed:
            return
        call_id = item.get("call_id") or item["id"]
        turn = self._turns.setdefault(response_id, Turn(self._session))
        if any(call.id == call_id for call in turn.calls):
            return
        arguments = self._arguments.pop(item["id"], "")
        self._used += 1
        call = FunctionCall(
            id=call_id,
            item_id=item["id"],
            response_id=response_id,
            name=str(item.get("name") or ""),
            arguments=item.get("arguments") or arguments,
            allowed=self._used <= self._limits.tool_calls,
            began=self._loop.time(),
        )
        turn.calls.append(call)
        call.task = self._spawn(self._run(turn, call))

    def _response_done(self, response: Mapping[str, Any]) -> None:
        self._arguments.clear()
        if response.get("status") == "cancelled":
            self._interrupt()
        elif response.get("status") == COMPLETED:
            for item in response.get("output") or ():
                self._begin(response["id"], item)
        if (turn := self._turns.get(response["id"])) is not None:
            turn.over = True
            # After everybody has seen the response end.
            self._loop.call_soon(self._settle_all)

    def _interrupt(self) -> None:
        for turn in self._turns.values():
            turn.stopped = True
            for call in turn.calls:
                if call.state != RUNNING:
                    continue
                if call.task is not None:
                    call.task.cancel()
                self._finish(call, INTERRUPTED, _error(STOPPED))
        self._loop.call_soon(self._settle_all)

    # Running

    async def _run(self, turn: Turn, call: FunctionCall) -> None:
        self._show(call)
        hurry = self._loop.call_later(
            self._limits.tool_slow_seconds, self._say_still_working, turn, call
        )
        try:
            state, result = await self._outcome(call)
        finally:
            hurry.cancel()
        self._finish(call, state, result)
        self._settle_all()

    async def _outcome(self, call: FunctionCall) -> tuple[str, Result]:
        if not call.allowed:
            return FAILED, _error(TOO_MANY)
        if call.name not in self._names:
            return FAILED, _error(f"There is no function {call.name[:MAX_NAME]!r}.")
        try:
            arguments = orjson.loads(call.arguments or "{}")
        except ValueError:
            return FAILED, _error("The arguments are not valid JSON. Call it again with JSON.")
        if not isinstance(arguments, dict):
            return FAILED, _error("The arguments are not a JSON object. Call it again with one.")
        try:
            async with asyncio.timeout(self._limits.tool_seconds):
                return COMPLETED, await self._toolbox.run(call.name, arguments)
        except ToolFailed as problem:
            return FAILED, _error(str(problem))
        except TimeoutError:
            seconds = f"{self._limits.tool_seconds:g}"
            return FAILED, _error(f"It took longer than {seconds} seconds and was stopped.")
        except Exception as problem:
            logger.exception("the tool %s failed: %s", call.name, type(problem).__name__)
            return FAILED, _error("It failed for a reason of its own. Trying again may not help.")

    def _finish(self, call: FunctionCall, state: str, result: Result) -> None:
        call.state, call.shown = state, result.shown
        call.output = fitted(result.output, self._limits.tool_bytes)
        call.took_ms = round((self._loop.time() - call.began) * 1000)
        logger.info("tool %s: %s in %d ms", call.name[:MAX_NAME], state, call.took_ms)
        self._show(call)

    def _show(self, call: FunctionCall) -> None:
        """Tell page and taps how a call stands."""
        if self._closed:
            return
        self._call.announce(
            "nextvoice.tool",
            item_id=call.item_id,
            response_id=call.response_id,
            call_id=call.id,
            name=call.name,
            arguments=call.arguments,
            state=call.state,
            output=call.output,
            shown=call.shown,
            duration_ms=call.took_ms,
        )

    # Answering

    def _settle_all(self) -> None:
        if self._closed or self._call.ended is not None or self._call.dialect is None:
            return  # another session is told later
        answered = [key for key, turn in self._turns.items() if turn.answered]
        for key in answered:
            self._answer(self._turns.pop(key))

    def _answer(self, turn: Turn) -> None:
        if not turn.calls:
            return
        for call in turn.calls:
            self._call.to_upstream(
                {"type": "conversation.item.create"}, item=self._item(turn, call)
            )
        core = self._call
        if turn.stopped or (core.speaking and answers_turns(core.settings.session)):
            return  # whatever the person says now is answered with this in mind
        if self._used > 2 * self._limits.tool_calls:
            return  # it was told twice to stop
        spent = self._used >= self._limits.tool_calls
        self._ask({"tool_choice": "none"} if spent else {})

    def _item(self, turn: Turn, call: FunctionCall) -> Event:
        if turn.session == self._session:
            return {
                "id": new_id("item"),
                "type": "function_call_output",
                "call_id": call.id,
                "output": call.output,
            }
        # The session that asked is gone, and this one does not know of the call.
        text = f"You called {call.name[:MAX_NAME]} with {call.arguments}. The result: {call.output}"
        content = [{"type": "input_text", "text": fitted(text, self._limits.tool_bytes)}]
        return {"id": new_id("item"), "type": "message", "role": "system", "content": content}

    def _say_still_working(self, turn: Turn, call: FunctionCall) -> None:
        core = self._call
        quiet = core.answering.active is None and core.speaking is None
        spoken = core.settings.session.get("output_modalities") != ["text"]
        waits = core.dialect is None or core.dialect.waits_for_tools
        if turn.over and not turn.told and quiet and spoken and not waits and core.ended is None:
            turn.told = True
            self._ask({"instructions": STILL_WORKING, "tool_choice": "none"})

    def _ask(self, response: Event) -> None:
        request: Event = {"type": "response.create"}
        if response:
            request["response"] = response
        if (asked := self._call.answering.ask(request)) is not None:
            self._call.ask(asked)


def fitted(text: str, most: int) -> str:
    """`text` as far as `most` bytes of UTF-8 hold it, with a note where it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    note = f"\n[Cut here: the first {most} of {len(data)} bytes.]"
    return data[: most - len(note)].decode("utf-8", "ignore") + note


def with_tools(session: Mapping[str, Any], toolbox: Toolbox) -> Event:
    """A GA session configuration that offers the functions of a toolbox."""
    offered = [dict(tool) for tool in toolbox.offered]
    return {**session, "tools": offered, "tool_choice": "auto"} if offered else dict(session)


def _error(words: str) -> Result:
    return Result(orjson.dumps({"error": words}).decode())
