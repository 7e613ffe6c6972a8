"""The places of a process's calls are kept, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from datetime import datetime

import pytest
from django.db import OperationalError

from realtime import unawaited
from realtime.db import in_database
from realtime.models import Lease
from realtime.money import keeper
from realtime.money.keeper import Keeper
from realtime.money.quotas import renew
from realtime.money.terms import Terms, Wish

pytestmark = pytest.mark.django_db(transaction=True)


class Member:
    """A call; `broken` in one of its methods."""

    def __init__(self, broken: str = "") -> None:
        self.call_id = uuid.uuid4()
        self.broken = broken
        self.kept = asyncio.Event()

    def wish(self) -> Wish:
        if self.broken == "wish":
            raise ArithmeticError
        return Wish(self.call_id, 1, 1)

    def told(self, terms: Terms) -> None:
        if self.broken == "told":
            raise ArithmeticError
        self.kept.set()

    def unheard(self) -> None:
        if self.broken == "unheard":
            raise ArithmeticError


@pytest.mark.parametrize("broken", ["wish", "told"])
async def test_one_call_that_fails_sets_no_other_free(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(keeper, "SECONDS", 0.01)
    ours, members = Keeper(), [Member(broken), Member()]
    for member in members:
        ours.join(member.call_id, member)
    try:
        for _time in range(2):
            members[1].kept.clear()
            await asyncio.wait_for(members[1].kept.wait(), 10)
    finally:
        for member in members:
            ours.leave(member.call_id)
        await asyncio.wait(unawaited._tasks)


async def test_one_call_that_fails_in_an_outage_sets_no_other_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = True

    def renew(wishes: Collection[Wish], now: datetime) -> dict[uuid.UUID, Terms]:
        nonlocal away
        if away:
            away = False
            raise OperationalError
        return {wish.call_id: Terms() for wish in wishes}

    monkeypatch.setattr(keeper, "SECONDS", 0.01)
    monkeypatch.setattr(keeper, "_renews_with", renew)
    ours, members = Keeper(), [Member("unheard"), Member()]
    for member in members:
        ours.join(member.call_id, member)
    try:
        await asyncio.wait_for(members[1].kept.wait(), 10)
    finally:
        for member in members:
            ours.leave(member.call_id)
        await asyncio.wait(unawaited._tasks)


async def test_a_call_that_leaves_while_its_place_is_kept_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, member, loop = Keeper(), Member(), asyncio.get_running_loop()

    async def leave() -> None:
        ours.leave(member.call_id)
        await asyncio.wait(unawaited._tasks)

    def renew_late(wishes: Collection[Wish], now: datetime) -> dict[uuid.UUID, Terms]:
        asyncio.run_coroutine_threadsafe(leave(), loop).result(30)
        return renew(wishes, now)

    monkeypatch.setattr(keeper, "SECONDS", 0.01)
    monkeypatch.setattr(keeper, "_renews_with", renew_late)
    ours.join(member.call_id, member)
    assert ours._task is not None
    await asyncio.wait_for(ours._task, 30)
    if unawaited._tasks:
        await asyncio.wait(unawaited._tasks)
    assert await in_database(Lease.objects.count) == 0
