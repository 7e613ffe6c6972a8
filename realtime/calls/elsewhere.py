"""Calls that run in another process, or ran in one that is gone.

A call cannot move, because its connection to the provider cannot. A page that comes back through
another worker therefore gets a new call there, once the old one has let go: by then everything that
was said is stored, and the new call is told of it.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import suppress

from realtime.bridge.ends import ENDS, goes_on_after
from realtime.calls import live
from realtime.calls.audience import ask_to_end
from realtime.db import in_database
from realtime.models import CallRecord

# How long a page waits for the old call's end; it gives us four seconds. A process that died never
# answers.
LET_GO_SECONDS = 3.0
POLL_SECONDS = 0.1

OPEN = (CallRecord.State.CONNECTING, CallRecord.State.LIVE)


async def let_go(user_pk: int, conversation_id: str, call_id: str) -> str:
    """End the person's call, wherever it runs, so that they can go on with a new one here.

    Returns the end reason to tell the page: `not_resumable` if it may start a new call, otherwise
    why the old one ended.
    """
    reason = await in_database(end_reason, user_pk, conversation_id, call_id)
    if reason is None:
        await end(conversation_id, call_id, "moved")
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_SECONDS):
                while reason is None and not await in_database(died, call_id):
                    await asyncio.sleep(POLL_SECONDS)
                    reason = await in_database(end_reason, user_pk, conversation_id, call_id)
    over = ENDS.get(reason or "")
    return "not_resumable" if over is None or goes_on_after(over) else over.reason


async def end(conversation_id: str | None, call_id: str, reason: str) -> None:
    """Ask a call to end: its row says so, and a hint makes it look at once."""
    await in_database(ask, call_id, reason)
    await ask_to_end(conversation_id or call_id, call_id, reason)


def ask(call_id: str, reason: str) -> None:
    """Write into an open call's row why it is to end."""
    CallRecord.objects.filter(pk=call_id, state__in=OPEN).update(end_asked=reason)


def end_reason(user_pk: int, conversation_id: str, call_id: str) -> str | None:
    """Why the person's call ended; None while it is open, "" if there is no such call."""
    try:
        pk = uuid.UUID(call_id)
    except ValueError:
        return ""
    place = uuid.UUID(conversation_id)
    rows = CallRecord.objects.filter(pk=pk, user=user_pk, conversation=place)
    row = rows.values("state", "end_reason").first()
    if row is None:
        return ""
    return row["end_reason"] if row["state"] == CallRecord.State.ENDED else None


def died(call_id: str) -> bool:
    """Whether the call's process is known to be gone: it was one of this machine's."""
    worker = CallRecord.objects.filter(pk=call_id).values_list("worker", flat=True).first() or ""
    host, _, pid = worker.rpartition(":")
    if host != live.host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False
