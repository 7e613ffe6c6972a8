"""The person's decisions about what a model wants to do: each call is decided once, or not at
all."""

from __future__ import annotations

import asyncio
from collections import deque

from .events import Event, Problem
from .ids import new_id

APPROVED, DECLINED, UNANSWERED = "approved", "declined", "unanswered"
REMEMBERED = 512
"""How many ids of calls are remembered, so that none is used twice."""


def nothing_waits(event: Event) -> None:
    """Refuse a `nextvoice.approve`. Raises `Problem`."""
    raise Problem("not_waiting", "This call does not wait for approval.", "call_id")


class Approvals:
    """Calls that wait for the person. Without a decision within `seconds`, one is `UNANSWERED`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[str, tuple[str, asyncio.Future[bool]]] = {}
        self._always: set[str] = set()
        self._used: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    def shown_id(self, theirs: str, kind: str = "call") -> str:
        """The id by which people know a call, or its item: the provider's, or one of ours if the
        provider had used that before. A decision is about the call that was shown, not about later
        ones, and what was kept of one call stays."""
        shown = new_id(kind) if (kind, theirs) in self._used else theirs
        self._used.append((kind, shown))
        return shown

    def needless(self, what: str) -> bool:
        """Whether the person wants to be asked no more, in this call, before `what` is done."""
        return what in self._always

    async def ask(self, call_id: str, what: str) -> str:
        """Wait for the person's decision on this call."""
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = (what, decided)
        try:
            async with asyncio.timeout(self._seconds):
                return APPROVED if await decided else DECLINED
        except TimeoutError:
            return UNANSWERED
        finally:
            self._waiting.pop(call_id, None)

    def decide(self, event: Event) -> None:
        """Take a `nextvoice.approve`. Raises `Problem` when no such call waits, or not any more."""
        waiting = self._waiting.pop(event["call_id"], None)
        if waiting is None or waiting[1].done():
            return nothing_waits(event)
        what, decided = waiting
        if event["approve"] and event.get("remember"):
            self._always.add(what)
        decided.set_result(event["approve"])
