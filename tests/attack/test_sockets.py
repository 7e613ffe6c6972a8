"""Who may do what over the site's sockets: each of them, each thing that can be sent, as everybody.

A socket or an event that the tables do not know fails here.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from django.test import Client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.api import API_PATHS
from realtime.bridge.events import CLIENT_EVENTS
from realtime.bridge.sdk.events import CHECKS
from realtime.calls import live
from realtime.db import in_database
from realtime.models import CallRecord, VoiceModel
from realtime.routing import websocket_urlpatterns
from tests.attack.test_fuzz_client import EVENTS
from tests.attack.world import ACTORS, World, make_world
from tests.scripted import Expect, Send, audio_delta, item_added, response_created, session_created
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = {
    "ws/call/<uuid:conversation>/": "4401 4404 4404 4404 4404 4404 open 4404",
    "ws/watch/<uuid:conversation>/": "4401 4404 4404 4404 4404 4404 open 4404",
}
"""Close codes by actor."""
PROGRAMS = "401 model_not_found model_not_found model_not_found open model_not_found open " + (
    "model_not_found"
)
"""What a program of each is told that asks for a model of the team."""
BY_GUESS = {
    "session.update": None,
    "input_audio_buffer.append": None,
    "input_audio_buffer.commit": None,
    "input_audio_buffer.clear": None,
    "conversation.item.create": "item_not_found",
    "conversation.item.truncate": "item_not_found",
    "conversation.item.delete": "item_not_found",
    "response.create": None,
    "response.cancel": None,
    "nextvoice.start": "already_started",
    "nextvoice.resume": "already_started",
    "nextvoice.approve": "not_waiting",
    "nextvoice.played": "item_not_found",
    "nextvoice.received": None,
    "nextvoice.hang_up": None,
}
"""What the owner is told for each event that names things of other people's calls; None: it names
nothing but what is the call's own."""


def test_every_socket_and_every_event_is_in_the_tables() -> None:
    assert set(PAGES) == {str(each.pattern) for each in websocket_urlpatterns}
    assert set(BY_GUESS) == set(CLIENT_EVENTS)
    assert set(EVENTS) >= set(CHECKS)


async def everything_sent(socket: Any, kinds: Any) -> tuple[list[dict[str, Any]], int]:
    """Send one of each event, as fast as it goes; what came, and the close code."""
    for kind in kinds:
        with suppress(ConnectionClosed):
            await socket.send(json.dumps({"type": kind, **EVENTS[kind]}))
    told = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            async for frame in socket:
                told.append(json.loads(frame))
    return told, socket.close_code


def cookie_of(world: World, actor: str) -> dict[str, str]:
    if actor not in world.people:
        return {}
    client = Client()
    client.force_login(world.people[actor])
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


# The world has one call of the past.
@pytest.mark.parametrize("route", PAGES)
async def test_nothing_that_is_sent_helps_who_may_not_be_there(route: str, here: str) -> None:
    world = await in_database(make_world)
    said = []
    for actor in ACTORS:
        path = route.replace("<uuid:conversation>", str(world.thread_of(actor).pk))
        headers = await in_database(cookie_of, world, actor)
        url = f"{here.replace('http', 'ws', 1)}/{path}"
        async with connect(url, origin=here, additional_headers=headers, proxy=None) as socket:  # type: ignore[arg-type]
            if actor == "owner":
                await socket.ping()
                said.append("open")
                continue
            told, code = await everything_sent(socket, CLIENT_EVENTS)
            assert [each for each in told if each["type"] != "nextvoice.ended"] == [], actor
            said.append(str(code))
    assert said == PAGES[route].split()
    assert (live.count(), await in_database(CallRecord.objects.count)) == (0, 1)


@pytest.mark.parametrize("path", sorted(API_PATHS))
async def test_a_program_reaches_what_its_person_may_use(path: str, here: str) -> None:
    world = await in_database(make_world)
    said = []
    for actor in ACTORS:
        bearer = {"Authorization": f"Bearer {world.keys[actor]}"} if actor in world.keys else {}
        url = f"{here.replace('http', 'ws', 1)}{path}?model=voice-1"
        if actor in ("owner", "teammate"):
            said.append("open")  # a call begins: tests/api tells what becomes of it
            continue
        try:
            async with connect(url, additional_headers=bearer, proxy=None) as socket:
                told, code = await everything_sent(socket, CHECKS)
                assert (len(told), code) == (1, 1008), actor
                said.append(told[0]["error"]["code"])
        except InvalidStatus as refused:
            said.append(str(refused.response.status_code))
    assert said == PROGRAMS.split()
    assert await in_database(CallRecord.objects.count) == 1


async def test_the_ids_of_others_are_no_use_in_ones_own_call(here: str) -> None:
    from tests.realtime.test_consumer import provider_of

    world = await in_database(make_world)
    cookie = (await in_database(cookie_of, world, "owner"))["Cookie"]
    script = [
        Send(session_created()),
        Expect("session.update"),
        Send(response_created(), item_added("item_mine", None, "assistant")),
        Send(audio_delta(bytes(4800), item_id="item_mine")),
    ]
    async with provider_of(script):
        model = await in_database(VoiceModel.objects.get, name="scripted-1")
        async with Caller.dial(here, str(world.thread.pk), cookie) as call:
            await call.start(model=str(model.pk))
            await call.event("nextvoice.audio")
            theirs = await in_database(lambda: world.attachments[world.left].pk)
            part = {"type": "nextvoice.attachment", "attachment_id": str(theirs)}
            item = {"type": "message", "role": "user", "content": [part]}
            await call.send({"type": "conversation.item.create", "event_id": "a", "item": item})
            refused = await call.until(lambda: _about(call, "a"))
            assert refused["error"]["code"] == "attachment_not_found"
            for number, (kind, code) in enumerate(BY_GUESS.items()):
                if code is not None:
                    event = {"type": kind, "event_id": f"e{number}", **EVENTS[kind]}
                    await call.send(event)
                    told = await call.until(lambda n=number: _about(call, f"e{n}"))
                    assert told["error"]["code"] == code, kind
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)


def _about(call: Caller, event_id: str) -> dict[str, Any] | None:
    found = (each for each in call.of("error") if each["error"]["event_id"] == event_id)
    return next(found, None)
