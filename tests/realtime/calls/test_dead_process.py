"""What a call costs whose process ends, against what the scripted provider charged for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scripted import (
    Expect,
    ScriptedProvider,
    Send,
    Step,
    Until,
    audio_delta,
    response_created,
    response_done,
    session_created,
)
from tests.site import Caller, Site

SECOND = 48000
USAGE = {"input_tokens": 10, "output_tokens": 50, "output_token_details": {"audio_tokens": 50}}
LEDGER = """
from realtime.models import CallRecord, Usage, UsageDay
from django.db.models import Sum
tell({
    "rows": [[r.kind, r.key, r.source, r.status, f"{r.cost:f}"] for r in Usage.objects.order_by("created")],
    "whole": Usage.objects.aggregate(c=Sum("cost"))["c"] == UsageDay.objects.aggregate(c=Sum("cost"))["c"],
    "owing": list(CallRecord.objects.values_list("owing", flat=True)),
})
"""  # noqa: E501
LONG_AGO = """
from datetime import timedelta
from django.db.models import F
from realtime.calls.janitor import sweep
from realtime.models import CallRecord
CallRecord.objects.update(heartbeat=F("heartbeat") - timedelta(minutes=2))
sweep(patience=0), sweep(patience=0)
"""
PRICE = (
    "from decimal import Decimal\n"
    "from realtime.models import Price\n"
    "Price.objects.create(model='scripted-1', text_in=Decimal(4), text_out=Decimal(16),"
    " audio_in=Decimal(32), audio_out=Decimal(64))"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as running:
        running.run(PRICE)
        yield running


def answering(*steps: Step) -> list[Step]:
    start = [Send(session_created()), Expect("session.update")]
    return [*start, Send(response_created(), audio_delta(bytes(2 * SECOND))), *steps]


async def owing(site: Site) -> list[Any]:
    """What the call's row says is under way, once it says that two seconds were spoken."""
    ask = (
        "from realtime.models import CallRecord\n"
        "tell(CallRecord.objects.values_list('owing', flat=True).get())"
    )
    async with asyncio.timeout(20):
        while True:
            found = await asyncio.to_thread(site.run, ask)
            if found and found[0]["counts"]["audio_out"] == 40:
                return list(found)
            await asyncio.sleep(0.05)


async def test_an_answer_that_kill_9_cut_short_is_estimated(site: Site) -> None:
    person = site.person("ann")
    thread = person.new_conversation()
    async with ScriptedProvider(answering(Expect("never", seconds=60))) as provider:
        site.provider(provider.url)
        async with Caller.dial(site.url, thread, person.cookie, plays=False) as call:
            await call.start()
            await call.event("nextvoice.audio")
            await owing(site)
            site.kill()
            await call.until(lambda: call.over)
    site.start()
    site.run(LONG_AGO)
    site.run(LONG_AGO)
    found = site.run(LEDGER)
    assert found == {
        "rows": [["response", "resp_1", "estimated", "incomplete", "0.002560000000"]],
        "whole": True,
        "owing": [None],
    }


async def test_a_deploy_mid_answer_waits_for_what_it_cost(site: Site) -> None:
    person = site.person("ann")
    thread = person.new_conversation()
    script = answering(
        Expect("response.cancel"), Send(response_done(status="cancelled", usage=USAGE))
    )
    async with ScriptedProvider(script) as provider:
        site.provider(provider.url)
        async with Caller.dial(site.url, thread, person.cookie, plays=False) as call:
            await call.start()
            await call.event("nextvoice.audio")
            stopping = asyncio.create_task(asyncio.to_thread(site.stop))
            assert await call.ended() == ("server_stopping", 1012)
            assert await stopping == 0
    found = site.run(LEDGER)
    # 10 tokens nobody sorted at the dearest rate, 50 spoken: 320 + 3200 millionths.
    assert found == {
        "rows": [["response", "resp_1", "reported", "cancelled", "0.003520000000"]],
        "whole": True,
        "owing": [None],
    }


async def test_the_truth_that_comes_after_all_corrects_what_the_janitor_estimated(
    site: Site,
) -> None:
    """A process that slept, as a suspended machine does, is not dead: what it knows counts."""
    person = site.person("ann")
    thread = person.new_conversation()
    going_on = asyncio.Event()
    script = answering(Until(going_on), Send(response_done(usage=USAGE)))
    async with ScriptedProvider(script) as provider:
        site.provider(provider.url)
        async with Caller.dial(site.url, thread, person.cookie, plays=False) as call:
            await call.start()
            await call.event("nextvoice.audio")
            await owing(site)
            site.run(LONG_AGO)
            site.run(LONG_AGO)
            assert [row[2] for row in site.run(LEDGER)["rows"]] == ["estimated"]
            going_on.set()
            await call.event("nextvoice.cost", correction=True)
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    found = site.run(LEDGER)
    assert [row[:3] for row in found["rows"]] == [
        ["response", "resp_1", "estimated"],
        ["correction", "resp_1", "reported"],
    ]
    assert (found["whole"], found["rows"][1][4]) == (True, "0.000960000000")
