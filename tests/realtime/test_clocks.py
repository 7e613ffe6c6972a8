"""A machine whose clock is set while people talk: time is counted, not read off it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from chats.models import Conversation, User
from realtime.calls import janitor, lookout
from realtime.db import in_database
from realtime.models import CallRecord, Lease, Quota, Usage
from realtime.money import keeper
from tests.realtime.test_consumer import answer, opened, provider_of, sign_in
from tests.scripted import Until
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SECONDS", 0.05)
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.05)


async def looked() -> None:
    """Wait until the call has been looked after twice more."""
    for _ in range(2):
        before = await in_database(lambda: CallRecord.objects.get().heartbeat)
        await in_database(Lease.objects.all().update, heartbeat=before - timedelta(days=1))
        async with asyncio.timeout(20):
            while True:
                lease = await in_database(Lease.objects.get)
                if lease.heartbeat > before - timedelta(days=1):
                    break
                await asyncio.sleep(0.02)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("hours", [1, -1], ids=["forward", "back"])
async def test_a_clock_that_is_set_ends_no_call_and_spoils_no_account(
    here: str, ann: User, conversation: Conversation, hours: int
) -> None:
    await in_database(lambda: Quota.objects.create(call_minutes=30))
    go_on = asyncio.Event()
    async with provider_of(opened(Until(go_on), answer(bytes(48_000)))):
        cookie = await in_database(sign_in, ann)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await looked()
            with time_machine.travel(timezone.now() + timedelta(hours=hours)):
                await looked()
                # Nobody takes the call for dead, with whatever clock.
                assert await in_database(janitor.sweep) == 0
                go_on.set()
                await call.event("response.done")
                await looked()
            await looked()
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
    record = await in_database(CallRecord.objects.get)
    assert (record.end_reason, 0 <= record.duration_ms < 60_000) == ("hang_up", True)
    assert await in_database(Usage.objects.filter(kind="response").count) == 1
    await in_database(call_command, "reconcile")  # exits when the books do not agree
