"""`/metrics`: who may read it, and that it counts what happened."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from chats.models import Conversation, User
from realtime import metrics
from realtime.serving.figures import own_folder
from tests.realtime.test_consumer import finalised, opened, provider_of, sign_in
from tests.site import Caller

pytestmark = pytest.mark.django_db


def status(address: str, **headers: str) -> int:
    return Client(REMOTE_ADDR=address).get("/metrics", headers=headers).status_code


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", 200), ("::1", 200), ("10.1.2.3", 200), ("8.8.8.8", 404), ("", 404)],
)
def test_without_a_token_only_private_addresses_may_read_it(address: str, expected: int) -> None:
    assert status(address) == expected


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"]
)
def test_nobody_reads_it_through_a_proxy(header: str) -> None:
    assert status("10.0.0.2", **{header: "10.0.0.9"}) == 404


def test_a_token_is_asked_from_everybody_and_works_from_anywhere(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-long-token"
    through = {"X-Forwarded-For": "8.8.8.8"}
    assert status("127.0.0.1") == 404
    assert status("127.0.0.1", Authorization="Bearer another") == 404
    assert status("8.8.8.8", Authorization="Bearer a-long-token", **through) == 200


def test_being_signed_in_gives_nobody_the_figures(ann: User) -> None:
    ann.is_staff = ann.is_superuser = True
    ann.save()
    client = Client(REMOTE_ADDR="8.8.8.8")
    client.force_login(ann)
    assert client.get("/metrics").status_code == 404


def test_each_supervisor_has_a_folder_of_its_own(tmp_path: Path) -> None:
    left = tmp_path / "metrics" / "dead-host"
    left.mkdir(parents=True)
    (left / "counter_7.db").touch()
    with own_folder(tmp_path / "metrics") as first:
        (first / "counter_8.db").touch()
        assert not left.exists()
        with own_folder(tmp_path / "metrics") as second:
            assert second != first and (first / "counter_8.db").exists()
        assert [each for each in (tmp_path / "metrics").iterdir() if each.is_dir()] == [first]
    assert not first.exists()


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.django_db(transaction=True)
async def test_a_call_is_counted_and_none_is_left(
    here: str, conversation: Conversation, cookie: str
) -> None:
    names = ("nextvoice_calls_started_total", "nextvoice_audio_delay_seconds_count")
    before = [value(name) for name in names]
    ended = value("nextvoice_calls_ended_total", reason="hang_up")
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            assert value("nextvoice_calls_live") == 1
            async with asyncio.timeout(10):
                while value(names[1]) == before[1]:  # noqa: ASYNC110 (a test may poll)
                    await asyncio.sleep(0.05)
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
        await finalised("hang_up", await provider.visit())
    assert value(names[0]) - before[0] == 1
    assert value("nextvoice_calls_ended_total", reason="hang_up") - ended == 1


def test_costs_only_grow() -> None:
    before = value("nextvoice_cost_total", currency="USD")
    for amount in (Decimal("0.5"), Decimal("-0.25"), None):
        metrics.costs(amount, "USD")
    assert value("nextvoice_cost_total", currency="USD") - before == 0.5
