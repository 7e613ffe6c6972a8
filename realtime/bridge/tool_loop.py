"""Runs the site's own functions when a model calls them, beside the audio, and answers it.

A call begins as soon as the model has sent all of it; one that needs the person's permission waits
for that. When all calls of a response have an output and the response is over, the outputs are sent
and one answer is asked for. The model's mistakes (unknown names, broken arguments, endless calls)
are reported to it as outputs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from .answers import answers_turns
from .approvals import APPROVED, UNANSWERED, Approvals
from .call import Call
from .dialects import base
from .events import Event
from .ids import new_id
from .limits import Limits
from .remote_tools import RemoteTools
from .taps import EndRecord, Tap
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
from .tools import MAX_NAME, Result, Toolbox, ToolFailed, error, fitted, in_words

logger = logging.getLogger(__name__)

REMEMBERED = 64
"""How many answered or cancelled responses are remembered, so that repeated events change
nothing."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

STOPPED = "The person interrupted, so this was stopped. Do not mention it unless asked."
TOO_MANY = "Too many function calls in one turn. Answer now with what you have."
WAITS_ALREADY = "This very call waits for the person's approval already. Wait for it."
REFUSED = "The person declined this, so it was not done. Do not try it again unless they ask."
NO_WORD = "The person did not approve this in time, so it was not done. Ask them if it matters."
STILL_WORKING = (
    "Say in one short sentence, in the language of the conversation, that you are still looking "
    "this up and will tell the result as soon as it is there. Say nothing else."
)
NEEDS_APPROVAL = (
    "Say in one short sentence, in the language of the conversation, that the person has to allow "
    "this on the screen first. Say nothing else."
)


@dataclass(slots=True)
class Turn:
    """The calls of one response."""

    session: int
    """The number of the upstream session that asked."""
    calls: list[ToolCall] = field(default_factory=list)
    over: bool = False
    """The response has ended."""
    stopped: bool = False
    """The person interrupted it: nobody waits for an answer."""
    told: bool = False
    """The model was asked to say that it takes longer."""

    @property
    def answered(self) -> bool:
        """Whether all outputs can be told to the model."""
        return self.over and not any(call.open for call in self.calls)

    @property
    def waits(self) -> bool:
        """Whether the person has to decide first."""
        return any(call.state == AWAITING for call in self.calls)


class ToolLoop(Tap):
    """Follows a call as taps do, and runs the functions of one toolbox in it."""

    def __init__(self, toolbox: Toolbox, limits: Limits) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._approvals = Approvals(limits.tool_ask_seconds)
        self._remote = RemoteTools(toolbox, limits, self._approvals)
        self._names = {tool["name"] for tool in toolbox.offered if tool.get("type") == "function"}
        self._turns: dict[str, Turn] = {}  # by response id, until answered
        self._answered: deque[str] = deque(maxlen=REMEMBERED)  # response ids, until used again
        self._due: Turn | None = None  # its outputs were sent, and no answer has come
        self._arguments: dict[str, str] = {}  # those received so far, by item id
        self._session = 0
        self._used = 0  # calls since the person said something
        self._call: Call
        self._spawn: Spawn
        self._closed = False

    def serve(self, call: Call, spawn: Spawn) -> None:
        """Work for this call, in tasks made by `spawn`."""
        self._call, self._spawn = call, spawn
        self._loop = asyncio.get_running_loop()
        self._remote.serve(call, spawn)
        call.on_approve = self._approvals.decide

    def stop(self) -> None:
        """The call is over: stop whatever runs."""
        self._interrupt()
        self._remote.stop()
        self._closed = True

    # What the provider says

    def on_event(self, event: Mapping[str, Any]) -> None:
        if self._closed:
            return  # late events would begin new calls
        self._remote.on_event(event)
        match event["type"]:
            case "session.created":
                self._session += 1
                # Its responses may have the ids of earlier ones.
                self._turns = {f"{self._session} {key}": t for key, t in self._turns.items()}
                self._answered.clear()
                self._tell_again()
                # Only after the session has been told the conversation.
                self._loop.call_soon(self._settle_all)
            case "response.created":
                if event["response"]["id"] in self._answered:
                    self._answered.remove(event["response"]["id"])
            case "input_audio_buffer.committed":
                self._used = 0
                self._due = None
            case "response.function_call_arguments.delta":
                so_far = self._arguments.get(event["item_id"], "")
                self._arguments[event["item_id"]] = so_far + event["delta"]
            case "response.function_call_arguments.done":
                self._arguments[event["item_id"]] = event["arguments"]
            case "response.output_item.done":
                self._begin(event["response_id"], event["item"])
            case "response.done":
                self._response_done(event["response"])
            case base.TAKEN_BACK:
                self._take_back(event["call_ids"])

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "conversation.item.create" and event["item"].get("role") == "user":
            self._used = 0
            self._due = None

    def on_end(self, record: EndRecord) -> None:
        self._closed = True

    def _begin(self, response_id: str, item: Mapping[str, Any]) -> None:
        whole = item.get("type") == "function_call" and item.get("status", COMPLETED) == COMPLETED
        if not whole or self._closed or response_id in self._answered:
            return
        call_id = item.get("call_id") or item["id"]
        turn = self._turns.setdefault(response_id, Turn(self._session))
        if any(call.id == call_id for call in turn.calls):
            return
        arguments = self._arguments.pop(item["id"], "")
        self._used += 1
        call = ToolCall(
            id=call_id,
            shown_id=self._approvals.shown_id(call_id),
            item_id=self._approvals.shown_id(item["id"], "item"),
            response_id=response_id,
            name=str(item.get("name") or ""),
            arguments=item.get("arguments") or arguments,
            allowed=self._used <= self._limits.tool_calls,
            began=self._loop.time(),
        )
        if call.name in self._names:
            call.label, call.about = self._toolbox.describe(call.name)
        turn.calls.append(call)
        call.task = self._spawn(self._run(turn, call))

    def _response_done(self, response: Mapping[str, Any]) -> None:
        self._arguments.clear()
        if response.get("status") == "cancelled":
            self._interrupt(response["id"])
            self._forget(response["id"])
        elif response.get("status") == COMPLETED:
            self._due = None
            for item in response.get("output") or ():
                self._begin(response["id"], item)
        if (turn := self._turns.get(response["id"])) is not None:
            turn.over = True
            # After everybody has seen the response end.
            self._loop.call_soon(self._settle_all)

    def _interrupt(self, response_id: str | None = None) -> None:
        """Stop what runs. If one response was interrupted (`response_id`), calls of earlier ones
        still wait for the person's decision: they may be talking about that very thing."""
        for key, turn in self._turns.items():
            if response_id not in (None, key) and turn.waits:
                continue
            turn.stopped = True
            self._stop(turn.calls)
        self._loop.call_soon(self._settle_all)

    def _take_back(self, call_ids: Sequence[str]) -> None:
        """Stop calls that the model itself has cancelled. If that leaves no others in a response,
        no answer is asked for."""
        for turn in self._turns.values():
            wanted = [call for call in turn.calls if call.id not in call_ids]
            turn.stopped = turn.stopped or not wanted
            self._stop([call for call in turn.calls if call.id in call_ids])
        self._loop.call_soon(self._settle_all)

    def _stop(self, calls: Sequence[ToolCall]) -> None:
        for call in calls:
            if not call.open:
                continue
            if call.task is not None:
                call.task.cancel()
            self._finish(call, INTERRUPTED, error(STOPPED))

    # Running

    async def _run(self, turn: Turn, call: ToolCall) -> None:
        state, result = await self._outcome(turn, call)
        if state == COMPLETED:
            result, kept = await with_files(result, self._toolbox, self._limits)
            call.attachments = kept.attachments
        self._finish(call, state, result)
        self._settle_all()

    async def _outcome(self, turn: Turn, call: ToolCall) -> tuple[str, Result]:
        problem, arguments = self._checked(call)
        if problem:
            self._show(call)
            return FAILED, error(problem)
        if (refusal := await self._refusal(turn, call)) is not None:
            return DECLINED, error(refusal)
        call.state, call.began = RUNNING, self._loop.time()
        self._show(call)
        most = self._toolbox.seconds(call.name) or self._limits.tool_seconds
        try:
            with self._patient(turn, call):
                async with asyncio.timeout(most):
                    return COMPLETED, await self._toolbox.run(call.name, arguments)
        except ToolFailed as failed:
            return FAILED, error(str(failed))
        except TimeoutError:
            return FAILED, error(f"It took longer than {most:g} seconds and was stopped.")
        except Exception as failed:
            logger.exception("the tool %s failed: %s", call.name, type(failed).__name__)
            return FAILED, error("It failed for a reason of its own. Trying again may not help.")

    def _checked(self, call: ToolCall) -> tuple[str, Event]:
        """What is wrong with a call ("" if nothing is), and its arguments."""
        if not call.allowed:
            return TOO_MANY, {}
        if call.name not in self._names:
            return f"There is no function {call.name[:MAX_NAME]!r}.", {}
        if self._waits(call):
            return WAITS_ALREADY, {}
        try:
            arguments = orjson.loads(call.arguments or "{}")
        except ValueError:
            return "The arguments are not valid JSON. Call it again with JSON.", {}
        if not isinstance(arguments, dict):
            return "The arguments are not a JSON object. Call it again with one.", {}
        return "", arguments

    def _waits(self, call: ToolCall) -> bool:
        """Whether the person is already being asked about the same function and arguments."""
        calls = (each for turn in self._turns.values() for each in turn.calls)
        same = (each for each in calls if each.state == AWAITING and each is not call)
        return (call.name, call.arguments) in [(each.name, each.arguments) for each in same]

    async def _refusal(self, turn: Turn, call: ToolCall) -> str | None:
        """Ask the person if necessary. Returns what to tell the model if the call is refused."""
        free = self._toolbox.policy(call.name) == "free" or self._approvals.needless(call.name)
        if free:
            return None
        call.state = AWAITING
        self._show(call)
        with self._patient(turn, call):
            call.approval = await self._approvals.ask(call.shown_id, call.name)
        turn.told = False
        if call.approval == APPROVED:
            return None
        return NO_WORD if call.approval == UNANSWERED else REFUSED

    @contextmanager
    def _patient(self, turn: Turn, call: ToolCall) -> Iterator[None]:
        """Have the assistant say so if the `with` block takes long."""
        seconds = self._limits.tool_slow_seconds
        hurry = self._loop.call_later(seconds, self._say_it_takes_longer, turn, call)
        try:
            yield
        finally:
            hurry.cancel()

    def _finish(self, call: ToolCall, state: str, result: Result) -> None:
        call.state, call.shown = state, result.shown
        call.output = fitted(result.output, self._limits.tool_bytes)
        call.took_ms = round((self._loop.time() - call.began) * 1000)
        logger.info("tool %s: %s in %d ms", call.name[:MAX_NAME], state, call.took_ms)
        self._show(call)

    def _show(self, call: ToolCall) -> None:
        if not self._closed:
            announce(self._call, call)

    # Answering

    def _tell_again(self) -> None:
        """Send the last outputs again to a session that does not know them, before it is asked for
        the answer that the last session owed: otherwise it would call the functions again."""
        core, turn = self._call, self._due
        owed = core.answering.owed or core.answering.waits
        if turn is not None and owed and core.dialect is not None and not core.dialect.recalls:
            core.answering.forget()
            self._turns[f"{self._session} again"] = turn

    def _settle_all(self) -> None:
        if self._closed or self._call.ended is not None or self._call.dialect is None:
            return  # another session is told later
        answered = [key for key, turn in self._turns.items() if turn.answered]
        for key in answered:
            self._forget(key)
            self._answer(self._turns.pop(key))

    def _forget(self, response_id: str) -> None:
        """Ignore all further calls of this response."""
        if response_id not in self._answered:
            self._answered.append(response_id)

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
        self._due = turn
        self._ask({"tool_choice": "none"} if spent else {})

    def _item(self, turn: Turn, call: ToolCall) -> Event:
        if turn.session == self._session:
            return {
                "id": new_id("item"),
                "type": "function_call_output",
                "call_id": call.id,
                "output": call.output,
            }
        most = self._limits.tool_bytes
        return {"id": new_id("item"), **in_words(call.name, call.arguments, call.output, most)}

    def _say_it_takes_longer(self, turn: Turn, call: ToolCall) -> None:
        core = self._call
        quiet = core.answering.active is None and core.speaking is None
        spoken = core.settings.session.get("output_modalities") != ["text"]
        waits = core.dialect is None or core.dialect.waits_for_tools
        if turn.over and not turn.told and quiet and spoken and not waits and core.ended is None:
            turn.told = True
            words = NEEDS_APPROVAL if call.state == AWAITING else STILL_WORKING
            self._ask({"instructions": words, "tool_choice": "none"})

    def _ask(self, response: Event) -> None:
        request: Event = {"type": "response.create"}
        if response:
            request["response"] = response
        if (asked := self._call.answering.ask(request)) is not None:
            self._call.ask(asked)
