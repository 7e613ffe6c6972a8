"""JSON or YAML documents from strangers, as plain values."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import yaml

MOST_BYTES = 1024 * 1024
MOST_DEPTH = 60
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadDocument(Exception):
    """The document cannot be read. The text says where, and what is wrong."""


def loaded(text: str) -> dict[str, Any]:
    """The document as JSON values with strings for keys. Raises BadDocument."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise BadDocument(f"It is larger than {MOST_BYTES // 1024} kB.")
    found = _plain(_json(text) if text.lstrip()[:1] in ("{", "[") else _yaml(text), 0)
    if not isinstance(found, dict):
        raise BadDocument("It is no object with names and values.")
    return found


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        words, line, column = problem.msg, problem.lineno, problem.colno
        raise BadDocument(f"Line {line}, column {column}: it is no JSON ({words}).") from None


def _yaml(text: str) -> Any:
    """Anchors that are referred to can turn kilobytes into gigabytes, so they are refused."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=Loader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise BadDocument(f"Line {line}: aliases (*{event.anchor}) are not read.")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MOST_DEPTH:
                raise BadDocument(f"Line {line}: it is nested too deep.")
        return yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadDocument(f"{place}it is no YAML ({problem.problem}).") from None
    except (yaml.YAMLError, ValueError) as problem:
        raise BadDocument(f"It is no YAML ({type(problem).__name__}).") from None


def _plain(value: Any, depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise BadDocument("It is nested too deep.")
    if isinstance(value, dict):
        return {str(name): _plain(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise BadDocument(f"It holds a value that JSON has not ({type(value).__name__}).")
