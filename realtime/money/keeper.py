"""Renews the places of this process's calls, once a second and in one step for all of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from django.utils import timezone

from realtime.db import in_database
from realtime.members import Members
from realtime.money.quotas import release, renew
from realtime.money.terms import Terms, Wish
from realtime.unawaited import begin

log = logging.getLogger(__name__)

SECONDS = 1.0
TOGETHER = 8

Renew = Callable[[Collection[Wish], datetime], dict[uuid.UUID, Terms]]


class Member(Protocol):
    """A call that has a place."""

    def wish(self) -> Wish:
        """What it asks for now."""

    def told(self, terms: Terms) -> None:
        """The answer: how it may go on."""

    def unheard(self) -> None:
        """The database is away: nobody can say how it may go on."""


class Keeper(Members[Member]):
    """Renews the places of the calls of one event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._failures = 0

    def leave(self, call_id: uuid.UUID) -> None:
        """Give a call's place back, soon. When the database is away, it expires by itself."""
        self._members.pop(call_id, None)
        begin(self._release(call_id))

    async def _release(self, call_id: uuid.UUID) -> None:
        try:
            await in_database(release, call_id)
        except Exception as problem:
            log.warning("the place of call %s could not be given back: %s", call_id, problem)

    async def _run(self) -> None:
        while self._members:
            await self._renew()
            await asyncio.sleep(SECONDS)

    async def _renew(self) -> None:
        wishes = await self._wishes()
        try:
            terms = await in_database(_renews_with, wishes, timezone.now())
        except Exception as problem:
            self._failed(problem)
            return
        self._failures = 0
        for number, (call_id, each) in enumerate(terms.items(), 1):
            await _let_others(number)
            # It may have left meanwhile; then the renewed place is given back again.
            member = self._members.get(call_id)
            if member is None:
                begin(self._release(call_id))
                continue
            try:
                member.told(each)
            except Exception:
                log.exception("call %s could not be told how it may go on", call_id)

    async def _wishes(self) -> list[Wish]:
        wishes = []
        # An error with one call must not leave the others unchecked.
        for number, (call_id, member) in enumerate(list(self._members.items()), 1):
            await _let_others(number)
            try:
                wishes.append(member.wish())
            except Exception:
                log.exception("call %s cannot say what it needs", call_id)
        return wishes

    def _failed(self, problem: Exception) -> None:
        # Tried once a second: logged the 1st, 2nd, 4th, 8th, ... time.
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:
            log.warning("quotas cannot be checked (%d times): %s", self._failures, problem)
        for call_id, member in list(self._members.items()):
            try:
                member.unheard()
            except Exception:
                log.exception("call %s could not be told that nobody checks its quotas", call_id)


async def _let_others(number: int) -> None:
    """Let the loop do other things after every few calls: audio must not wait for all of them."""
    if number % TOGETHER == 0:
        await asyncio.sleep(0)


_renews_with: Renew = renew


def renew_with(work: Renew) -> None:
    """Have places renewed by this function, which must do the same as `quotas.renew`."""
    global _renews_with
    _renews_with = work


_keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, Keeper] = WeakKeyDictionary()


def keeper() -> Keeper:
    """The keeper of the running event loop."""
    loop = asyncio.get_running_loop()
    return _keepers.setdefault(loop, Keeper())
