"""The process that keeps the places of calls: it answers as `quotas.renew` does."""

from __future__ import annotations

import os
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from realtime.money.renewing import Renewer
from realtime.money.terms import Wish

QUOTA = "INSERT INTO realtime_quota (minutes_per_day, unpriced_allowed) VALUES (?, 0)"


@pytest.fixture
def renewer(site_database: Path) -> Iterator[Renewer]:
    """One that has begun."""
    renewer = Renewer()
    assert renewer.renew([], timezone.now()) == {}
    yield renewer
    assert renewer.pid is not None
    os.kill(renewer.pid, signal.SIGKILL)


def wish() -> Wish:
    return Wish(uuid.uuid4(), account_id=7, user_id=3)


def test_places_are_kept_and_it_says_how_each_call_may_go_on(
    renewer: Renewer, site_database: Path
) -> None:
    wishes, now = [wish(), wish()], timezone.now()
    terms = renewer.renew(wishes, now)
    assert {pk: (each.over, each.began) for pk, each in terms.items()} == {
        each.call_id: (None, now) for each in wishes
    }
    with closing(sqlite3.connect(site_database)) as looking:
        leases = {pk for (pk,) in looking.execute("SELECT call_id FROM realtime_lease")}
        assert leases == {each.call_id.hex for each in wishes}
        looking.execute(QUOTA, [0])
        looking.commit()
    over = [each.over for each in renewer.renew(wishes, now).values()]
    limits = [each.limit for each in over if each is not None]
    assert [(each.scope, each.what, each.left) for each in limits if each] == [
        ("site", "minutes_day", Decimal(0))
    ] * 2


def test_a_database_that_is_away_is_said_to_be(renewer: Renewer, site_database: Path) -> None:
    first, wishes = renewer.pid, [wish()]
    with closing(sqlite3.connect(site_database)) as changing:
        changing.execute("ALTER TABLE realtime_lease RENAME TO away")
        with pytest.raises(OperationalError, match="no such table"):
            renewer.renew(wishes, timezone.now())
        changing.execute("ALTER TABLE away RENAME TO realtime_lease")
    assert list(renewer.renew(wishes, timezone.now())) == [wishes[0].call_id]
    assert renewer.pid == first


def test_one_that_is_killed_is_replaced(renewer: Renewer) -> None:
    first, wishes = renewer.pid, [wish()]
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert list(renewer.renew(wishes, timezone.now())) == [wishes[0].call_id]
    assert renewer.pid != first
