"""The audit trail: who did what that matters for security.

    audit.record("provider.changed", actor=request.user, target=provider, request=request, key=True)

Actions are `subject.verb` in the past tense. Synchronous; from a coroutine call it in a database
thread. It never fails what is being done: an event that cannot be written is logged as an error.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import HttpRequest

from chats import asking
from chats.models import Account, AuditEvent, User

log = logging.getLogger(__name__)

MOST_TARGET = 200


def record(
    action: str,
    *,
    actor: Any = None,
    account: Account | None = None,
    target: object = "",
    request: HttpRequest | None = None,
    **detail: Any,
) -> None:
    """Write one event. `request`: where it comes from, if not the one that is being answered.
    `detail`: JSON values; no secrets, nothing that was said."""
    known = actor if isinstance(actor, User) else None
    event = AuditEvent(
        action=action,
        actor=known,
        actor_name=known.get_username() if known else str(actor or ""),
        account=account,
        target=str(target).replace("\0", "")[:MOST_TARGET],
        detail=detail,
        address=_address(request or asking.current()),
    )
    try:
        # A savepoint, so that a failure leaves the caller's transaction as it was.
        with transaction.atomic():
            event.save(force_insert=True)
    except DatabaseError:
        log.exception("the audit trail misses %s of %s", action, event.target)


def _address(request: HttpRequest | None) -> str | None:
    if request is None:
        return None
    try:
        address: str = get_adapter().get_client_ip(request)
    except PermissionDenied:
        return None  # the proxies in front did not say
    return address
