"""The audit trail of tools: an event for each one called, and how they did lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.utils import timezone

from chats import audit
from chats.models import AuditEvent, Conversation, User
from realtime.bridge.approvals import APPROVED, UNANSWERED
from realtime.bridge.taps import Tap
from realtime.bridge.tool_calls import COMPLETED, FAILED, OPEN
from realtime.db import in_database
from realtime.unawaited import begin

CALLED = "tool.called"
DAYS = 30
MOST_ROWS = 50_000
MOST_SERVER = 200


class Trail(Tap):
    """Audits, once each, which tools were called in a call and what the person decided; not what
    was asked and found. Make it on the call's loop."""

    def __init__(self, user: User, conversation_id: str) -> None:
        self._user = user
        self._conversation_id = conversation_id
        self._noted: set[tuple[str, str]] = set()

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "nextvoice.tool":
            return
        if (said := event["approval"]) is not None:
            detail = {"server": event["server"][:MOST_SERVER]} if event["server"] else {}
            if said == UNANSWERED:
                detail["reason"] = "nobody answered in time"
            action = "tool.approved" if said == APPROVED else "tool.declined"
            self._note(event["call_id"], action, event["name"], **detail)
        if event["state"] not in OPEN:
            name = f"{event['server']}: {event['name']}" if event["server"] else event["name"]
            took = event["duration_ms"]
            self._note(event["call_id"], CALLED, name, state=event["state"], duration_ms=took)

    def _note(self, call_id: str, action: str, name: str, **detail: Any) -> None:
        kind = CALLED if action == CALLED else "decision"
        if (kind, call_id) in self._noted:
            return
        self._noted.add((kind, call_id))
        begin(in_database(self._record, action, name, detail))

    def _record(self, action: str, name: str, detail: dict[str, Any]) -> None:
        place = Conversation.objects.select_related("account").filter(pk=self._conversation_id)
        found = place.first()
        account = found.account if found is not None else None
        detail = {"conversation": self._conversation_id, **detail}
        audit.record(action, actor=self._user, account=account, target=name, **detail)


@dataclass(slots=True)
class Use:
    """How a tool did. `median_ms`: of the calls that ended by themselves."""

    calls: int = 0
    failures: int = 0
    last_failed: datetime | None = None
    median_ms: int | None = None
    times: list[int] = field(default_factory=list, repr=False)


def use_of_tools(names: Iterable[str] | None = None) -> dict[str, Use]:
    """The tools that were called in the last `DAYS` days, by name; only those of `names`."""
    since = timezone.now() - timedelta(days=DAYS)
    events = AuditEvent.objects.filter(action=CALLED, at__gte=since)
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
