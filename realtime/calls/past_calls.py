"""Calls that ended in this process lately: a page that lost its call can learn why it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import compare_digest

from chats.models import User
from realtime.bridge.browser import Resume
from realtime.bridge.ends import End, goes_on_after

MOST = 500
"""So many of the newest are remembered."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that has ended, and the token with which its page could have resumed it."""

    user_pk: int
    conversation_id: str | None
    token: str = field(repr=False)
    end: End


_past: dict[str, PastCall] = {}


def remember(call_id: str, call: PastCall) -> None:
    """A call has ended."""
    _past[call_id] = call
    for oldest in list(_past)[:-MOST]:
        del _past[oldest]


def known_here(wish: Resume) -> bool:
    """Whether the call ended in this process, as far as that is remembered."""
    return wish.call_id in _past


def why_over(user: User, conversation_id: str, wish: Resume) -> str:
    """The end reason for a page that wants to resume a call that is over: the call's own, unless
    the page may simply start another."""
    call = _past.get(wish.call_id)
    if call is None or (call.user_pk, call.conversation_id) != (user.pk, conversation_id):
        return "not_resumable"
    if goes_on_after(call.end) or not compare_digest(call.token.encode(), wish.token.encode()):
        return "not_resumable"
    return call.end.reason
