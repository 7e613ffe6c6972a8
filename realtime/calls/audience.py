"""What other tabs are told of a call: hints across the channel layer, never audio, never truth.

Each conversation has two groups. Watching tabs are in one: they are told what is stored of the call
(`nextvoice.saved`, `.removed`, `.title`) and that there is one (`nextvoice.call`). Calls are in the
other: they are told when another one begins or ends, in whatever process, and are asked to show
themselves or to end. Watchers keep asking, and only a call that was asked lately shows what is
stored of it. A call that is not kept has a group of its own. People and providers have groups too,
with their calls in them, which are told of changes. When the layer is away calls go on, and only
their own page sees them.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from realtime.calls.channel import channel_in
from realtime.logs import why

outage = logging.getLogger("nextvoice.outage")

SEND_SECONDS = 2.0
RETRY_SECONDS = 5.0
# Texts in hints are cut here; a reloaded page has all of them.
MOST_TEXT = 200_000
WATCHED_SECONDS = 35.0
"""So long after the last request somebody is taken to watch; they ask more often than that."""
BEGUN_SECONDS = 5.0
"""The same when a call begins: watchers ask as soon as they hear of it."""
LOOK = {"type": "call.look"}

Event = dict[str, Any]

_loop: asyncio.AbstractEventLoop | None = None  # of this process's calls


def watchers_of(conversation_id: str) -> str:
    """The group of those who watch a conversation."""
    return f"watch.{conversation_id}"


def calls_of(conversation_id: str) -> str:
    """The group of a conversation's calls."""
    return f"calls.{conversation_id}"


def person_of(pk: int | str) -> str:
    """The group of everything that depends on a person."""
    return f"person.{pk}"


def provider_of(pk: uuid.UUID) -> str:
    """The group of a provider's calls."""
    return f"provider.{pk}"


def ask_to_look(group: str) -> None:
    """Ask all in this group to check whether they may go on. From any thread but an event loop's
    own; where calls run it does not wait."""
    _hint(group, LOOK)


def show_title(conversation_id: str, title: str) -> None:
    """Show a conversation's new title where it is watched or talked in. From threads as above."""
    event = {"type": "nextvoice.title", "title": title}
    _hint(watchers_of(conversation_id), {"type": "watch.event", "event": event})
    _hint(calls_of(conversation_id), {"type": "call.show", "event": event})


def _hint(group: str, message: Event) -> None:
    if _loop is not None and _loop.is_running():
        asyncio.run_coroutine_threadsafe(_send(group, message), _loop)
    else:
        async_to_sync(_send)(group, message)


async def until_asked(look: asyncio.Event, seconds: float) -> None:
    """Wait until somebody asks to look, but no longer than this."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await look.wait()
    look.clear()


async def ask_to_end(place: str, call_id: str, reason: str) -> None:
    """Ask a call, wherever it runs, to end. `place`: its conversation, or the call's id if it has
    none.

    A call that misses the hint finds the same in the column `end_asked` of its row.
    """
    await _send(calls_of(place), {"type": "call.end", "call_id": call_id, "reason": reason})


async def ask_calls(conversation_id: str) -> None:
    """Ask the conversation's call, wherever it runs, to show itself to watchers."""
    await _send(calls_of(conversation_id), {"type": "call.ask"})


class Audience:
    """One call's connection to other tabs, and to other calls of its conversation.

    Make and start it on the call's loop. `stop(reason)` is called when another call has begun, or
    somebody asks for the end; `look()` when one of the groups `depends_on` has changed;
    `tell(event)` with events for the call's own page; `left(call_id, duration_ms)` when another
    call of the conversation is over, and everything of it is stored. `spoken`: whether people talk
    in it. A call without a conversation shows nothing.
    """

    def __init__(
        self,
        conversation_id: str | None,
        call_id: str,
        spoken: bool,
        stop: Callable[[str], None],
        *,
        depends_on: Sequence[str] = (),
        look: Callable[[], None] = lambda: None,
        tell: Callable[[Event], None] = lambda event: None,
        left: Callable[[str, int], None] = lambda call_id, duration_ms: None,
    ) -> None:
        self._place = conversation_id or call_id
        self._groups = (calls_of(self._place), *depends_on)
        self._look = look
        self._tell = tell
        self._left = left
        self._watched = conversation_id is not None
        self._call_id = call_id
        self._spoken = spoken
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        # Of two calls that begin at once the later one stays.
        self._since = [time.time_ns(), call_id]
        self._watched_until = time.monotonic() + BEGUN_SECONDS
        # The newest event of each item, oldest first; newer ones replace older ones.
        self._waiting: dict[str, Event] = {}
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._over = False
        self._duration_ms = 0  # once it is over

    def start(self) -> None:
        """The call has begun: others of its conversation make room."""
        global _loop
        _loop = self._loop
        self._listening = asyncio.create_task(self._listen())

    def show(self, event: Event) -> None:
        """Show what is stored, if anybody watches. From any thread."""
        if time.monotonic() > self._watched_until:
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._put, event)

    def show_call(self) -> None:
        """Show that the call lives, or that it is over."""
        event = {"type": "nextvoice.call", "live": not self._over, "spoken": self._spoken}
        self._put(event | {"duration_ms": self._duration_ms})

    async def close(self, duration_ms: int = 0) -> None:
        """The call is over, and lasted this long (0: not known). Takes `SEND_SECONDS` at most,
        whatever the layer does."""
        self._over = True
        self._duration_ms = duration_ms
        self.show_call()
        if self._listening is not None:
            self._listening.cancel()
        jobs = {job for job in (self._listening, self._sending) if job is not None}
        if not jobs:
            return
        _, late = await asyncio.wait(jobs, timeout=SEND_SECONDS)
        for job in late:
            job.cancel()

    def _put(self, event: Event) -> None:
        if not self._watched:
            return
        key = f"{event['type']} {event.get('item_id', '')}"
        self._waiting[key] = {**event, "call_id": self._call_id}
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_waiting())

    async def _send_waiting(self) -> None:
        while self._waiting:
            event = self._waiting.pop(next(iter(self._waiting)))
            if isinstance(event.get("text"), str):
                event["text"] = event["text"][:MOST_TEXT]
            await _send(watchers_of(self._place), {"type": "watch.event", "event": event})
        if self._over:
            left = {"call_id": self._call_id, "duration_ms": self._duration_ms}
            await _send(calls_of(self._place), {"type": "call.left", **left})

    async def _listen(self) -> None:
        while True:
            try:
                await self._take_part()
            except Exception as problem:
                outage.warning("a call cannot hear of others: %s", why(problem))
            await asyncio.sleep(RETRY_SECONDS)

    async def _take_part(self) -> None:
        layer = get_channel_layer()
        async with channel_in(*self._groups) as channel:
            entered = {"type": "call.entered", "since": self._since}
            await layer.group_send(calls_of(self._place), entered)
            self.show_call()
            while True:
                self._told(await layer.receive(channel))

    def _told(self, message: Event) -> None:
        if message["type"] == "call.ask":
            self._watched_until = time.monotonic() + WATCHED_SECONDS
            self.show_call()
        elif message["type"] == LOOK["type"]:
            self._look()
        elif message["type"] == "call.show":
            self._tell(message["event"])
        elif message["type"] == "call.end":
            if message["call_id"] == self._call_id:
                self._stop(message["reason"])
        elif message["type"] == "call.left":
            self._left(message["call_id"], message.get("duration_ms", 0))
        elif message["type"] == "call.entered" and message["since"] > self._since:
            self._stop("taken_over")
        # Other hints are a newer version's, which is starting beside this one.


async def _send(group: str, message: Event) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as problem:
        outage.warning("other tabs are not told of a call: %s", why(problem))
