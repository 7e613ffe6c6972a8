"""Functions of services in whole calls on the real site; and what nobody is to learn by them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from PIL import Image

from chats.models import Attachment, AuditEvent, Conversation, Message, User
from realtime.db import in_database
from realtime.models import Price, Provider, ToolFunction, ToolService, Usage, VoiceModel
from realtime.money.seeds import BEGINNING
from realtime.tools.choice import toolbox_for
from realtime.tools.trail import CALLED
from tests.bridge.test_tools import asking, wanted
from tests.realtime.test_consumer import finalised, messages, opened, provider_of, sign_in
from tests.realtime.tools.services import SECRET, api, document, mcp_server
from tests.realtime.tools.test_services import chosen, service, vouch
from tests.scripted import (
    Expect,
    Send,
    Step,
    Visit,
    response_created,
    response_done,
    session_created,
)
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


def picture() -> str:
    """A PNG, as image services send it."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@asynccontextmanager
async def three_services(**image: Any) -> AsyncIterator[None]:
    """A plugin, an MCP server and a maker of images, which says this too; nothing asks first."""
    with api() as server, mcp_server() as mcp:
        server.image = {"data": [{"b64_json": picture()}], **image}
        for port in (server.server_port, mcp.port):
            await sync_to_async(vouch)(port)
        make = sync_to_async(service)
        text = document(server.url)
        await chosen(await make(server.url, name="A", prefix="api", document=text))
        await chosen(await make(mcp.url, name="M", prefix="mcp", kind="mcp"))
        await chosen(await make(server.url, name="I", prefix="img", kind="images"))
        await ToolFunction.objects.aupdate(ask=False)
        yield


async def called(
    here: str, conversation: Conversation, cookie: str, *calls: list[dict[str, Any]]
) -> tuple[Visit, Caller]:
    """A call in which a provider asks for these functions at once and is answered."""
    script: list[Step] = opened(asking(*calls), Expect("response.create"))
    async with provider_of(script) as provider:
        await in_database(lambda: VoiceModel.objects.update(features={"tools": True}))
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            visit = await provider.visit()
            async with asyncio.timeout(20):
                while not visit.of_type("response.create"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", visit)
    return visit, call


def outputs(visit: Visit) -> dict[str, str]:
    """What the model was told, by the call's id."""
    items = [event["item"] for event in visit.of_type("conversation.item.create")]
    return {item["call_id"]: item["output"] for item in items if "output" in item}


async def test_functions_of_three_services_answer_in_one_turn(
    here: str, conversation: Conversation, cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with three_services():
        visit, call = await called(
            here,
            conversation,
            cookie,
            wanted("api__pets", "{}", call="a"),
            wanted("mcp__tells", "{}", call="m"),
            wanted("img__generate_image", '{"prompt": "A cat"}', call="i"),
            wanted("api__refused", "{}", call="r"),
        )
    told = outputs(visit)
    assert told["a"].startswith('[{"name":"Rex","legs":4}')
    assert json.loads(told["m"]) == {"result": "It is [key]."}
    assert '"type":"image/png"' in told["i"]
    assert "HTTP 403" in told["r"]
    assert "[key]" in told["r"]
    kept = {message.tool["name"]: message for message in await messages() if message.tool}
    assert {name: message.status for name, message in kept.items()} == {
        "api__pets": "completed",
        "mcp__tells": "completed",
        "img__generate_image": "completed",
        "api__refused": "failed",
    }
    assert kept["api__pets"].tool["label"] == "A: pets"
    assert kept["api__pets"].tool["shown"]["table"]["rows"][0] == ["Rex", "4", ""]
    attachment = await Attachment.objects.aget()
    assert attachment.message_id == kept["img__generate_image"].pk
    await _trail_is(
        ("api__pets", "completed"),
        ("api__refused", "failed"),
        ("img__generate_image", "completed"),
        ("mcp__tells", "completed"),
        conversation=conversation,
    )
    everything = json.dumps([call.events, visit.events, [m.tool for m in kept.values()]])
    rows = [event async for event in AuditEvent.objects.values_list("target", "detail")]
    assert SECRET not in everything + caplog.text + json.dumps(rows)


async def test_what_a_picture_costs_is_in_what_the_call_costs(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await in_database(
        lambda: [
            Price.objects.create(model=model, text_in=rate, text_out=rate, since=BEGINNING)
            for model, rate in (("I", 20), ("scripted-1", 1))
        ]
    )
    used = {"input_tokens": 1000, "output_tokens": 1000}
    usage = {**used, "total_tokens": 2000, "input_token_details": {"text_tokens": 1000}}
    steps = [
        asking(wanted("img__generate_image", '{"prompt": "A cat"}', call="i"), usage=usage),
        Expect("response.create"),
        Send(response_created("resp_2"), response_done("resp_2", usage=usage)),
    ]
    async with three_services(usage=used), provider_of(opened(*steps)) as provider:
        await in_database(lambda: VoiceModel.objects.update(features={"tools": True}))
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            visit = await provider.visit()
            await call.until(lambda: len(call.of("nextvoice.cost")) == 3)
            await call.send({"type": "nextvoice.hang_up"})
            record = await finalised("hang_up", visit)
    told = [(each["model"], each["cost"], each["total"]) for each in call.of("nextvoice.cost")]
    assert told == [
        ("scripted-1", "0.002", "0.002"),
        ("I", "0.04", "0.042"),
        ("scripted-1", "0.002", "0.044"),
    ]
    [picture] = [each for each in call.of("nextvoice.cost") if each["model"] == "I"]
    # It is none of the conversation's answers.
    assert (picture["context"], "re-reads" in picture["text"]) == (None, False)
    rows = await in_database(lambda: Usage.objects.filter(call_id=record.pk).count())
    assert rows == 3


async def _trail_is(*expected: tuple[str, str], conversation: Conversation) -> None:
    async with asyncio.timeout(5):
        while True:
            events = [event async for event in AuditEvent.objects.filter(action=CALLED)]
            if len(events) >= len(expected):
                break
            await asyncio.sleep(0.02)
    assert sorted((event.target, event.detail["state"]) for event in events) == list(expected)
    for event in events:
        assert sorted(event.detail) == ["conversation", "duration_ms", "state"]
        assert event.detail["conversation"] == str(conversation.pk)
        assert (event.actor_name, event.account_id) == ("ann", conversation.account_id)


async def test_a_session_offers_what_account_and_person_left_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with three_services():
        conversation.call_settings = {"tools_off": ["api__pets"]}
        await conversation.asave()
        visit, _call = await called(here, conversation, cookie, wanted("api__pets", call="a"))
    (update,) = visit.of_type("session.update")
    names = [tool["name"] for tool in update["session"]["tools"]]
    assert "api__echo" in names
    assert "api__pets" not in names
    assert outputs(visit) == {"a": '{"error":"There is no function \'api__pets\'."}'}


# Servers that the provider calls


def passed_on() -> ToolService:
    made = service("https://pets.example.org/mcp", kind="mcp", passed_on=True)
    for name, asks in (("list", False), ("adopt", True)):
        ToolFunction.objects.create(
            service=made, name=name, chosen=True, ask=asks, call={"tool": f"{name}.it"}
        )
    return made


OFFER = {
    "type": "mcp",
    "server_label": "pets",
    "server_url": "https://pets.example.org/mcp",
    "allowed_tools": ["list.it", "adopt.it"],
    "require_approval": {
        "never": {"tool_names": ["list.it"]},
        "always": {"tool_names": ["adopt.it"]},
    },
}


async def test_the_secret_of_a_server_reaches_the_provider_and_nobody_else(
    here: str, conversation: Conversation, cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await in_database(passed_on)
    whole = OFFER | {"authorization": SECRET, "headers": {"X": SECRET}}
    session = {"type": "realtime", "tools": [whole], "instructions": SECRET}
    script: list[Step] = [
        Send(session_created()),
        Expect("session.update"),
        Send({"type": "session.updated", "session": session}),
        Send({"type": "error", "error": {"code": "x", "message": f"No: {SECRET}"}}),
    ]
    async with provider_of(script) as provider:
        await in_database(lambda: VoiceModel.objects.update(features={"tools": True}))
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("error")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", visit := await provider.visit())
    (update,) = visit.of_type("session.update")
    assert update["session"]["tools"][-1] == OFFER | {"authorization": SECRET}
    assert SECRET not in json.dumps(call.events) + caplog.text
    kept = [message async for message in Message.objects.values_list("text", "tool")]
    assert SECRET not in json.dumps(kept)


def test_only_providers_of_the_admins_are_told_of_servers(
    ann: User, conversation: Conversation
) -> None:
    passed_on()
    provider = Provider.objects.create(name="P", url="wss://voice.example/v1/realtime")
    model = VoiceModel.objects.create(provider=provider, name="m", features={"tools": True})

    def offered() -> tuple[list[str], dict[str, str]]:
        model.refresh_from_db()
        box = toolbox_for(ann, conversation, conversation.account, model)
        assert box is not None
        ours = [tool for tool in box.offered if "pets" in json.dumps(tool)]
        return [tool.get("name", tool["type"]) for tool in ours], box.authorizations

    assert offered() == (["mcp"], {"pets": SECRET})
    own = (["pets__adopt", "pets__list"], {})
    for fields in (
        {"own": True, "account": ann.own_account},
        {"url": "embedded:"},
        {"dialect": "azure_ga"},
        {"dialect": "openai_beta"},
    ):
        before = Provider.objects.values(*fields).get()
        Provider.objects.update(**fields)
        assert offered() == own, fields
        Provider.objects.update(**before)
    ToolService.objects.update(passed_on=False)
    assert offered() == own
