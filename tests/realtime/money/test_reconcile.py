"""`manage.py reconcile`: it agrees when all is well, and finds each way in which it is not."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chats.models import Account, User
from realtime.models import CallRecord, Lease, Provider, Usage, UsageDay
from realtime.money import provider_costs, rollups
from realtime.money.usage import MEASURES
from tests.realtime.money.spending import OPENAI, at, call, estimated, prices, used

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(bob: User) -> Account:
    prices()
    ann, team = User.objects.get(username="ann"), Account.objects.get(slug="team")
    used(ann, team, at(2), 3_000_000, call_id=call(ann, team, at(2)).pk)
    estimated(bob, team, at(9, 23), 1, key="late", call_id=call(bob, team, at(9)).pk)
    used(bob, team, at(10), 2, key="late", call_id=CallRecord.objects.latest("started").pk)
    used(bob, team, at(9), 7, model="q")
    used(bob, team, at(9), 5, model="w")
    return team


def run(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("reconcile", *words, stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_books_that_agree_are_proved(team: Account) -> None:
    code, said = run()
    assert (code, said.splitlines()) == (
        0,
        [
            "       CNY: ledger, daily sums, calls: 0.000007 = 0.000007 = 0.000007",
            "       USD: ledger, daily sums, calls: 3.000002 = 3.000002 = 3.000002",
            "The books agree.",
        ],
    )


def test_an_empty_ledger_agrees(db: None) -> None:
    assert run() == (0, "The books agree.\n")


@pytest.mark.parametrize("column", [*MEASURES, "cost", "rows"])
def test_a_column_that_is_off_by_its_last_digit_is_found_and_mended(
    team: Account, column: str
) -> None:
    row = UsageDay.objects.filter(model="m").first()
    assert row is not None
    last = {"cost": Decimal("1e-12"), "seconds": Decimal("1e-6")}.get(column, 1)
    setattr(row, column, getattr(row, column) + last)
    row.save()
    (found,) = rollups.differences()
    assert (found.column, found.rollup - found.ledger) == (column, last)
    assert run()[0] == 1
    assert run("--fix-rollups")[0] == 0


def test_sums_that_are_missing_or_of_nothing_are_found(team: Account) -> None:
    before = list(UsageDay.objects.order_by("day", "model", "kind", "source").values())
    UsageDay.objects.filter(model="m").delete()
    UsageDay.objects.create(day=at(1).date(), model="ghost", source="reported")
    assert run()[0] == 1
    assert run("--fix-rollups")[0] == 0
    after = list(UsageDay.objects.order_by("day", "model", "kind", "source").values())
    for row in (*before, *after):
        del row["id"]
    assert after == before


def test_what_belongs_to_nothing_is_listed(team: Account) -> None:
    user, gone = User.objects.get(username="bob"), uuid.uuid4()
    used(user, team, at(9), 1, call_id=gone)
    code, said = run()
    assert code == 0
    assert f"call {gone} is gone; its 1 rows stay" in said


def test_places_are_held_against_calls(team: Account) -> None:
    now = timezone.now()
    ended = call(User.objects.get(username="ann"), team, now - timedelta(minutes=5))
    owing = call(User.objects.get(username="ann"), team, now - timedelta(minutes=5))
    CallRecord.objects.filter(pk=owing.pk).update(owing=[{}])
    live = call(User.objects.get(username="ann"), team, now - timedelta(minutes=5))
    CallRecord.objects.filter(pk=live.pk).update(state="live", ended=None, heartbeat=now)
    dead, fresh = uuid.uuid4(), uuid.uuid4()
    for pk, beat, began in (
        (ended.pk, now, ended.started),
        (dead, now - timedelta(minutes=3), now - timedelta(minutes=9)),
        (fresh, now, now),
    ):
        Lease.objects.create(call_id=pk, account_id=1, user_id=1, began=began, heartbeat=beat)
    code, said = run()
    told = [line for line in said.splitlines() if "ledger, daily" not in line]
    assert code == 1
    assert sorted(told) == sorted(
        [
            f"       the place of call {dead} is a dead process's and counts no more",
            f"WRONG  call {ended.pk} ended and its place is still taken",
            f"WRONG  call {owing.pk} ended and still owes what is not in the ledger",
            f"WRONG  call {live.pk} is live and has no place",
            "3 differences. --fix-rollups makes the daily sums anew.",
        ]
    )


EPOCH = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
JSON = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": EPOCH,
            "end_time": EPOCH + 86400,
            "results": [
                {"amount": {"value": 2.5, "currency": "usd"}, "line_item": "m-2026-01-01, text"},
                {"amount": {"value": 0.6, "currency": "usd"}, "line_item": "m, audio input"},
                {"amount": {"value": 0.25, "currency": "usd"}, "line_item": "other, input"},
            ],
        }
    ],
    "has_more": False,
}
CSV = """start_time,end_time,start_time_iso,amount_value,amount_currency,line_item,project_id
1793577600,1793664000,2026-11-02T00:00:00+00:00,2.5,usd,"m-2026-01-01, text",p
1793577600,1793664000,2026-11-02T00:00:00+00:00,0.6,usd,"m, audio input",p
1793577600,1793664000,2026-11-02T00:00:00+00:00,0.25,usd,"other, input",p
"""


@pytest.mark.parametrize("text", [json.dumps(JSON), "\ufeff" + CSV])
def test_a_providers_export_is_put_beside_the_ledger(
    team: Account, tmp_path: Path, text: str
) -> None:
    Provider.objects.create(pk=OPENAI, name="OpenAI", url="wss://api.openai.com/v1/realtime")
    path = tmp_path / "costs"
    path.write_text(text)
    code, said = run("--openai", str(path))
    assert code == 0
    assert [line.split("\t") for line in said.splitlines() if line.startswith("2026")] == [
        ["2026-11-02", "m", "USD", "ours 3.00", "theirs 3.10", "difference 0.10"],
        ["2026-11-02", "other", "USD", "ours 0.00", "theirs 0.25", "difference 0.25"],
    ]


def test_amounts_without_a_model_are_held_against_the_whole_day(team: Account) -> None:
    whole: Any = {"start_time": EPOCH, "results": [{"amount": {"value": 3, "currency": "usd"}}]}
    told = provider_costs.read(json.dumps({"data": [whole]}))
    (found,) = provider_costs.beside(told, {str(OPENAI)})
    assert (found.model, found.ours, found.theirs, found.difference) == ("", 3, 3, 0)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "{}", '{"data": [{}]}', "date,cost\nx,1\n"])
def test_what_is_no_export_is_said_to_be_none(db: None, tmp_path: Path, text: str) -> None:
    path = tmp_path / "costs"
    path.write_text(text)
    with pytest.raises(CommandError, match="cannot be read") as raised:
        run("--openai", str(path))
    assert "Error(" not in str(raised.value)


@pytest.mark.parametrize("words", [["--provider", "none"], ["--provider", "none", "--openai", "x"]])
def test_a_provider_that_is_not_there_or_not_compared_is_said(
    db: None, tmp_path: Path, words: list[str]
) -> None:
    path = tmp_path / "x"
    path.write_text("date,cost\n")
    with pytest.raises(CommandError, match="provider"):
        run(*(str(path) if each == "x" else each for each in words))


def test_the_migration_told_own_providers_apart(team: Account) -> None:
    from importlib import import_module
    from types import SimpleNamespace

    from django.apps import apps
    from django.db import IntegrityError, connection, transaction

    first = Usage.objects.exclude(provider_id=None).order_by("created").first()
    assert first is not None
    Provider.objects.create(pk=first.provider_id, name="Theirs", account=team)
    import_module("realtime.migrations.0012_own_providers").mark(
        apps, SimpleNamespace(connection=connection)
    )
    theirs = Usage.objects.filter(own=True)
    assert set(theirs.values_list("provider_id", flat=True)) == {first.provider_id}
    assert not Usage.objects.filter(own=False, provider_id=first.provider_id).exists()
    assert list(rollups.differences()) == []
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        theirs.update(own=False)


def test_the_migration_made_sums_that_agree(team: Account) -> None:
    from importlib import import_module

    from django.apps import apps

    import_module("realtime.migrations.0009_usage_by_kind").rebuild(apps, None)
    assert list(rollups.differences()) == []
    assert Usage.objects.count() == 5
