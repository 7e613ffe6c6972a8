"""Puts attachments into a call: the page sends their ids, the provider gets their content.

`conversation.item.create` may have parts {"type": "nextvoice.attachment", "attachment_id": id}.
They are looked up beside the call: audio and everything else goes on, and only what must not
overtake the message (other messages, requests for an answer) waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson

from chats.models import Attachment, User
from realtime.bridge.browser import Browser, Gone, Take, offer, send_now_of
from realtime.bridge.events import Event, Problem, parse, problem_event
from realtime.bridge.ids import new_id
from realtime.calls.attachments import part_of

log = logging.getLogger(__name__)

PART = "nextvoice.attachment"
MAX_PARTS = 8
MAX_HELD = 64
SECONDS = 10.0
# What all documents of one message may cost; they cost it again with each answer of the call.
MESSAGE_TOKENS = 5000
IN_ORDER = frozenset({"conversation.item.create", "conversation.item.delete", "response.create"})
"""Events that must not overtake a message."""

Frame = str | bytes
Parts = list[Event]
Look = Callable[[Parts], Awaitable[tuple[Parts, Parts]]]


def look_up(user: User, conversation: uuid.UUID, sees: bool, content: Parts) -> tuple[Parts, Parts]:
    """The content for the provider, and as others are shown it. Raises `Problem`.

    Only the person's own attachments of this conversation are found. Reads files.
    """
    wanted = [part["attachment_id"] for part in content if part["type"] == PART]
    mine = Attachment.objects.sendable_by(user, conversation).filter(pk__in=wanted)
    found = {str(attachment.pk): attachment for attachment in mine}
    told, shown, left = [], [], MESSAGE_TOKENS
    for part in content:
        if part["type"] != PART:
            told.append(part)
            shown.append(part)
            continue
        attachment = found.get(part["attachment_id"])
        if attachment is None:
            raise Problem("attachment_not_found", "There is no such attachment.", "item.content")
        given, cost = part_of(attachment, sees, left)
        if given["type"] == "input_text":
            left = max(0, left - cost)
        told.append(given)
        shown.append({"type": PART, "attachment_id": str(attachment.pk), **attachment.shown()})
    return told, shown


class AttachingBrowser:
    """A browser's side of a call whose messages may have attachments.

    `look` finds their content; `put(event, shown)` puts the message into the call; `tell(event)`
    sends the browser an error.
    """

    def __init__(
        self,
        browser: Browser,
        look: Look,
        put: Callable[[Event, Parts], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._browser = browser
        self.send_now = send_now_of(browser)
        """Send one frame at once, if the browser can."""
        self._look = look
        self._put = put
        self._tell = tell
        # Messages being looked up, and what came after them and has to wait.
        self._held: list[str] = []
        self._released: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Frame | Gone] | None = None

    async def send(self, frame: Frame, /) -> None:
        """Send one frame."""
        await self._browser.send(frame)

    def offer_to(self, take: Take | None, /) -> None:
        """Offer frames that are not messages with attachments and need not wait for one."""
        if take is None:
            offer(self._browser, None)
            return

        def take_plain(frame: Frame) -> bool:
            if isinstance(frame, str) and (self._looking or self._released or PART in frame):
                return False
            return take(frame)

        offer(self._browser, take_plain)

    async def receive(self) -> Frame | Gone:
        """The next frame that is not a message with attachments and need not wait for one."""
        try:
            while True:
                frame = await self._next()
                if isinstance(frame, str) and self._keeps(frame):
                    continue
                if isinstance(frame, Gone):
                    self._stop()
                if frame is not None:
                    return frame
        except asyncio.CancelledError:
            self._stop()
            raise

    async def _next(self) -> Frame | Gone | None:
        """A frame; None when a lookup finished instead."""
        if self._looking is None:
            if self._released:
                return self._released.pop(0)
            if self._reading is None:
                return await self._browser.receive()
        # Cancelling a read that is under way would lose its frame.
        if self._reading is None:
            self._reading = asyncio.ensure_future(_read(self._browser))
        jobs = {job for job in (self._reading, self._looking) if job is not None}
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        if self._looking is not None and self._looking.done():
            self._looking = None
            self._released.extend(self._held)
            self._held.clear()
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    def _keeps(self, frame: str) -> bool:
        """Whether a frame is looked up, or waits for one that is."""
        if self._looking is not None:
            if _kind(frame) not in IN_ORDER:
                return False
            if len(self._held) < MAX_HELD:
                self._held.append(frame)
            return True
        # The text alone proves nothing, but nearly every frame lacks it.
        if PART not in frame or not has_attachments(frame):
            return False
        self._looking = asyncio.ensure_future(self._attach(frame))
        return True

    async def _attach(self, frame: str) -> None:
        event_id = None
        try:
            event, content = checked(frame)
            event_id = event.get("event_id")
            async with asyncio.timeout(SECONDS):
                told, shown = await self._look(content)
            event["item"] |= {"content": told, "id": event["item"].get("id") or new_id("item")}
            self._put(event, shown)
        except Problem as problem:
            problem.event_id = problem.event_id or event_id
            self._tell(problem_event(problem))
        except Exception as error:
            log.exception("attachments could not be read: %s", type(error).__name__)
            said = Problem("attachment_failed", "The attachment could not be read.", None, event_id)
            self._tell(problem_event(said))

    def _stop(self) -> None:
        for job in (self._reading, self._looking):
            if job is not None:
                job.cancel()
        self._reading = self._looking = None
        self._held.clear()
        self._released.clear()


async def _read(browser: Browser) -> Frame | Gone:
    return await browser.receive()


def _kind(frame: str) -> str | None:
    with suppress(ValueError):
        event = orjson.loads(frame)
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            return str(event["type"])
    return None


def has_attachments(frame: str) -> bool:
    """Whether a frame creates a message with attachments."""
    try:
        event: Any = orjson.loads(frame)
        content = event["item"]["content"]
        kinds = [part.get("type") for part in content]
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return event.get("type") == "conversation.item.create" and PART in kinds


def checked(frame: str) -> tuple[Event, Parts]:
    """A message with attachments as a checked event, and its content. Raises `Problem`."""
    raw: Event = orjson.loads(frame)
    content: Parts = raw["item"]["content"]
    places = [index for index, part in enumerate(content) if part.get("type") == PART]
    if len(places) > MAX_PARTS:
        raise Problem("too_many_attachments", f"A message may have {MAX_PARTS} attachments.")
    for index in places:
        content[index] = {"type": PART, "attachment_id": _id(content[index], index)}
    # The rest is checked as in any other message, with text in place of the attachments.
    words = {"type": "input_text", "text": "attachment"}
    plain = [words if index in places else part for index, part in enumerate(content)]
    event = parse(orjson.dumps(raw | {"item": raw["item"] | {"content": plain}}).decode())
    return event, content


def _id(part: Event, index: int) -> str:
    try:
        return str(uuid.UUID(str(part.get("attachment_id"))))
    except ValueError:
        path = f"item.content[{index}].attachment_id"
        raise Problem("invalid_value", "Expected the id of an attachment.", path) from None
