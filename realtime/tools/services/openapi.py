"""What an OpenAPI 3.0 or 3.1 document offers: its operations as functions that models can call.

Supported are path, query and header parameters, JSON bodies, and references into the document
itself. An operation that needs more is left out, and `problems` says which and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from urllib.parse import urljoin, urlsplit

from realtime.bridge.dialects.target import HEADER_NAME
from realtime.providers.tidy import RESERVED_HEADERS
from realtime.tools.services.document import BadDocument, loaded
from realtime.tools.services.schema import BadSchema, pointed, portable

METHODS = ("get", "head", "post", "put", "patch", "delete")
READ_ONLY = ("get", "head")
PLACES = ("path", "query", "header")
MOST_OPERATIONS = 200
MOST_PARAMETERS = 50
MOST_NAME = 46
MOST_DESCRIPTION = 1_000
# OpenAPI describes these elsewhere.
NOT_PARAMETERS = frozenset(["accept", "content-type", "authorization"])


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a service for models. `call`: what `request` needs to call it."""

    name: str
    description: str
    parameters: dict[str, Any]
    call: dict[str, Any]
    read_only: bool


@dataclass(slots=True)
class Document:
    """The content of a document. `server`: the service's address, empty if there is none."""

    title: str
    server: str
    functions: list[Function] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read(text: str, address: str = "") -> Document:
    """Read a document that was fetched from `address`. Raises BadDocument."""
    root = loaded(text)
    version = str(root.get("openapi", ""))
    if not version.startswith(("3.0", "3.1")):
        told = f"is {version[:20]}" if version else "is missing (Swagger 2 is not read)"
        raise BadDocument(f"#/openapi: {told}; 3.0 or 3.1 is needed.")
    paths = root.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise BadDocument("#/paths: there are none.")
    info = root.get("info")
    title = str(info.get("title") or "") if isinstance(info, dict) else ""
    found = Document(" ".join(title.split())[:80], _server(root, address))
    for path, method, item in _operations(root, paths, found.problems):
        try:
            found.functions.append(_function(root, path, method, item, found.functions))
        except BadSchema as problem:
            found.problems.append(f"{method.upper()} {path[:100]}: {problem}")
    return found


def _server(root: Mapping[str, Any], address: str) -> str:
    servers = root.get("servers") or [{"url": "/"}]
    first = servers[0] if isinstance(servers, list) else None
    url = first.get("url") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(url, str):
        raise BadDocument("#/servers/0/url: is missing.")
    variables = first.get("variables")
    for name, each in variables.items() if isinstance(variables, dict) else ():
        usual = each.get("default") if isinstance(each, dict) else None
        url = url.replace("{" + name + "}", str(usual or ""))
    if "{" in url:
        raise BadDocument("#/servers/0/url: a variable has no default.")
    try:
        whole = urljoin(address, url) if address else url
        known = urlsplit(whole).scheme in ("http", "https")
    except ValueError:  # such as http://[::1
        return ""
    return whole.rstrip("/") if known else ""


def _operations(
    root: Any, paths: Mapping[str, Any], problems: list[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation, with the parameters of its path."""
    count = 0
    for path, item in paths.items():
        place = f"#/paths/{path.replace('~', '~0').replace('/', '~1')}"
        try:
            if isinstance(item, Mapping) and "$ref" in item:
                item = pointed(root, item["$ref"], place)
        except BadSchema as problem:
            problems.append(str(problem))
            continue
        if not isinstance(item, Mapping) or not path.startswith("/"):
            problems.append(f"{place}: a path has to begin with / and hold operations.")
            continue
        for method in METHODS:
            operation = item.get(method)
            if not isinstance(operation, Mapping):
                continue
            count += 1
            if count > MOST_OPERATIONS:
                problems.append(f"{place}: only {MOST_OPERATIONS} operations are read.")
                return
            listed = [each.get("parameters") or [] for each in (item, operation)]
            servers = operation.get("servers") or item.get("servers")
            further = {"parameters": listed, "servers": servers, "place": place}
            yield path, method, {**operation, **further}


def _function(
    root: Any, path: str, method: str, operation: dict[str, Any], others: list[Function]
) -> Function:
    place = f"{operation['place']}/{method}"
    if operation["servers"]:
        raise BadSchema(f"{place}/servers", "an operation with servers of its own is not called")
    parameters = _parameters(root, operation["parameters"], path, place)
    properties = {each["argument"]: each.pop("schema") for each in parameters}
    required = [each["argument"] for each in parameters if each.pop("required")]
    body = _body(root, operation.get("requestBody"), place)
    if body is not None:
        properties["body"], needed = body
        required += ["body"] if needed else []
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return Function(
        name=free_name(
            str(operation.get("operationId") or f"{method}_{path}"), {each.name for each in others}
        ),
        description=_description(operation, method, path),
        parameters=schema | {"additionalProperties": False},
        call={
            "method": method.upper(),
            "path": path,
            "parameters": parameters,
            "body": body is not None,
        },
        read_only=method in READ_ONLY,
    )


def _parameters(root: Any, listed: list[Any], path: str, place: str) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    if not all(isinstance(each, list) for each in listed):
        raise BadSchema(f"{place}/parameters", "parameters have to be a list")
    for number, each in enumerate(chain(*listed)):
        where = f"{place}/parameters/{number}"
        if isinstance(each, Mapping) and "$ref" in each:
            each = pointed(root, each["$ref"], where)
        if not isinstance(each, Mapping) or not each.get("name"):
            raise BadSchema(where, "a parameter has to have a name")
        if (one := _parameter(root, each, where)) is not None:
            found[str(each["in"]), one["name"]] = one  # an operation's own wins over its path's
    if len(found) > MOST_PARAMETERS:
        raise BadSchema(place, f"more than {MOST_PARAMETERS} parameters")
    taken = {"body"}
    for (kind, name), one in found.items():
        argument = plain_name(name) or kind
        one["argument"] = argument if argument not in taken else f"{kind}_{argument}"
        taken.add(one["argument"])
    missing = set(re.findall(r"\{([^{}]*)\}", path)) - {n for kind, n in found if kind == "path"}
    if missing:
        raise BadSchema(place, f"the path's {{{min(missing)[:60]}}} is no parameter")
    return list(found.values())


def _parameter(root: Any, each: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    """How a parameter is sent; None for one that can be left out."""
    kind, name, needed = each.get("in"), str(each["name"]), each.get("required") is True
    skipped = kind == "header" and name.lower() in NOT_PARAMETERS
    forbidden = kind == "header" and (
        name.lower() in RESERVED_HEADERS or not HEADER_NAME.issuperset(name)
    )
    if skipped or (not needed and (kind not in PLACES or forbidden)):
        return None
    if kind not in PLACES or forbidden:
        raise BadSchema(where, f"a {str(kind)[:20]} parameter {name[:60]!r} cannot be sent")
    content = each.get("content")
    schema, as_json = each.get("schema", {}), False
    if isinstance(content, Mapping) and content:
        media = next(iter(content.values()))
        schema, as_json = (media.get("schema", {}) if isinstance(media, Mapping) else {}), True
    made = portable(schema, root, f"{where}/schema")
    if words := each.get("description"):
        made["description"] = str(words)[:MOST_DESCRIPTION]
    style = str(each.get("style") or ("form" if kind == "query" else "simple"))
    return {
        "name": name,
        "in": kind,
        "style": "json" if as_json else style,
        "explode": bool(each.get("explode", style == "form")),
        "required": needed or kind == "path",
        "schema": made,
    }


def _body(root: Any, body: Any, place: str) -> tuple[dict[str, Any], bool] | None:
    """The schema of the JSON body, and whether a body is required; None: there is none."""
    where = f"{place}/requestBody"
    if isinstance(body, Mapping) and "$ref" in body:
        body = pointed(root, body["$ref"], where)
    if not isinstance(body, Mapping):
        return None
    content, needed = body.get("content") or {}, body.get("required") is True
    for kind, media in content.items() if isinstance(content, Mapping) else ():
        plain = str(kind).partition(";")[0].strip().lower()
        if plain == "application/json" or plain.endswith("+json"):
            schema = media.get("schema", {}) if isinstance(media, Mapping) else {}
            return portable(schema, root, f"{where}/content/{plain.replace('/', '~1')}"), needed
    if needed:
        raise BadSchema(f"{where}/content", "it takes no JSON")
    return None


def _description(operation: Mapping[str, Any], method: str, path: str) -> str:
    texts = [str(operation.get(name) or "").strip() for name in ("summary", "description")]
    words = "\n".join(dict.fromkeys(text for text in texts if text))
    return words[:MOST_DESCRIPTION] or f"{method.upper()} {path}"


def free_name(wanted: str, taken: set[str]) -> str:
    """A function's name made from another name; a number distinguishes it from `taken`."""
    name = plain_name(wanted)[:MOST_NAME] or "function"
    ends = ("", *(f"_{number}" for number in range(2, len(taken) + 3)))
    return next(made for end in ends if (made := name[: MOST_NAME - len(end)] + end) not in taken)


def plain_name(text: str) -> str:
    """`text` with only the characters that names of functions and arguments may have."""
    return re.sub(r"[^a-zA-Z0-9-]+", "_", text).strip("_")
