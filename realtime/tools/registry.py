"""The registry of built-in functions: each is described to models by its own signature.

    @tool("roll", _("Dice"), _("Rolls a die."))
    def roll(where: Where, sides: int = 6) -> Result:
        '''Roll a die.

        sides: how many sides it has.
        '''

The name is what models call; the first paragraph of the docstring tells them what for, the lines
`name: text` what the parameters mean. Type hints become JSON Schema; a parameter without a default
is required. The first parameter is hidden from models: it says for whom the function works.
"""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from realtime.bridge.tools import Result, ToolFailed
from realtime.db import in_database

KINDS: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
MAX_TEXT = 4_000


@dataclass(frozen=True, slots=True)
class Where:
    """For whom, in which conversation and in which call a function works. `time_zone`: where the
    person says they are, "" or a name that may be unknown."""

    user_pk: int
    conversation_id: uuid.UUID | None = None
    call_id: uuid.UUID | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that models may call. `label` and `about`: its name and what it does for people,
    translated when shown. `ask`: the person is asked before each run."""

    name: str
    label: Any
    about: Any
    description: str
    parameters: dict[str, Any]
    run: Callable[..., Result]
    ask: bool = False

    @property
    def offer(self) -> dict[str, Any]:
        """It as a GA function tool."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }

    @property
    def group(self) -> str:
        """Built-in functions belong to no service."""
        return ""

    @property
    def seconds(self) -> float | None:
        """They take no longer than usual."""
        return None

    async def answer(self, where: Where, arguments: dict[str, Any]) -> Result:
        """Do what a model asks for, off the event loop. Raises ToolFailed."""
        return await in_database(self.run, where, **self.values(arguments))

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A model's arguments as the function takes them; unknown ones are left out. Raises
        ToolFailed."""
        shapes = self.parameters["properties"]
        missing = [name for name in self.parameters["required"] if arguments.get(name) is None]
        if missing:
            raise ToolFailed(f"The argument {missing[0]} is missing.")
        return {
            name: _value(name, shapes[name]["type"], value)
            for name, value in arguments.items()
            if name in shapes and value is not None
        }


TOOLS: dict[str, Tool] = {}
"""Every built-in function by its name."""


def tool(
    name: str, label: Any, about: Any, *, ask: bool = False
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function under this name. `ask`: as in `Tool`."""

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        description, parameters = described(function)
        TOOLS[name] = Tool(name, label, about, description, parameters, function, ask)
        return function

    return register


def described(function: Callable[..., Result]) -> tuple[str, dict[str, Any]]:
    """What a function is for and the JSON Schema of its parameters. Raises TypeError for hints
    without a JSON type."""
    text = inspect.getdoc(function) or ""
    description = " ".join(text.split("\n\n")[0].split())
    meanings = dict(re.findall(r"^(\w+): (.+)$", text, re.MULTILINE))
    hints = get_type_hints(function)
    _where, *parameters = inspect.signature(function).parameters.values()
    properties = {}
    for each in parameters:
        kind = KINDS.get(hints[each.name])
        if kind is None:
            raise TypeError(f"{each.name} is of no type that JSON has")
        properties[each.name] = {"type": kind, "description": meanings[each.name]}
    required = [each.name for each in parameters if each.default is each.empty]
    schema = {"type": "object", "properties": properties, "required": required}
    return description, schema | {"additionalProperties": False}


def _value(name: str, kind: str, value: Any) -> Any:
    if kind == "number" and type(value) is int:
        value = float(value)
    if kind == "integer" and type(value) is float and value.is_integer():
        value = int(value)  # some models know no other numbers
    if KINDS.get(type(value)) != kind:
        raise ToolFailed(f"The argument {name} must be a JSON {kind}.")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ToolFailed(f"The argument {name} may have {MAX_TEXT} characters.")
    return value.replace("\0", "") if isinstance(value, str) else value
