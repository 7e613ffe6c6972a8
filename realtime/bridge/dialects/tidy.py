"""Corrects what strict clients stumble over in GA events: items, responses, limits, errors.

Clients validate events and ignore those with a missing id, a status, role or content type outside
its enum or a null where they expect a value. All functions change their argument and never raise on
JSON of any shape.
"""

from __future__ import annotations

from typing import Any

import orjson

from ..events import Event

STATUSES = ("completed", "incomplete", "in_progress")
RESPONSE_STATUSES = ("completed", "cancelled", "failed", "incomplete", "in_progress")
ROLES = ("user", "assistant", "system")
INPUT_PARTS = ("input_text", "input_audio", "input_image")
OUTPUT_PARTS = ("output_text", "output_audio")
ITEM_TYPES = (
    "message",
    "function_call",
    "function_call_output",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
)
REASONS = ("turn_detected", "client_cancelled", "max_output_tokens", "content_filter")
LIMITS = ("requests", "tokens")


def is_a(value: object, wanted: type) -> bool:
    """Whether a JSON value is of a type; int: a count, never a boolean."""
    if wanted is int:
        return type(value) is int and value >= 0
    return isinstance(value, wanted)


def text_or(value: object, other: Any) -> Any:
    """The value if it is a string, else `other`."""
    return value if isinstance(value, str) else other


def tidy_item(item: Event, status: str = "completed") -> bool:
    """Give an item GA's form, without audio: that came as deltas, and events are kept and shown.

    False if it has no id or is of no known type. `status` replaces one that GA does not have.
    """
    if not isinstance(item.get("id"), str) or not item["id"]:
        return False
    if "type" not in item and "role" in item:
        item["type"] = "message"
    kind = item.get("type")
    if kind is not None and kind not in ITEM_TYPES:
        return False
    if item.get("status") is not None and item["status"] not in STATUSES:
        item["status"] = status
    if kind == "message":
        _tidy_message(item)
        return True
    item.pop("role", None)
    if "arguments" in item:
        item["arguments"] = arguments_of(item)
    if kind == "function_call":
        item["name"] = text_or(item.get("name"), "")
        item["arguments"] = text_or(item.get("arguments"), "")
        item["call_id"] = text_or(item.get("call_id"), None) or item["id"]
    elif kind == "function_call_output":
        item["output"] = text_or(item.get("output"), "")
        item["call_id"] = text_or(item.get("call_id"), "")
    return True


def arguments_of(told: Event) -> Any:
    """The `arguments` of a call, which are JSON text: some providers send the object itself."""
    arguments = told.get("arguments")
    if not isinstance(arguments, dict):
        return arguments
    try:
        return orjson.dumps(arguments).decode()
    except orjson.JSONEncodeError:  # nested too deep
        return None


def _tidy_message(item: Event) -> None:
    content = item.get("content")
    listed = content if isinstance(content, list) else []
    parts = [part for part in listed if isinstance(part, dict)]
    given = any(part.get("type") in INPUT_PARTS for part in parts)
    if item.get("role") not in ROLES or (given and item["role"] == "assistant"):
        item["role"] = "user" if given else "assistant"  # some providers name the wrong role
    known = OUTPUT_PARTS if item["role"] == "assistant" else INPUT_PARTS
    item["content"] = [_tidy_part(part) for part in parts if part.get("type") in known]


def _tidy_part(part: Event) -> Event:
    part = {name: value for name, value in part.items() if name != "audio"}
    if part["type"] == "input_audio":
        part["transcript"] = text_or(part.get("transcript"), None)
    elif part["type"] == "output_audio":
        part["transcript"] = text_or(part.get("transcript"), "")
    elif part["type"] != "input_image":
        part["text"] = text_or(part.get("text"), "")
    return part


def tidy_response(response: Event, status: str) -> None:
    """Give a response, which has an id, GA's form. `status` replaces a missing or unknown one."""
    response["object"] = "realtime.response"
    if response.get("status") not in RESPONSE_STATUSES:
        response["status"] = status
    output = response.get("output")
    items = output if isinstance(output, list) else []
    response["output"] = [item for item in items if isinstance(item, dict) and tidy_item(item)]
    response["status_details"] = _tidy_details(response.get("status_details"))
    if response.get("output_modalities") not in (["audio"], ["text"]):
        response.pop("output_modalities", None)
    if response.get("max_output_tokens") != "inf" and not is_a(
        response.get("max_output_tokens"), int
    ):
        response.pop("max_output_tokens", None)
    for name, wanted in (("audio", dict), ("metadata", dict), ("conversation_id", str)):
        if response.get(name) is not None and not isinstance(response[name], wanted):
            del response[name]


def _tidy_details(details: object) -> Event | None:
    if not isinstance(details, dict):
        return None
    tidied: Event = {}
    if details.get("type") in RESPONSE_STATUSES[:4]:
        tidied["type"] = details["type"]
    if details.get("reason") in REASONS:
        tidied["reason"] = details["reason"]
    if isinstance(error := details.get("error"), dict):
        names = ("type", "code", "message")
        tidied["error"] = {name: error[name] for name in names if is_a(error.get(name), str)}
    return tidied


def tidy_limits(limits: list[Any]) -> list[Event]:
    """The rate limits of GA; providers list others too."""
    return [each for each in limits if isinstance(each, dict) and each.get("name") in LIMITS]


def tidy_part(part: Event) -> None:
    """The `part` of a content part event: `audio` with its transcript or `text` with its text."""
    if part.get("type") in ("text", "output_text"):
        part["type"], part["text"] = "text", text_or(part.get("text"), "")
        return
    words = text_or(part.get("transcript"), None) or text_or(part.get("text"), "")
    part.clear()
    part.update({"type": "audio", "transcript": words})


def error_of(event: Event) -> Event:
    """The GA error object, also when a provider puts its fields at the root or sends a string."""
    error = event.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = event | {"event_id": None}  # the one at the root is the event's own
    names = ("code", "message", "param", "event_id")
    fields = {name: text_or(error.get(name), None) for name in names}
    kind = text_or(error.get("type"), None)
    return {
        **fields,
        "type": kind if kind and kind != "error" else "server_error",
        "message": fields["message"] or "",
    }


def transcription_error(error: Event) -> Event:
    """The error of a failed transcription: strings only, since clients do not expect null."""
    names = ("type", "code", "message", "param")
    return {name: error[name] for name in names if isinstance(error.get(name), str)}
