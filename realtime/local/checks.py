"""Small building blocks that check one JSON value and name the parameter that is wrong.

A check takes (value, path) and returns the value to keep, or raises Refused.
"""

from collections.abc import Callable
from typing import Any

from realtime.local.errors import Refused, invalid, missing, unknown, wrong_type

Check = Callable[[Any, str], Any]


def text(limit: int, *, least: int = 0) -> Check:
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if not least <= len(value) <= limit:
            raise invalid(path, f"the length must be between {least} and {limit} characters.")
        return value

    return check


def boolean(value: Any, path: str) -> Any:
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)
    return value


def integer(low: int, high: int) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(path, "an integer", value)
        if not low <= value <= high:
            raise invalid(path, f"must be between {low} and {high}, but got {value}.")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(path, "a number", value)
        if not low <= value <= high:
            raise invalid(path, f"must be between {low} and {high}, but got {value}.")
        return value

    return check


def one_of(*allowed: Any) -> Check:
    names = ", ".join(f"'{value}'" for value in allowed)

    def check(value: Any, path: str) -> Any:
        if not any(type(value) is type(known) and value == known for known in allowed):
            raise Refused(
                f"Invalid value: '{value}'. Supported values are: {names}.",
                code="invalid_value",
                param=path,
            )
        return value

    return check


def nullable(inner: Check) -> Check:
    def check(value: Any, path: str) -> Any:
        return None if value is None else inner(value, path)

    return check


def either(*checks: Check) -> Check:
    """The first check that accepts decides. Otherwise the error comes from the check that found a
    fault inside the value, which is then of its kind, or else names all that is allowed."""

    def check(value: Any, path: str) -> Any:
        refusals: list[Refused] = []
        for inner in checks:
            try:
                return inner(value, path)
            except Refused as refused:
                refusals.append(refused)
        within = [each for each in refusals if each.param != path]
        if within:
            raise within[0]
        raise Refused(
            " Or: ".join(each.message for each in refusals), code="invalid_value", param=path
        )

    return check


def list_of(inner: Check, *, most: int) -> Check:
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        if len(value) > most:
            raise Refused(
                f"Invalid '{path}': array too long. Expected at most {most} items.",
                code="array_above_max_length",
                param=path,
            )
        return [inner(entry, f"{path}[{index}]") for index, entry in enumerate(value)]

    return check


def fields(known: dict[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        for name in required:
            if name not in value:
                raise missing(f"{path}.{name}")
        kept = {}
        for name, entry in value.items():
            if name not in known:
                raise unknown(f"{path}.{name}")
            kept[name] = known[name](entry, f"{path}.{name}")
        return kept

    return check


def free_object(limit: int) -> Check:
    """Any JSON object, `limit` keys at most on its first level."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        if len(value) > limit:
            raise invalid(path, f"at most {limit} keys are supported.")
        return value

    return check


def string_map(pairs: int, key_limit: int, value_limit: int) -> Check:
    value_check = text(value_limit)

    def check(value: Any, path: str) -> Any:
        free_object(pairs)(value, path)
        for key, entry in value.items():
            if len(key) > key_limit:
                raise invalid(path, f"keys have at most {key_limit} characters.")
            value_check(entry, f"{path}.{key}")
        return value

    return check


def tagged(tag: str, shapes: dict[str, Check]) -> Check:
    """An object whose `tag` field chooses its shape."""
    tag_check = one_of(*shapes)

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        if tag not in value:
            raise missing(f"{path}.{tag}")
        tag_check(value[tag], f"{path}.{tag}")
        return shapes[value[tag]](value, path)

    return check
