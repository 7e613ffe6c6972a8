"""The functions that a call offers, and what they return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

from .events import Event
from .words import gettext_noop as _

MAX_NAME = 64
WHOLE = _("Whole result.txt")
"""The name of the file with an output that is too long for the model."""


class ToolFailed(Exception):
    """A tool could not do what was asked; the text is for the model and the person."""


Policy = Literal["free", "ask"]
"""Whether a function runs as soon as the model calls it, or only once the person agrees."""


@dataclass(frozen=True, slots=True)
class Produced:
    """A file that a tool made. `content_type` is the tool's claim and not to be trusted."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a tool. `output`: text for the model; `shown`: what people see besides, as
    `shown.shown_of` takes it; `files`: files that it made, to be kept in the conversation."""

    output: str
    shown: Event = field(default_factory=dict)
    files: tuple[Produced, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What happened to files. `attachments`: those kept, as pages get them; `refused`: why others
    were not kept, for the model and the person."""

    attachments: tuple[Event, ...] = ()
    refused: tuple[str, ...] = ()


class Toolbox(Protocol):
    """The functions that a call offers."""

    @property
    def offered(self) -> Sequence[Event]:
        """GA tools: functions have a type, name, description and parameters."""

    def policy(self, name: str) -> Policy:
        """Whether the person is asked before it is run."""

    def describe(self, name: str) -> tuple[str, str]:
        """Its name and what it does, for people."""

    def seconds(self, name: str) -> float | None:
        """How long it may take; None: as long as tools usually may."""

    async def run(self, name: str, arguments: Event) -> Result:
        """Run it. Raises `ToolFailed`; the text of any other error goes to the log only. It may be
        cancelled at any time."""

    async def keep(self, files: Sequence[Produced]) -> Kept:
        """Keep files for the person, in the call's conversation."""


def fitted(text: str, most: int) -> str:
    """`text` cut to `most` bytes of UTF-8, with a note where it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    note = f"\n[Cut here: the first {most} of {len(data)} bytes.]"
    return data[: most - len(note)].decode("utf-8", "ignore") + note


def in_words(name: str, arguments: str, output: str, most: int) -> Event:
    """The output of a function that another session called, as a system message of at most `most`
    bytes, since this session does not know the call."""
    text = f"You called {name[:MAX_NAME]} with {arguments}. The result: {output}"
    content = [{"type": "input_text", "text": fitted(text, most)}]
    return {"type": "message", "role": "system", "content": content}


def with_tools(session: Mapping[str, Any], toolbox: Toolbox) -> Event:
    """A GA session configuration that offers the functions of a toolbox."""
    offered = [dict(tool) for tool in toolbox.offered]
    return {**session, "tools": offered, "tool_choice": "auto"} if offered else dict(session)


def error(words: str) -> Result:
    """A result that tells the model what went wrong."""
    return Result(orjson.dumps({"error": words}).decode())
