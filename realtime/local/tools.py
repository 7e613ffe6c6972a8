"""How the built-in talker picks a tool, fills its arguments and reads its answer aloud."""

import json
import re
from typing import Any

from realtime.local import sums

Tool = dict[str, Any]

_IDLE_TEXT = """
a an and are call can check current currently do does fetch find for from function get give gets
given how i in info information is it list lookup me my new now of on or please query return
returns run search show tell that the this to tool use user what when where which who with you
your
"""
_IDLE_WORDS = frozenset(_IDLE_TEXT.split())
_ALIKE = {
    "calculator": "sum",
    "calculate": "sum",
    "calculation": "sum",
    "arithmetic": "sum",
    "math": "sum",
    "add": "sum",
    "compute": "sum",
    "evaluate": "sum",
    "clock": "time",
    "forecast": "weather",
    "temperature": "weather",
    "day": "date",
    "today": "date",
}
_PLACE = re.compile(r"\b(?:in|at|for|near)\s+([a-z][a-z' -]*)", re.IGNORECASE)
_SOUGHT = re.compile(r"\b(?:for|about|mention(?:ed)?)\s+(?:the\s+)?(.+)", re.IGNORECASE)
ENOUGH = 2


def _words(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    found = re.findall(r"[a-z]+", spaced.lower())
    return {_ALIKE.get(word, word) for word in found if len(word) > 1} - _IDLE_WORDS


def pick(tools: list[Tool], choice: Any, asked: str) -> Tool | None:
    """The tool to call for what was asked: by the words of its name, then its description."""
    if not tools or choice == "none":
        return None
    if isinstance(choice, dict):
        return next((tool for tool in tools if tool["name"] == choice["name"]), None)
    scores = [_score(tool, asked) for tool in tools]
    best = max(scores)
    if best >= ENOUGH or choice == "required":
        return tools[scores.index(best)]
    return None


def _score(tool: Tool, asked: str) -> int:
    wanted = _words(asked)
    try:
        sums.tokens(asked)
        wanted.add("sum")
    except sums.NotASum:
        pass
    name, description = _words(tool["name"]), _words(tool.get("description") or "")
    return 2 * len(name & wanted) + len((description - name) & wanted)


def arguments(tool: Tool, asked: str) -> dict[str, Any]:
    """Values for the tool's required parameters, as well as plain words allow."""
    schema = tool.get("parameters") or {}
    properties = schema.get("properties") or {}
    if not isinstance(properties, dict):
        return {}
    required = schema.get("required") or []
    values = {}
    for name, shape in properties.items():
        value = _value(name, shape if isinstance(shape, dict) else {}, asked)
        if value is not None or name in required:
            values[name] = asked if value is None else value
    return values


def _value(name: str, shape: dict[str, Any], asked: str) -> Any:
    choices = shape.get("enum")
    if isinstance(choices, list) and choices:
        said = [one for one in choices if str(one).lower() in asked.lower()]
        return said[0] if said else shape.get("default", choices[0])
    kind = shape.get("type")
    if kind in ("integer", "number"):
        number = sums.number_in(asked)
        return number if number is not None else shape.get("default", 0)
    if kind == "boolean":
        return shape.get("default", True)
    if kind == "array":
        return []
    if kind == "object":
        return {}
    words = _words(name)
    if words & {"city", "location", "place", "town", "country", "address", "timezone", "zone"}:
        place = _PLACE.search(asked)
        return place.group(1).strip().title() if place else shape.get("default")
    if words & {"words", "keywords", "search", "term"} - _IDLE_WORDS:
        sought = _SOUGHT.search(asked)
        return sought.group(1).strip(" .?!") if sought else None
    if words & {"expression", "sum", "formula", "equation"}:
        try:
            return sums.expression(sums.tokens(asked))
        except sums.NotASum:
            return None
    return shape.get("default")


def spoken_output(name: str, output: str) -> str:
    """A tool's answer as one or two sentences; JSON is read as names and values."""
    title = _title(name)
    try:
        value = json.loads(output)
    except ValueError:
        value = output.strip()
    if isinstance(value, dict) and set(value) == {"error"}:
        return f"The {title} tool did not work. It said: {_spoken(value['error'])}."
    told = _spoken(value)
    if not told:
        return f"The {title} tool had nothing to say."
    return f"Here is what the {title} tool says: {told.rstrip('.')}."


def still_waiting(name: str) -> str:
    """A sentence while a tool has not answered yet."""
    return f"I am still waiting for the {_title(name)} tool."


def _title(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[A-Za-z0-9]+", spaced)).lower() or "requested"


def _spoken(value: Any, depth: int = 0) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if depth > 3:
        return "more"
    if isinstance(value, dict):
        pairs = list(value.items())[:12]
        return ", ".join(f"{_title(str(k))} is {_spoken(v, depth + 1)}" for k, v in pairs)
    if isinstance(value, list):
        return ", ".join(_spoken(entry, depth + 1) for entry in value[:12])
    return str(value)[:1500]
