"""The browser's side of a call as the bridge sees it, and the frame a call starts or resumes
with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import orjson

from .ends import ENDS, End
from .events import MAX_FRAMES, MAX_ID, Event, Problem, count, need, parse, problem_event
from .start import Start, parse_start
from .writer import Frame, never

MAX_BEFORE_START = 100
"""Frames that may come before the start frame."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The browser is away; `code` as far as it is known."""

    code: int | None = None


Take = Callable[[Frame], bool]
"""Takes a frame in the transport's callback; False: it has to come by `receive`."""


class Browser(Protocol):
    """The browser's socket. `send` raises when it cannot send any more.

    A socket that can do so also has a fast path (`Quick`). Closing is left to the owner of the
    socket, with `EndRecord.close_code`, after `run_call` has returned; limit its time, since a
    stuck browser blocks a close as it blocks any send.
    """

    async def receive(self) -> Frame | Gone:
        """The next frame: binary as bytes, text as str; `Gone` when there will be none."""

    async def send(self, frame: Frame, /) -> None:
        """Send one frame."""


@runtime_checkable
class Quick(Protocol):
    """A `Browser` with a fast path, without a queue or a task between socket and call."""

    def send_now(self, frame: Frame, /) -> bool:
        """Send a frame at once; False, and nothing is done, if it has to go by `send`."""

    def offer_to(self, take: Take | None, /) -> None:
        """Offer frames to `take`, but only while `receive` is awaited and no earlier frame is still
        on its way to it."""


def send_now_of(browser: Browser) -> Callable[[Frame], bool]:
    """`send_now` of a browser, which never sends if the browser has no fast path."""
    return browser.send_now if isinstance(browser, Quick) else never


def offer(browser: Browser, take: Take | None) -> None:
    """Offer frames to `take`, if the browser can do so."""
    if isinstance(browser, Quick):
        browser.offer_to(take)


@dataclass(frozen=True, slots=True)
class Resume:
    """A browser's request to resume a call it has lost; `received`: frames it has of it."""

    call_id: str
    token: str = field(repr=False)
    received: int


def resume_of(event: Event) -> Resume:
    """What a `nextvoice.resume` frame says. Raises `Problem`."""
    for name in ("call_id", "token"):
        if len(need(event, name, str)) > MAX_ID:
            raise Problem("invalid_value", f"The {name} is too long.", name)
    received = count(event, "received", None, MAX_FRAMES)
    return Resume(event["call_id"], event["token"], received)


async def receive_start(browser: Browser, seconds: float = 10.0) -> Start | Resume | End:
    """Wait for `nextvoice.start` or `nextvoice.resume`. Anything else before it is answered with
    an `error` event.

    Returns the end (`no_start`, `browser_gone` or `flood`) when the call never starts.
    """
    try:
        async with asyncio.timeout(seconds):
            for _attempt in range(MAX_BEFORE_START):
                frame = await browser.receive()
                if isinstance(frame, Gone):
                    return ENDS["browser_gone"]
                try:
                    if isinstance(frame, bytes):
                        raise Problem("not_started", "Audio before nextvoice.start.", "type")
                    event = parse(frame)
                    if event["type"] == "nextvoice.resume":
                        return resume_of(event)
                    return parse_start(frame)
                except Problem as problem:
                    await browser.send(orjson.dumps(problem_event(problem)).decode())
    except TimeoutError:
        return ENDS["no_start"]
    return ENDS["flood"]
