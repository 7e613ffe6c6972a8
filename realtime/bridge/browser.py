"""The browser leg as the bridge sees it, and the frame a call starts with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import orjson

from .ends import ENDS, End
from .events import Problem, problem_event
from .start import Start, parse_start
from .writer import Frame

MAX_BEFORE_START = 100
"""Frames that may come before the start frame."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The browser is away; `code` as far as it is known."""

    code: int | None = None


class Browser(Protocol):
    """The browser leg's socket. `send` raises when it cannot send any more.

    Closing is left to whoever owns the socket, with `EndRecord.close_code`, after `run_call` has
    returned; bound that in time, since a stuck browser blocks a close as it blocks any send.
    """

    async def receive(self) -> Frame | Gone:
        """The next frame: binary as bytes, text as str; `Gone` when there will be none."""

    async def send(self, frame: Frame, /) -> None:
        """Send one frame."""


async def receive_start(browser: Browser, seconds: float = 10.0) -> Start | End:
    """Wait for `nextvoice.start`. Anything else before it is answered with an `error` event.

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
                    return parse_start(frame)
                except Problem as problem:
                    await browser.send(orjson.dumps(problem_event(problem)).decode())
    except TimeoutError:
        return ENDS["no_start"]
    return ENDS["flood"]
