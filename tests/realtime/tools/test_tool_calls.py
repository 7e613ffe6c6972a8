"""Functions that a model calls in a call on the real site: stored, shown, and over with it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from chats.models import Conversation, Message, User
from realtime.bridge.ends import ENDS
from realtime.bridge.taps import EndRecord
from realtime.db import in_database
from realtime.models import VoiceModel
from realtime.tools import TOOLS
from tests.bridge.test_tools import asking, wanted
from tests.realtime.test_consumer import (
    database_blocked,
    finalised,
    messages,
    opened,
    provider_of,
    sign_in,
)
from tests.realtime.test_recorder import Call as Recorded
from tests.realtime.test_watching import watcher
from tests.realtime.tools.test_tools import told
from tests.scripted import (
    Expect,
    Send,
    Step,
    audio_delta,
    item_added,
    response_created,
    response_done,
)
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


async def with_tools() -> None:
    await in_database(lambda: VoiceModel.objects.update(features={"tools": True}))


def note(text: str = "Buy milk", call: str = "call_1") -> list[dict[str, Any]]:
    return wanted("note", json.dumps({"text": text}), call=call)


def cards(saved: list[dict[str, Any]]) -> list[str]:
    """The cards of those that are complete."""
    return [event["card"] for event in saved if event["status"] == "completed"]


async def test_a_call_of_a_function_is_a_message_with_a_card_in_every_tab(
    here: str, conversation: Conversation, cookie: str
) -> None:
    script = opened(asking(note()), Expect("response.create"))
    async with provider_of(script) as provider:
        await with_tools()
        async with watcher(here, conversation, cookie) as other:
            await other.until(lambda: other.of("nextvoice.watching"))
            async with Caller.dial(here, str(conversation.pk), cookie) as call:
                await call.start()
                saved = await call.event("nextvoice.saved", status="completed", kind="tool")
                seen = await other.until(lambda: cards(other.of("nextvoice.saved")))
                await call.send({"type": "nextvoice.hang_up"})
                await finalised("hang_up", visit := await provider.visit())
    (update,) = visit.of_type("session.update")
    assert [tool["name"] for tool in update["session"]["tools"]] == list(TOOLS)
    (output,) = visit.of_type("conversation.item.create")
    assert output["item"]["output"] == '{"noted": true}'
    (message,) = await messages()
    assert (message.item_id, message.kind, message.status, message.text) == (
        "item_call_1",
        "tool",
        "completed",
        "Buy milk",
    )
    assert message.tool is not None
    assert (message.tool["name"], message.tool["shown"]) == ("note", {"text": "Buy milk"})
    assert "Buy milk" in saved["card"]
    assert seen == [saved["card"]]


async def test_the_card_comes_before_the_answer_it_led_to(
    here: str, conversation: Conversation, cookie: str
) -> None:
    answer: list[Step] = [
        Expect("response.create"),
        Send(
            response_created("resp_2"),
            item_added("item_a", "item_of_output", "assistant"),
            audio_delta(bytes(4800), response_id="resp_2"),
            response_done("resp_2"),
        ),
    ]
    async with provider_of(opened(asking(note()), *answer)) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.audio")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", await provider.visit())
    kept = await in_database(
        lambda: list(Message.objects.order_by("position").values_list("item_id", flat=True))
    )
    assert kept == ["item_call_1", "item_a"]


def test_a_function_that_never_ended_is_kept_as_stopped_and_one_is_no_answer(
    conversation: Conversation, tmp_path: Path
) -> None:
    call = Recorded(conversation, tmp_path)
    begun = told(state="in_progress", output="", shown={}, duration_ms=None)
    call.recorder.on_event(begun)
    done = {"id": "resp_1", "status": "cancelled", "output": [{"id": "item_f"}]}
    call.recorder.on_event({"type": "response.done", "response": done})
    assert call.store.flush(5)
    assert Message.objects.get().status == "in_progress"
    call.recorder.on_end(EndRecord(ENDS["hang_up"]))
    assert call.store.flush(5)
    message = Message.objects.get()
    assert (message.kind, message.status) == ("tool", "interrupted")
    assert [event["status"] for event in call.told] == ["in_progress", "interrupted"]
    assert "Stopped" in call.told[-1]["card"]


async def test_a_dead_database_ends_no_call_that_uses_functions(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened(asking(note()), Expect("response.create"))) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            with database_blocked():
                visit = await provider.visit()
                async with asyncio.timeout(10):
                    while not visit.of_type("response.create"):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            await call.event("nextvoice.saved", status="completed", kind="tool")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", visit)
    (message,) = await messages()
    assert message.status == "completed"


async def test_a_page_cannot_pretend_to_be_a_function(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
            await call.send({"type": "conversation.item.create", "item": item})
            error = await call.event("error")
            await call.send({"type": "session.update", "session": {"tools": []}})
            await call.until(lambda: len(call.of("error")) == 2)
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", visit := await provider.visit())
    assert error["error"]["param"] == "item.type"
    assert visit.types() == ["session.update"]
