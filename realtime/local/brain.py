"""What every source of answers takes and gives: a Prompt in, pieces of an answer out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from realtime.local.conversation import Item


class BrainFailed(Exception):
    """No answer could be made; becomes a response with status `failed`."""

    def __init__(
        self, message: str, code: str = "server_error", kind: str = "server_error"
    ) -> None:
        super().__init__(message)
        self.code, self.kind = code, kind


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of text, with the spaces that belong to it."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of the JSON text of the newest call's arguments."""

    text: str


Piece = Said | CallBegun | CallArguments


@dataclass(slots=True)
class Prompt:
    """Everything an answer is made from. `unheard` tells why the newest speech has no words."""

    items: list[Item]
    now: datetime
    instructions: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: Any = "auto"
    max_output_tokens: int | None = None
    unheard: str = ""
    idle: bool = False


class Brain(Protocol):
    """`follows_instructions`: may be told to answer in another language."""

    name: str
    follows_instructions: bool

    def answer(self, prompt: Prompt) -> AsyncIterator[Piece]: ...

    def health(self) -> dict[str, Any]: ...
