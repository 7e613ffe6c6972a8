"""Ids and the shape every server event shares."""

import secrets
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
Send = Callable[[Event], None]


def new_id(prefix: str) -> str:
    """A fresh id such as `item_4f0c...`; at most 32 characters for short prefixes."""
    return f"{prefix}_{secrets.token_hex(10)}"


def event(kind: str, **fields: Any) -> Event:
    """A server event with its own event_id."""
    return {"type": kind, "event_id": new_id("event"), **fields}
