"""The audit trail of what people allowed the assistant to do, and what they did not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from chats import audit
from chats.models import Conversation, User
from realtime.bridge.approvals import APPROVED, UNANSWERED
from realtime.bridge.taps import Tap
from realtime.db import in_database

_tasks: set[asyncio.Task[None]] = set()  # nobody else holds them


class Decisions(Tap):
    """Records each decision about a function of one call, once. Make it on the call's loop."""

    def __init__(self, user: User, conversation_id: str) -> None:
        self._user = user
        self._conversation_id = conversation_id
        self._known: set[str] = set()

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "nextvoice.tool" or event["approval"] is None:
            return
        if event["call_id"] in self._known:
            return
        self._known.add(event["call_id"])
        detail: dict[str, Any] = {"conversation": self._conversation_id}
        if event["server"]:
            detail["server"] = event["server"][:200]
        if event["approval"] == UNANSWERED:
            detail["reason"] = "nobody answered in time"
        action = "tool.approved" if event["approval"] == APPROVED else "tool.declined"
        job = in_database(self._record, action, event["name"], detail)
        task = asyncio.get_running_loop().create_task(job)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    def _record(self, action: str, name: str, detail: dict[str, Any]) -> None:
        place = Conversation.objects.select_related("account").filter(pk=self._conversation_id)
        found = place.first()
        account = found.account if found is not None else None
        audit.record(action, actor=self._user, account=account, target=name, **detail)
