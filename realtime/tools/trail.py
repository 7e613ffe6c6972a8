"""The audit trail of tools: one row for each that was called, and how often each was of late."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Any

from django.utils import timezone

from chats import audit
from chats.models import Account, AuditEvent, User
from realtime.bridge.taps import Tap
from realtime.bridge.tool_calls import COMPLETED, FAILED, OPEN
from realtime.db import in_database

ACTION = "tool.called"
DAYS = 30
MOST_ROWS = 50_000

# Tasks nobody holds are collected while they run.
_writing: set[asyncio.Task[None]] = set()


class Trail(Tap):
    """Notes each tool that was called in a call, without what was asked and found."""

    def __init__(self, user: User, account_pk: int, conversation_id: str) -> None:
        self._user = user
        self._account = Account(pk=account_pk)
        self._conversation_id = conversation_id
        self._noted: set[str] = set()

    def on_event(self, event: Mapping[str, Any]) -> None:
        over = event["type"] == "nextvoice.tool" and event["state"] not in OPEN
        if not over or event["call_id"] in self._noted:
            return
        self._noted.add(event["call_id"])
        server = event["server"]
        write = partial(
            audit.record,
            ACTION,
            actor=self._user,
            account=self._account,
            target=f"{server}: {event['name']}" if server else event["name"],
            state=event["state"],
            duration_ms=event["duration_ms"],
            conversation=self._conversation_id,
        )
        task = asyncio.get_running_loop().create_task(in_database(write))
        _writing.add(task)
        task.add_done_callback(_writing.discard)


@dataclass(slots=True)
class Use:
    """How a tool did. `median_ms`: of the calls that ended of themselves."""

    calls: int = 0
    failures: int = 0
    last_failed: datetime | None = None
    median_ms: int | None = None
    times: list[int] = field(default_factory=list, repr=False)


def use_of_tools(names: Iterable[str] | None = None) -> dict[str, Use]:
    """The tools that were called in the last `DAYS` days, by name; only those of `names`."""
    since = timezone.now() - timedelta(days=DAYS)
    events = AuditEvent.objects.filter(action=ACTION, at__gte=since)
    if names is not None:
        events = events.filter(target__in=list(names))
    found: dict[str, Use] = {}
    for name, at, detail in events.order_by("-at").values_list("target", "at", "detail")[
        :MOST_ROWS
    ]:
        use = found.setdefault(name, Use())
        use.calls += 1
        if detail.get("state") == FAILED:
            use.failures += 1
            use.last_failed = use.last_failed or at
        took = detail.get("duration_ms")
        if isinstance(took, int) and detail.get("state") in (COMPLETED, FAILED):
            use.times.append(took)
    for use in found.values():
        use.median_ms = round(median(use.times)) if use.times else None
    return found
