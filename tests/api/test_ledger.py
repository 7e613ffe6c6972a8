"""What programs use is in the ledger like what people do."""

from __future__ import annotations

from typing import Any

import pytest

from chats.models import User
from realtime.db import in_database
from realtime.models import Usage
from realtime.money import settling
from tests.api.help import opened, provider_of, session_of, token_of
from tests.scripted import Send, response_created, response_done

pytestmark = pytest.mark.django_db(transaction=True)

USAGE: dict[str, Any] = {"total_tokens": 12, "input_tokens": 7, "output_tokens": 5}


async def test_an_answer_is_in_the_ledger_before_a_program_sees_its_end(
    here: str, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or in the journal, where the machine is busy: that is a test of its own.
    monkeypatch.setattr(settling, "HOLD_SECONDS", 30.0)
    script = opened(Send(response_created(), response_done(usage=USAGE)))
    async with provider_of(script):
        async with session_of(here, await token_of(ann, record=False)) as session:
            done = await session.event("response.done")
            rows = await in_database(lambda: list(Usage.objects.all()))
            kinds = {event.type for event in session.events}
    assert done.response.usage.total_tokens == 12
    assert [(row.raw, row.user_name, row.source) for row in rows] == [(USAGE, "ann", "unpriced")]
    assert not any(kind.startswith("nextvoice.") for kind in kinds)
