"""Writes heartbeats for this process's calls and checks whether they may go on, all in one step."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol
from weakref import WeakKeyDictionary

from realtime.calls.audience import until_asked
from realtime.calls.going_on import Answer, Question, look, show_alive
from realtime.calls.janitor import HEARTBEAT_SECONDS
from realtime.db import in_database, is_away
from realtime.logs import why
from realtime.members import Members

log = logging.getLogger(__name__)
outage = logging.getLogger("nextvoice.outage")

# How often heartbeats are written and calls checked. `realtime.calls.recheck` has one checked at
# once; this is for what that missed.
BEAT_SECONDS = HEARTBEAT_SECONDS
RETRY_SECONDS = 2.0


class Member(Protocol):
    """A call that is looked after."""

    @property
    def question(self) -> Question:
        """What to check."""

    def beat(self) -> None:
        """Called before each regular check."""

    def told(self, answer: Answer) -> None:
        """The answer: how it may go on."""


class Lookout(Members[Member]):
    """Looks after the calls of one event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: set[uuid.UUID] = set()
        self._to_look = asyncio.Event()
        self._showing: asyncio.Task[None] | None = None

    def leave(self, call_id: uuid.UUID) -> None:
        """Stop looking after it."""
        self._members.pop(call_id, None)
        if not self._members:
            self._to_look.set()  # and find that there is nothing to do

    def ask(self, call_id: uuid.UUID) -> None:
        """Check a call now."""
        self._asked.add(call_id)
        self._to_look.set()

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        next_beat = now() + BEAT_SECONDS
        while self._members:
            await until_asked(self._to_look, max(0.0, next_beat - now()))
            asked, self._asked = self._asked, set()
            if now() < next_beat:
                await self._look(asked)
            else:
                next_beat = now() + BEAT_SECONDS
                await self._beat()

    async def _beat(self) -> None:
        # Separately: while somebody writes for long, calls can be checked all the same.
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show_alive())
        for call_id in list(self._members):
            self._tell(call_id, lambda member: member.beat())
            # Audio goes first.
            await asyncio.sleep(0)
        await self._look(list(self._members))

    async def _show_alive(self) -> None:
        while self._members:
            try:
                await in_database(show_alive, list(self._members))
                return
            except Exception as problem:
                outage.warning("calls cannot show that they live: %s", why(problem))
            # Soon after the database is back the janitor takes silent calls for dead.
            await asyncio.sleep(RETRY_SECONDS)

    async def _look(self, calls: Collection[uuid.UUID]) -> None:
        questions = [self._members[each].question for each in calls if each in self._members]
        if not questions:
            return
        try:
            answers = await in_database(look, questions)
        except Exception as problem:
            # A database that is away ends no call.
            outage.warning("calls cannot be checked: %s", why(problem))
            if not is_away(problem) and len(questions) > 1:
                # One broken call must not let the others go on for ever.
                for each in questions:
                    await self._look([each.call_id])
            return
        for call_id, answer in answers.items():
            self._tell(call_id, partial(_told, answer))

    def _tell(self, call_id: uuid.UUID, tell: Callable[[Member], None]) -> None:
        member = self._members.get(call_id)
        if member is None:
            return  # it has left meanwhile
        try:
            tell(member)
        except Exception:
            log.exception("call %s could not be looked after", call_id)


def _told(answer: Answer, member: Member) -> None:
    member.told(answer)


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout] = WeakKeyDictionary()


def lookout() -> Lookout:
    """The lookout of the running event loop."""
    return _lookouts.setdefault(asyncio.get_running_loop(), Lookout())
