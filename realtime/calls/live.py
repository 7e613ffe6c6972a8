"""The calls that run in this process."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol

from chats.models import User
from realtime.bridge.browser import Browser, Resume

# Ends a call for a reason of `realtime.bridge.ends`.
Stop = Callable[[str], None]


class Resumable(Protocol):
    """A call that can go on over another socket."""

    def resume(self, socket: Browser, user: User, conversation_id: str, wish: Resume) -> bool:
        """Take the socket, if the person may have the call."""

    @property
    def ending(self) -> bool:
        """Whether it has been ended and is only winding down."""

    async def serve(self, socket: Browser) -> int | None:
        """Give the call the socket; returns the code to close it with."""


class Entry(NamedTuple):
    """A call that runs."""

    conversation_id: str | None
    stop: Stop
    running: Resumable | None


_calls: dict[str, Entry] = {}
_ended = 0
_stopping = _retired = False
# Set when the last call has left after `drain` began.
_drained: asyncio.Event | None = None


def enter(
    call_id: str, conversation_id: str | None, stop: Stop, running: Resumable | None = None
) -> None:
    """Register a call; a call that already runs in its conversation, if it has one, is ended.

    While the process is stopping, the new call is ended again at once.
    """
    for other, entry in list(_calls.items()):
        same = conversation_id is not None and entry.conversation_id == conversation_id
        if same and other != call_id:
            entry.stop("taken_over")
    _calls[call_id] = Entry(conversation_id, stop, running)
    if _stopping:
        stop("server_stopping")


def leave(call_id: str) -> None:
    """Unregister a call that ended."""
    global _ended
    if _calls.pop(call_id, None) is not None:
        _ended += 1
    if _drained is not None and not _calls:
        _drained.set()


def find(call_id: str) -> Resumable | None:
    """The call, if it runs here and can be resumed."""
    entry = _calls.get(call_id)
    return entry.running if entry else None


def ending() -> list[uuid.UUID]:
    """Ids of calls that have been ended here and are winding down. For any thread."""
    calls = list(_calls.items())
    return [uuid.UUID(pk) for pk, entry in calls if entry.running and entry.running.ending]


def host() -> str:
    """The name of this machine, or container."""
    return socket.gethostname()[:60]


def worker() -> str:
    """The name of this process for others: `host:pid`."""
    return f"{host()}:{os.getpid()}"


def here(call_id: str) -> bool:
    """Whether the call runs in this process. For any thread."""
    return call_id in _calls


def count() -> int:
    """How many calls run here."""
    return len(_calls)


def ended() -> int:
    """How many calls have ended here."""
    return _ended


def stopping() -> bool:
    """Whether this process takes no more calls."""
    return _stopping


def stop_taking() -> None:
    """Take no more calls. Also for signal handlers."""
    global _stopping
    _stopping = True


def retire() -> None:
    """Others take over from this process. Also for signal handlers."""
    global _retired
    _retired = True


def retired() -> bool:
    """Whether this process ends while the site goes on with others."""
    return _retired


async def drain(seconds: float) -> None:
    """Take no more calls and end those that run, telling their browsers to come back.

    Raises TimeoutError when some still run after `seconds`.
    """
    global _drained
    stop_taking()
    _drained = asyncio.Event()
    for entry in list(_calls.values()):
        entry.stop("server_stopping")
    if _calls:
        async with asyncio.timeout(seconds):
            await _drained.wait()
