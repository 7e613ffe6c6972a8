"""A small ledger for tests of reports: what Ann and Bob used on a few days of November 2026."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chats.models import Account, Conversation, User
from realtime.models import CallRecord, Price, Usage
from realtime.money.ledger import Entry, Payer, record
from realtime.money.usage import Counts

OPENAI, QWEN = uuid.UUID(int=1), uuid.UUID(int=2)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def prices() -> None:
    """m: 1 USD per million of text in; q: the same in CNY; t: a minute 0.006 USD; w has none."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    Price.objects.create(model="m", since=since, text_in=Decimal(1), text_out=Decimal(2))
    Price.objects.create(model="q", since=since, text_in=Decimal(1), currency="CNY")
    Price.objects.create(model="t", kind="transcription", since=since, per_minute=Decimal("0.006"))


def used(user: User, account: Account, when: datetime, tokens: int, **fields: Any) -> Usage:
    """A ledger row of so many tokens of text in."""
    model = fields.pop("model", "m")
    payer = Payer(
        account.pk,
        account.name,
        user.pk,
        user.username,
        QWEN if model == "q" else OPENAI,
        "Qwen" if model == "q" else "OpenAI",
    )
    given: dict[str, Any] = {
        "payer": payer,
        "model": model,
        "upstream_session": "s",
        "key": str(uuid.uuid4()),
        "raw": {"input_tokens": tokens, "input_token_details": {"text_tokens": tokens}},
        "created": when,
    }
    (row,) = record(Entry(**given | fields))
    return row


def call(user: User, account: Account, when: datetime, seconds: int = 60) -> CallRecord:
    """An ended call of the person's, in a conversation of theirs."""
    conversation = Conversation.objects.create(owner=user, account=account, title=f"At {when:%d}")
    return CallRecord.objects.create(
        conversation=conversation,
        user=user,
        account=account,
        provider_name="OpenAI",
        model_name="m",
        state=CallRecord.State.ENDED,
        end_reason="hung_up",
        started=when,
        ended=when,
        heartbeat=when,
        duration_ms=seconds * 1000,
    )


def estimated(user: User, account: Account, when: datetime, tokens: int, **fields: Any) -> Usage:
    """A row that nobody reported."""
    return used(user, account, when, 0, raw=None, counts=Counts(text_in=tokens), **fields)
