"""JSON Schema for models: a small vocabulary, without references, of limited size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry

from realtime.bridge.tools import ToolFailed

MOST_NODES = 2_000
MOST_DEPTH = 24
MOST_TEXT = 1_000
MOST_WORDS = 300
LARGEST = 1 << 1000

# fmt: off
PLAIN = frozenset([
    "type", "title", "description", "enum", "const", "default", "format", "pattern",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties", "required",
])
# fmt: on
INNER = frozenset(["items", "not", "additionalProperties"])
LISTS = frozenset(["oneOf", "anyOf", "allOf", "prefixItems"])


class BadSchema(Exception):
    """It cannot be used. `place`: where, as a JSON pointer."""

    def __init__(self, place: str, words: str) -> None:
        super().__init__(f"{place}: {words}")
        self.place, self.words = place, words


def pointed(root: Any, reference: object, place: str) -> Any:
    """The target of a local reference such as `#/components/schemas/Pet`. Raises BadSchema."""
    if not isinstance(reference, str) or not f"{reference}/".startswith("#/"):
        raise BadSchema(place, "only references into this document (#/…) can be followed")
    found = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isascii() and name.isdigit():
            found = found[int(name)] if int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise BadSchema(place, f"there is no {reference[:100]}")
    return found


def _in_reach(value: Any) -> Any:
    """A JSON value whose integers every program can represent exactly; larger ones become
    inexact."""
    if isinstance(value, dict):
        return {name: _in_reach(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_reach(each) for each in value]
    if not isinstance(value, int) or abs(value) < 1 << 63:
        return value
    return float(max(-LARGEST, min(value, LARGEST)))


def portable(schema: Any, root: Any, place: str = "#") -> dict[str, Any]:
    """A schema with its references resolved; one that contains itself accepts anything, there.

    OpenAPI 3.0's words become JSON Schema's, and what no model needs is left out. Raises BadSchema.
    """
    whole = _Portable(root).of(schema, place, ())
    try:
        Draft202012Validator.check_schema(whole)
    except SchemaError as problem:
        inner = "/".join(map(str, problem.absolute_path))
        raise BadSchema(f"{place}/{inner}", problem.message[:MOST_WORDS]) from None
    return whole if isinstance(whole, dict) else {}


class _Portable:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._nodes = 0

    def of(self, schema: Any, place: str, above: tuple[str, ...]) -> dict[str, Any] | bool:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BadSchema(place, f"the schema has more than {MOST_NODES} parts")
        if place.count("/") > 4 * MOST_DEPTH or len(above) > MOST_DEPTH:
            raise BadSchema(place[:200], "the schema is too deep")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise BadSchema(place, "a schema has to be an object")
        if "$ref" in schema:
            return self._followed(schema, place, above)
        return self._written(schema, place, above)

    def _followed(
        self, schema: Mapping[str, Any], place: str, above: tuple[str, ...]
    ) -> dict[str, Any] | bool:
        reference = str(schema["$ref"])
        if reference in above:
            return {}
        target = pointed(self._root, reference, place)
        found = self.of(target, reference, (*above, reference))
        words = schema.get("description")
        return {**found, "description": words} if words and isinstance(found, dict) else found

    def _written(
        self, schema: Mapping[str, Any], place: str, above: tuple[str, ...]
    ) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in schema.items():
            inner = f"{place}/{name}"
            if name == "properties" and isinstance(value, Mapping):
                made[name] = {
                    each: self.of(sub, f"{inner}/{each}", above)
                    for each, sub in value.items()
                    if not (isinstance(sub, Mapping) and sub.get("readOnly") is True)
                }
            elif name in LISTS and isinstance(value, list):
                made[name] = [
                    self.of(sub, f"{inner}/{number}", above) for number, sub in enumerate(value)
                ]
            elif name in INNER:
                made[name] = self.of(value, inner, above)
            elif name in PLAIN:
                made[name] = value[:MOST_TEXT] if isinstance(value, str) else _in_reach(value)
        return _of_today(made, schema)


def _of_today(made: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 says differently from JSON Schema today."""
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    for limit, word in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(word), bool) and made.pop(word) and limit in made:
            made[word] = made.pop(limit)
    if isinstance(made.get("required"), list):
        left = made.get("properties")
        gone = [] if left is None else [each for each in schema["properties"] if each not in left]
        made["required"] = [name for name in made["required"] if name not in gone]
    elif "required" in made:
        del made["required"]  # a boolean, as older documents have it at a property
    return made


def check(arguments: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Raise ToolFailed, in words for the model, unless the arguments fit.

    Patterns are left to the service: strangers' regular expressions can take for ever. Nothing is
    ever fetched for a schema.
    """
    validator = Draft202012Validator(_without_patterns(schema), registry=Registry())
    problem = best_match(validator.iter_errors(arguments))
    if problem is not None:
        where = problem.json_path.removeprefix("$").removeprefix(".")
        words = problem.message[:MOST_WORDS]
        raise ToolFailed(f"The argument {where}: {words}" if where else words)


def _without_patterns(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            name: {each: _without_patterns(sub) for each, sub in value.items()}
            if name == "properties"
            else _without_patterns(value)
            for name, value in schema.items()
            if name != "pattern"
        }
    return [_without_patterns(each) for each in schema] if isinstance(schema, list) else schema
