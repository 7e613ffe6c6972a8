"""The person's word on the real site: whose it is, what comes of it, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest

from chats.models import AuditEvent, Conversation, User
from realtime.bridge.tools import Result
from realtime.db import in_database
from realtime.tools import TOOLS, Where
from realtime.tools.registry import tool
from realtime.tools.trail import CALLED
from tests.bridge.test_tools import asking, wanted
from tests.realtime.calls.test_resume import page_of
from tests.realtime.test_consumer import finalised, messages, opened, provider_of, sign_in
from tests.realtime.test_watching import watcher
from tests.realtime.tools.test_tool_calls import with_tools
from tests.scripted import Expect
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

APPROVE = {"type": "nextvoice.approve", "call_id": "call_1", "approve": True}


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """What was sent by a function, in the real registry, that the person is asked about."""
    letters: list[str] = []

    @tool("send_letter", "Letter", "Sends a letter.", ask=True)
    def send_letter(where: Where, to: str) -> Result:
        """Send a letter.

        to: to whom
        """
        letters.append(to)
        return Result("sent")

    yield letters
    del TOOLS["send_letter"]


def letter(to: str = "Ben", call: str = "call_1") -> list[dict[str, object]]:
    return wanted("send_letter", json.dumps({"to": to}), call=call)


Noted = tuple[str, str, str, dict[str, Any]]


async def noted(count: int) -> list[Noted]:
    """The audit trail of a call that is over, once it has so many rows: by what they say, for each
    is written by itself. How long a function took is there, and left out."""
    async with asyncio.timeout(5):
        while len(found := await in_database(_noted)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for action, _, _, detail in found:
        if action == CALLED:
            assert detail.pop("duration_ms") >= 0
    return found


def _noted() -> list[Noted]:
    rows = AuditEvent.objects.filter(action__startswith="tool.").order_by("action")
    return [(row.action, row.actor_name, row.target, row.detail) for row in rows]


@pytest.mark.parametrize(
    ("approve", "status", "state", "action", "letters"),
    [
        (True, "completed", "completed", "tool.approved", ["Ben"]),
        (False, "interrupted", "declined", "tool.declined", []),
    ],
)
async def test_the_persons_word_is_done_shown_and_recorded(
    here: str,
    conversation: Conversation,
    cookie: str,
    sent: list[str],
    approve: bool,
    status: str,
    state: str,
    action: str,
    letters: list[str],
) -> None:
    async with provider_of(opened(asking(letter()), Expect("response.create"))) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            asked = await call.event("nextvoice.saved", status="in_progress", kind="tool")
            assert sent == []
            await call.send(APPROVE | {"approve": approve})
            await call.send(APPROVE)
            saved = await call.event("nextvoice.saved", status=status, kind="tool")
            await call.event("error")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", await provider.visit())
    assert 'data-state="awaiting_approval"' in asked["card"]
    assert "Waiting for you" in asked["card"] and "Sends a letter." in asked["card"]
    assert f'data-state="{state}"' in saved["card"]
    (message,) = await messages()
    assert (message.status, message.tool_state) == (status, state)
    assert sent == letters
    place = {"conversation": str(conversation.pk)}
    assert await noted(2) == sorted(
        [
            (action, "ann", "send_letter", place),
            (CALLED, "ann", "send_letter", place | {"state": state}),
        ],
        key=itemgetter(0),
    )


async def test_only_the_persons_own_call_can_decide(
    here: str, conversation: Conversation, cookie: str, sent: list[str]
) -> None:
    """Neither a tab that watches, nor another call that does not wait for this."""
    async with provider_of(opened(asking(letter())), opened()):
        await with_tools()
        async with (
            watcher(here, conversation, cookie) as other,
            Caller.dial(here, str(conversation.pk), cookie) as call,
        ):
            await call.start()
            await other.until(lambda: other.of("nextvoice.saved", status="in_progress"))
            await other.socket.send(json.dumps(APPROVE))
            elsewhere = await in_database(
                lambda: Conversation.objects.create(
                    owner=conversation.owner, account=conversation.account
                )
            )
            async with Caller.dial(here, str(elsewhere.pk), cookie) as second:
                await second.start()
                await second.send(APPROVE)
                refusal = await second.event("error")
            await call.send({"type": "nextvoice.hang_up"})
            assert (await call.ended())[0] == "hang_up"
    assert refusal["error"]["code"] == "not_waiting"
    assert sent == []
    (message,) = await messages()
    assert (message.status, message.tool_state) == ("interrupted", "interrupted")
    place = {"conversation": str(conversation.pk), "state": "interrupted"}
    assert await noted(1) == [(CALLED, "ann", "send_letter", place)]


async def test_what_waits_waits_on_over_another_socket(
    here: str, conversation: Conversation, cookie: str, sent: list[str]
) -> None:
    async with provider_of(opened(asking(letter()))) as provider:
        await with_tools()
        async with page_of(here, conversation, cookie) as page:
            await page.start()
            await page.until(lambda: "nextvoice.tool" in page.types)
            seen = len(page.frames)
            page.vanish()
            # A page that lost the question is told it again.
            lost = page.types.index("nextvoice.tool")
            await page.resume(received=lost)
            await page.until(lambda: len(page.frames) > seen)
            again = [f for f in page.frames[seen:] if isinstance(f, dict)]
            assert again[0]["type"] == "nextvoice.tool"
            assert again[0]["state"] == "awaiting_approval"
            await page.say(APPROVE)
            visit = await provider.visit()
            async with asyncio.timeout(10):
                await visit.expect("response.create")
            await page.say({"type": "nextvoice.hang_up"})
            await finalised("hang_up", visit)
    assert sent == ["Ben"]


def test_a_call_that_a_dead_process_left_waiting_is_shown_as_stopped(
    conversation: Conversation,
) -> None:
    message = conversation.messages.create(
        position=1, role="assistant", kind="tool", tool={"state": "awaiting_approval"}
    )
    assert message.tool_state == "awaiting_approval"
    message.status = "interrupted"  # as the janitor leaves it
    assert message.tool_state == "interrupted"
