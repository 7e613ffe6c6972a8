"""A model's arguments as an HTTP request: each value stays in its own place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from realtime.bridge.tools import ToolFailed

MOST_URL = 8_000


@dataclass(frozen=True, slots=True)
class Request:
    """`url`: whole, without secrets."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def request_for(base: str, call: Mapping[str, Any], arguments: Mapping[str, Any]) -> Request:
    """The request that an operation's `call` (`openapi.Function`) describes; the arguments fit its
    schema already. Raises ToolFailed."""
    path, query, headers = str(call["path"]), list[str](), {"Accept": "application/json, */*"}
    for each in call["parameters"]:
        value = arguments.get(each["argument"])
        if value is None:
            continue
        if each["in"] == "path":
            path = path.replace("{" + each["name"] + "}", _segment(each, value))
        elif each["in"] == "query":
            query += [f"{quote(k, safe='[]')}={quote(v, safe='')}" for k, v in _pairs(each, value)]
        else:
            headers[each["name"]] = _header(each, value)
    if any(part in (".", "..") for part in path.split("/")):
        raise ToolFailed("An argument would lead to another address. Use another value.")
    body = None
    if call["body"] and "body" in arguments:
        headers["Content-Type"] = "application/json"
        body = orjson.dumps(arguments["body"])
    url = base.rstrip("/") + path + (f"?{'&'.join(query)}" if query else "")
    if len(url) > MOST_URL:
        raise ToolFailed("The arguments are too long for an address.")
    return Request(str(call["method"]), url, headers, body)


def _segment(parameter: Mapping[str, Any], value: Any) -> str:
    """A value that stays within its path segment, whatever a server on the way makes of %2F."""
    text = _joined(value)
    pieces = re.split(r"[/\\]", text)
    if not text or not text.isprintable() or any(piece in (".", "..") for piece in pieces):
        raise ToolFailed(f"The argument {parameter['argument']} cannot be part of an address.")
    return quote(text, safe=",")


def _header(parameter: Mapping[str, Any], value: Any) -> str:
    text = _joined(value)
    if not text.isascii() or not text.isprintable():
        raise ToolFailed(f"The argument {parameter['argument']} has characters no header can have.")
    return text


def _pairs(parameter: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """A query parameter as names and values, in its style."""
    name, style, explode = parameter["name"], parameter["style"], parameter["explode"]
    if style == "json":
        yield name, orjson.dumps(value).decode()
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield (f"{name}[{key}]" if style == "deepObject" else str(key)), _text(each)
    elif isinstance(value, list) and explode:
        for each in value:
            yield name, _text(each)
    else:
        glue = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(style, ",")
        yield name, _joined(value, glue)


def _joined(value: Any, glue: str = ",") -> str:
    return glue.join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return str(value)
