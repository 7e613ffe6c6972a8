"""What a message keeps of a function call of the assistant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.bridge.shown import MAX_LABEL, MAX_OUTPUT, shown_of
from realtime.bridge.tools import fitted

# Long enough to see what was asked for; the rest is not stored.
MAX_ARGUMENTS = 8_000
MAX_NAME = 64


def tool_columns(event: Mapping[str, Any]) -> dict[str, Any]:
    """A `nextvoice.tool` event as the `tool` of its message (see `chats.models.Message`)."""
    return {
        "name": event["name"][:MAX_NAME],
        "label": event["label"][:MAX_NAME],
        "about": event["about"][:MAX_LABEL],
        "server": event["server"][:MAX_NAME],
        "state": event["state"],
        "arguments": fitted(event["arguments"], MAX_ARGUMENTS),
        "output": fitted(event["output"], MAX_OUTPUT),
        "shown": shown_of(event["shown"]),
        "duration_ms": event["duration_ms"],
    }
