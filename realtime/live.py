"""The calls that run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Ends a call for a reason of `realtime.bridge.ends`.
Stop = Callable[[str], None]

_calls: dict[str, tuple[str, Stop]] = {}
_stopping = False
# Set when the last call has left after `drain` began.
_drained: asyncio.Event | None = None


def enter(call_id: str, conversation_id: str, stop: Stop) -> None:
    """Register a call; one that already runs in its conversation makes room for it.

    While the process is ending, the call itself is ended again at once.
    """
    for other, (place, stop_other) in list(_calls.items()):
        if place == conversation_id and other != call_id:
            stop_other("taken_over")
    _calls[call_id] = (conversation_id, stop)
    if _stopping:
        stop("server_stopping")


def leave(call_id: str) -> None:
    """Forget a call that ended."""
    _calls.pop(call_id, None)
    if _drained is not None and not _calls:
        _drained.set()


def here(call_id: str) -> bool:
    """Whether the call runs in this process. For any thread."""
    return call_id in _calls


def count() -> int:
    """How many calls run here."""
    return len(_calls)


def stopping() -> bool:
    """Whether this process takes no more calls."""
    return _stopping


async def drain(seconds: float) -> None:
    """Take no more calls and end those that run, telling their browsers to come back.

    Raises TimeoutError when some still run after `seconds`.
    """
    global _stopping, _drained
    _stopping = True
    _drained = asyncio.Event()
    for _place, stop in list(_calls.values()):
        stop("server_stopping")
    if _calls:
        async with asyncio.timeout(seconds):
            await _drained.wait()
