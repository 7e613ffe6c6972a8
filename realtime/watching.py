"""Watching a conversation whose call runs in another tab: read only."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from channels.consumer import AsyncConsumer
from channels.layers import get_channel_layer

from chats.models import Conversation
from realtime.bridge.ends import ENDS
from realtime.calls.audience import LOOK, ask_calls, person_of, until_asked, watchers_of
from realtime.calls.channel import channel_in
from realtime.calls.going_on import PagePass, may_go_on
from realtime.calls.opening import find_conversation
from realtime.calls.places import TOO_MANY, Places
from realtime.consumers import AWAY, NOT_FOUND
from realtime.db import in_database
from realtime.logs import why
from realtime.recorder.keeper import newest_events

outage = logging.getLogger("nextvoice.outage")

BEAT_SECONDS = 10.0
# What may have changed since the page was made: its newest messages.
NEWEST = 50
MOST = 20
"""Sockets of one person that may watch at the same time, in one process."""

_watching = Places()

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class WatchConsumer(AsyncConsumer):  # type: ignore[misc]
    """One socket that shows what happens in a conversation, and accepts nothing."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            await send({"type": "websocket.accept"})
            code = await self._watch(scope, receive, send)
        except OSError:
            return  # the page has left
        except Exception as problem:
            outage.warning("a conversation cannot be watched: %s", why(problem))
            code = AWAY
        if code is not None:
            with suppress(Exception):
                await send({"type": "websocket.close", "code": code})

    async def _watch(self, scope: Message, receive: Receive, send: Send) -> int | None:
        """Show until the page leaves (None) or may watch no more; then the code to close with."""
        user = scope["user"]
        if not user.is_authenticated:
            return ENDS["signed_out"].close_code
        with _watching.one(user.pk, MOST) as has_place:
            return await self._show_until_over(scope, receive, send) if has_place else TOO_MANY

    async def _show_until_over(self, scope: Message, receive: Receive, send: Send) -> int | None:
        user, pk = scope["user"], scope["url_route"]["kwargs"]["conversation"]
        if await in_database(find_conversation, user, pk) is None:
            return NOT_FOUND
        forbidden = partial(_forbidden, PagePass(pk, scope["session_key"]))
        async with channel_in(watchers_of(str(pk)), person_of(user.pk)) as channel:
            look = asyncio.Event()
            jobs: set[asyncio.Task[int | None]] = {
                asyncio.create_task(_until_gone(receive)),
                asyncio.create_task(_show(pk, channel, send, look)),
                asyncio.create_task(_until_forbidden(pk, forbidden, look)),
            }
            try:
                done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                return done.pop().result()
            finally:
                for job in jobs:
                    job.cancel()
                await asyncio.wait(jobs)


async def _until_gone(receive: Receive) -> None:
    # What it sends is read and dropped, to notice when it leaves.
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _show(pk: uuid.UUID, channel: str, send: Send, look: asyncio.Event) -> None:
    for event in await in_database(newest, pk):
        await _tell(send, event)
    await _tell(send, {"type": "nextvoice.watching"})
    await ask_calls(str(pk))
    asked, layer = set(), get_channel_layer()
    while True:
        message = await layer.receive(channel)
        if message["type"] == LOOK["type"]:
            look.set()
            continue
        event = message["event"]
        if event["type"] == "nextvoice.call" and event["call_id"] not in asked:
            # The call has just begun, and does not know yet that somebody watches.
            asked.add(event["call_id"])
            await ask_calls(str(pk))
        await _tell(send, event)


async def _until_forbidden(
    pk: uuid.UUID, forbidden: Callable[[], int | None], look: asyncio.Event
) -> int:
    while True:
        await until_asked(look, BEAT_SECONDS)
        await ask_calls(str(pk))
        try:
            if (code := await in_database(forbidden)) is not None:
                return code
        except Exception as problem:
            outage.warning("a watcher cannot be checked: %s", why(problem))


def _forbidden(person_pass: PagePass) -> int | None:
    """The code to close with when the page may not watch any more; None while it may."""
    if may_go_on(person_pass):
        return None
    kept = Conversation.objects.filter(pk=person_pass.conversation_pk, deleted__isnull=True)
    return ENDS["signed_out"].close_code if kept.exists() else NOT_FOUND


async def _tell(send: Send, event: Message) -> None:
    await send({"type": "websocket.send", "text": orjson.dumps(event).decode()})


def newest(pk: uuid.UUID) -> list[Message]:
    """The newest messages of a conversation as `nextvoice.saved` events, oldest first."""
    return newest_events(NEWEST, conversation=pk)
