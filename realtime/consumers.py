"""The browser's side of a call: a Channels consumer with a receive loop of its own.

Channels' stock loop passes every frame through one process-wide thread, skips `disconnect()` when a
handler fails or a browser vanishes, and awaits handlers while nobody reads the socket. Here the
bridge reads, and the call runs in a task of its own that may outlive the socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from channels.consumer import AsyncConsumer
from django.utils.translation import gettext

from chats.asking import about
from chats.models import Conversation, User
from realtime import metrics
from realtime.bridge import Gone, Resume, receive_start
from realtime.bridge.browser import Quick, Take
from realtime.bridge.ends import ENDS, End, ended_event
from realtime.bridge.limits import Limits
from realtime.bridge.start import Start
from realtime.bridge.writer import never
from realtime.calls import elsewhere, live
from realtime.calls.going_on import PagePass
from realtime.calls.opening import check_room, find_conversation, open_call
from realtime.calls.past_calls import known_here, why_over
from realtime.calls.places import TOO_MANY, Places
from realtime.calls.running import RunningCall
from realtime.db import in_database, is_away
from realtime.logs import why
from realtime.providers.targets import Refused
from realtime.quick import QUICK

log = logging.getLogger(__name__)
outage = logging.getLogger("nextvoice.outage")

CLOSE_SECONDS = 1.0

Message = dict[str, Any]
NOT_FOUND = 4404
MOST_WAITING = 5
"""How many sockets of one person may be open in one process without having started a call."""
BEAT_SECONDS = 3.0
"""How often a page hears that its connection lives, when nothing else is sent."""

_waiting = Places()
AWAY = 1013  # the page tries again


class BrowserSocket:
    """An ASGI socket as the bridge's `Browser`. With our own server frames bypass ASGI (see
    `quick`); with any other server they go through it."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        scope: Mapping[str, Any],
    ) -> None:
        self._receive = receive
        self._send = send
        self._quick: Quick | None = (scope.get("extensions") or {}).get(QUICK)
        self.send_now = self._quick.send_now if self._quick is not None else never
        """Send one frame at once, if the server can."""
        self._gone: Gone | None = None

    def offer_to(self, take: Take | None, /) -> None:
        """Offer frames to `take` as they come, if the server can."""
        if self._quick is not None:
            self._quick.offer_to(take)

    async def receive(self) -> bytes | str | Gone:
        """The next frame; always `Gone` once the browser has left."""
        if self._gone is not None:
            return self._gone
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._gone = Gone(message.get("code"))
            return self._gone
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, frame: bytes | str, /) -> None:
        """Send one frame; raises once the browser has left."""
        key = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", key: frame})

    async def tell_and_close(self, event: Message, code: int) -> None:
        """Send the event that says why, then close. It is no error if the browser has left."""
        with suppress(Exception):
            await self.send(orjson.dumps(event).decode())
        await self.close(code)

    async def close(self, code: int) -> None:
        """Close with `code`, in limited time however the browser behaves."""
        if self._gone is None:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._send({"type": "websocket.close", "code": code})


class CallConsumer(AsyncConsumer):  # type: ignore[misc]
    """Serves one browser socket: checks the person and the conversation, then runs the call."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()  # websocket.connect
        browser = BrowserSocket(receive, send, scope)
        try:
            await send({"type": "websocket.accept"})
            await self._serve(browser, scope)
        except OSError as problem:
            # Servers raise this for sending to a browser that has left. No call runs yet.
            log.warning("a call did not begin: %s", type(problem).__name__)
            await self._refuse(browser, "internal_error")
        except Exception as problem:
            if is_away(problem):
                # Without `nextvoice.ended` the page tries again, and its call may still run.
                outage.warning("a call socket could not reach the database: %s", why(problem))
                await browser.close(AWAY)
                return
            log.exception("a call could not be opened")
            await self._refuse(browser, "internal_error")

    async def _serve(self, browser: BrowserSocket, scope: Message) -> None:
        user = scope["user"]
        if not user.is_authenticated:
            await self._refuse(browser, "signed_out")
            return
        pk = scope["url_route"]["kwargs"]["conversation"]
        conversation = await in_database(find_conversation, user, pk)
        if conversation is None:
            await browser.close(NOT_FOUND)
            return
        about(user=user.pk, conversation=str(pk), account=conversation.account_id)
        with _waiting.one(user.pk, MOST_WAITING) as has_place:
            if not has_place:
                await browser.close(TOO_MANY)
                return
            first = await receive_start(browser)
        if isinstance(first, End):
            await self._refuse(browser, first.reason)
        elif isinstance(first, Resume):
            await self._resume(browser, user, conversation, first)
        else:
            await self._open(browser, scope, conversation, first)

    async def _resume(
        self, browser: BrowserSocket, user: User, conversation: Conversation, wish: Resume
    ) -> None:
        running, place = live.find(wish.call_id), str(conversation.pk)
        if running is not None and running.resume(browser, user, place, wish):
            await self._attend(browser, running)
        elif running is not None or known_here(wish):
            await self._refuse(browser, why_over(user, place, wish))
        else:
            await self._refuse(browser, await elsewhere.let_go(user.pk, place, wish.call_id))

    async def _open(
        self, browser: BrowserSocket, scope: Message, conversation: Conversation, start: Start
    ) -> None:
        try:
            check_room()
            opening = await in_database(open_call, scope["user"], conversation, start, tools=True)
        except Refused as refused:
            metrics.refused.labels(refused.reason).inc()
            log.warning("a call was refused: %s: %s", refused.reason, refused)
            await self._refuse(browser, refused.reason, refused.words)
            return
        person_pass = PagePass(conversation.pk, scope["session_key"])
        limits = Limits(beat_seconds=BEAT_SECONDS if start.beats else 0.0)
        running = RunningCall(browser, scope["user"], opening, person_pass, limits=limits)
        running.start()
        await self._attend(browser, running)

    async def _attend(self, browser: BrowserSocket, running: live.Resumable) -> None:
        code = await running.serve(browser)
        if code is None:
            await self._refuse(browser, "internal_error")
        else:
            await browser.close(code)

    async def _refuse(
        self, browser: BrowserSocket, reason: str, words: tuple[str, str] | None = None
    ) -> None:
        end = ENDS[reason]
        await browser.tell_and_close(ended_event(end, gettext, words=words), end.close_code)
