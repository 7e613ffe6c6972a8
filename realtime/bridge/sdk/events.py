"""What a program may send: all GA client events of a WebSocket, checked as far as we rely on them.

The provider checks the rest. Source: the official client's types, realtime_client_event.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..audio import decode_base64
from ..events import (
    Event,
    Problem,
    check_cancel,
    check_item_id,
    check_modalities,
    check_place,
    check_previous,
    is_id,
    need,
    parse,
)

MAX_FRAME = 15 * 1024 * 1024
"""Characters per frame, the same as at OpenAI."""
MAX_NESTED = 64
"""Levels of nesting; tools contain JSON schemas."""
MAX_PARTS = 256
CONTENT: Mapping[str, frozenset[str]] = {
    "system": frozenset({"input_text"}),
    "user": frozenset({"input_text", "input_audio", "input_image"}),
    "assistant": frozenset({"output_text", "output_audio"}),
}
"""Kinds of content by the message's role."""
PART_FIELDS = {
    "input_text": "text",
    "output_text": "text",
    "output_audio": "transcript",
    "input_audio": "audio",
    "input_image": "image_url",
}
"""What each kind of content must have."""
ITEM_FIELDS: Mapping[str, tuple[str, ...]] = {
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id",),
    "mcp_approval_request": ("name", "arguments", "server_label"),
    "mcp_call": ("name", "arguments", "server_label"),
    "mcp_list_tools": ("server_label",),
}
"""Kinds of items besides messages, with the strings each must have."""
RESPONSE_FIELDS = frozenset(
    {
        "audio",
        "conversation",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
    }
)
MAX_METADATA = 16


def parse_event(text: str) -> Event:
    """One text frame of a program as a checked event. Raises `Problem`.

    The audio of an `input_audio_buffer.append` comes back as bytes in the program's format.
    """
    try:
        return parse(text, CHECKS, most=MAX_FRAME, deepest=MAX_NESTED)
    except Problem as problem:
        if problem.code == "unknown_event":
            known = ", ".join(f"'{name}'" for name in CHECKS)
            problem.code = "invalid_value"
            problem.message = f"Unknown type of event. Supported values are: {known}."
        raise


def unknown(param: str) -> Problem:
    """The problem of a field that GA does not have, in OpenAI's words."""
    return Problem("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def _append(event: Event) -> None:
    audio = need(event, "audio", str)
    try:
        event["audio"] = decode_base64(audio)
    except ValueError:
        raise Problem("invalid_audio", "The audio is not valid base64.", "audio") from None


def _session(event: Event) -> None:
    need(event, "session", dict)


def _nothing(event: Event) -> None:
    pass


def _item_create(event: Event) -> None:
    check_previous(event)
    check_item(need(event, "item", dict), "item")


def check_item(item: Mapping[str, Any], path: str) -> None:
    """Raise `Problem` unless this is a GA item that a client may create."""
    if item.get("id") is not None and not is_id(item["id"]):
        raise Problem("invalid_value", "The item's id must be a short string.", f"{path}.id")
    kind = item.get("type")
    if kind == "message":
        _check_message(item, path)
    elif isinstance(kind, str) and kind in ITEM_FIELDS:
        for name in ITEM_FIELDS[kind]:
            need_text(item, name, path)
    else:
        known = ", ".join(f"'{name}'" for name in ("message", *ITEM_FIELDS))
        message = f"Unknown type of item. Supported values are: {known}."
        raise Problem("invalid_value", message, f"{path}.type")


def _check_message(item: Mapping[str, Any], path: str) -> None:
    role = item.get("role")
    if not isinstance(role, str) or role not in CONTENT:
        raise Problem("invalid_value", "Expected user, assistant or system.", f"{path}.role")
    content = item.get("content")
    if not isinstance(content, list) or not 1 <= len(content) <= MAX_PARTS:
        raise Problem("invalid_value", "The item needs a list of content.", f"{path}.content")
    for index, part in enumerate(content):
        where = f"{path}.content[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in CONTENT[role]:
            allowed = ", ".join(f"'{name}'" for name in sorted(CONTENT[role]))
            message = f"Unknown type of content. Supported values are: {allowed}."
            raise Problem("invalid_value", message, f"{where}.type")
        need_text(part, PART_FIELDS[kind], where)


def need_text(within: Mapping[str, Any], name: str, path: str) -> None:
    """Raise `Problem` unless `within`, the object at `path`, has a string of this name."""
    value = within.get(name)
    if not isinstance(value, str):
        raise Problem(
            "missing_required_parameter",
            f"Missing required parameter: '{path}.{name}'.",
            f"{path}.{name}",
        )


def _response_create(event: Event) -> None:
    response = event.get("response")
    if response is None:
        return
    if not isinstance(response, dict):
        raise Problem("invalid_type", "The response must be an object.", "response")
    for name in response:
        if name not in RESPONSE_FIELDS:
            raise unknown(f"response.{name[:64]}")
    if response.get("output_modalities") is not None:
        check_modalities(response["output_modalities"], "response.output_modalities")
    if response.get("conversation") not in (None, "auto", "none"):
        raise Problem("invalid_value", "Expected auto or none.", "response.conversation")
    if not isinstance(response.get("instructions"), str | None):
        raise Problem("invalid_type", "Expected a string.", "response.instructions")
    _check_metadata(response.get("metadata"))
    _list(response, "tools")
    for index, item in enumerate(_list(response, "input")):
        reference = isinstance(item, dict) and item.get("type") == "item_reference"
        if not isinstance(item, dict) or (reference and not is_id(item.get("id"))):
            raise Problem("invalid_value", "Expected an item.", f"response.input[{index}]")
        if not reference:
            check_item(item, f"response.input[{index}]")


def _list(within: Mapping[str, Any], name: str) -> list[Any]:
    value = within.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Problem("invalid_type", "Expected a list.", f"response.{name}")
    return value


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > MAX_METADATA:
        raise Problem(
            "invalid_value", f"Expected at most {MAX_METADATA} pairs.", "response.metadata"
        )


CHECKS: dict[str, Callable[[Event], None]] = {
    "session.update": _session,
    "input_audio_buffer.append": _append,
    "input_audio_buffer.commit": _nothing,
    "input_audio_buffer.clear": _nothing,
    "conversation.item.create": _item_create,
    "conversation.item.retrieve": check_item_id,
    "conversation.item.truncate": check_place,
    "conversation.item.delete": check_item_id,
    "response.create": _response_create,
    "response.cancel": check_cancel,
}
"""Every event a program may send, with the check of its fields."""
