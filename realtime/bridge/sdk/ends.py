"""How a call's end is told to a program: an `error` event and a WebSocket close code.

Programs do not know `nextvoice.ended`. The official clients reconnect by themselves after 1001,
1005, 1006, 1011, 1012, 1013 and 1015 only, so anything lasting is closed with 1008.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..ends import End
from ..events import Event
from ..ids import new_id


class Told(NamedTuple):
    """`code` None: no `error` event before the close."""

    close: int
    type: str = "server_error"
    code: str | None = None
    message: str = ""
    """Replaces the message for people if that does not suit a program."""


REQUEST = "invalid_request_error"
ENDS: dict[str, Told] = {
    "hang_up": Told(1000),
    "browser_gone": Told(1000),
    "idle": Told(1000, REQUEST, "session_idle"),
    "signed_out": Told(1008, REQUEST, "invalid_api_key", "The key no longer works."),
    "taken_over": Told(
        1008, REQUEST, "conversation_taken_over", "Somebody goes on with this conversation."
    ),
    "slow_reader": Told(1008, REQUEST, "slow_reader", "Events are not read fast enough."),
    "flood": Told(1008, REQUEST, "rate_limit_exceeded", "More was sent than a session can carry."),
    "bad_frame": Told(1007, REQUEST, "invalid_frame"),
    "provider_unreachable": Told(1011, code="provider_unreachable"),
    "provider_gone": Told(1011, code="provider_gone"),
    "provider_timeout": Told(1011, code="provider_timeout"),
    "provider_refused_key": Told(1008, code="provider_refused_key"),
    "provider_unknown_model": Told(1008, REQUEST, "model_not_found"),
    "provider_quota": Told(1008, code="insufficient_quota"),
    "provider_error": Told(1008, code="provider_error"),
    "session_limit": Told(1001, REQUEST, "session_expired"),
    "server_stopping": Told(1012, code="server_stopping"),
    "server_busy": Told(1013, code="server_busy"),
    "internal_error": Told(1011, code="internal_error"),
    "quota_used_up": Told(1008, REQUEST, "insufficient_quota"),
    "too_many_calls": Told(1008, REQUEST, "rate_limit_exceeded"),
    "call_too_long": Told(1001, REQUEST, "session_expired"),
}
"""By end reason. A reason that is not listed is its own error code."""


def closing(end: End) -> int:
    """The WebSocket close code for a program."""
    return _told(end.reason, end.retryable).close


def ending_event(end: End, message: str) -> Event | None:
    """The `error` event that says why the session ends, or None. `message`: the one for people."""
    told = _told(end.reason, end.retryable)
    if told.code is None:
        return None
    return error(told.type, told.code, told.message or message)


def error(
    kind: str, code: str | None, message: str, *, param: str | None = None, about: str | None = None
) -> Event:
    """A GA `error` event of any type; `about`: the `event_id` of the client event at fault."""
    told: Mapping[str, Any] = {
        "type": kind,
        "code": code,
        "message": message,
        "param": param,
        "event_id": about,
    }
    return {"type": "error", "event_id": new_id("event"), "error": told}


def _told(reason: str, retryable: bool) -> Told:
    return ENDS.get(reason) or Told(1011 if retryable else 1008, code=reason)
