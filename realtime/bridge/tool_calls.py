"""One call of a tool: its state, how that is announced, and what is kept of its result."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from .call import Call
from .events import Event
from .limits import Limits
from .shown import MAX_OUTPUT, shown_of
from .tools import WHOLE, Kept, Produced, Result, Toolbox, fitted

logger = logging.getLogger(__name__)

AWAITING, RUNNING = "awaiting_approval", "in_progress"
COMPLETED, FAILED, INTERRUPTED, DECLINED = "completed", "failed", "interrupted", "declined"
"""States of a call, as `nextvoice.tool` tells them."""
OPEN = frozenset({AWAITING, RUNNING})


@dataclass(slots=True)
class ToolCall:
    """One tool call of a model. `id`: the provider's; `shown_id`: the one that people are shown
    (see `Approvals.shown_id`). `server`: the MCP server that the provider calls; "" for our own
    functions."""

    id: str
    shown_id: str
    item_id: str
    response_id: str
    name: str
    arguments: str
    label: str = ""
    about: str = ""
    server: str = ""
    allowed: bool = True
    state: str = RUNNING
    approval: str | None = None
    """The person's decision (see `approvals`); None if they were not asked, or have not
    answered."""
    output: str = ""
    shown: Event = field(default_factory=dict)
    attachments: tuple[Event, ...] = ()
    began: float = 0.0
    took_ms: int | None = None
    task: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether it runs, or waits to run."""
        return self.state in OPEN


def announce(core: Call, call: ToolCall) -> None:
    """Tell page and taps the state of a call."""
    core.announce(
        "nextvoice.tool",
        item_id=call.item_id,
        response_id=call.response_id,
        call_id=call.shown_id,
        name=call.name,
        label=call.label or call.name,
        about=call.about,
        server=call.server,
        arguments=call.arguments,
        state=call.state,
        approval=call.approval,
        output=call.output,
        shown=_shown(call.shown),
        attachments=list(call.attachments),
        duration_ms=call.took_ms,
    )


def _shown(shown: Event) -> Event:
    """What people see of a result, shortened to fit an event, with its plain text (`words`)."""
    words = shown.get("words")
    return shown_of(shown) | ({"words": fitted(words, MAX_OUTPUT)} if words else {})


async def with_files(result: Result, toolbox: Toolbox, limits: Limits) -> tuple[Result, Kept]:
    """Keep the files of a result, and the whole of an output that is too long as one more file.

    The returned result fits, and mentions the files. Failing to keep a file does not fail the call.
    """
    files = result.files[: limits.tool_files]
    whole = result.output.encode("utf-8", "replace")
    if len(whole) > limits.tool_bytes:
        files += (Produced(WHOLE, "text/plain", whole),)
    kept = await _kept(files, toolbox, limits) if files else Kept()
    notes = [f"The person sees the file {each['name']}." for each in kept.attachments]
    notes += kept.refused
    note = "".join(f"\n[{each}]" for each in notes)
    output = fitted(result.output, limits.tool_bytes - len(note.encode())) + note
    shown = result.shown | ({"notes": list(kept.refused)} if kept.refused else {})
    return Result(output, shown), kept


async def _kept(files: tuple[Produced, ...], toolbox: Toolbox, limits: Limits) -> Kept:
    try:
        async with asyncio.timeout(limits.tool_keep_seconds):
            return await toolbox.keep(files)
    except Exception as problem:
        logger.exception("files of a tool could not be kept: %s", type(problem).__name__)
        return Kept(refused=("Its files could not be kept.",))
