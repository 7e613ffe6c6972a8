"""What a call costs, against what the scripted provider charged for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chats.models import Conversation, User
from realtime.bridge.dialects.base import SPENT
from realtime.bridge.ends import ENDS
from realtime.bridge.taps import EndRecord
from realtime.db import in_database
from realtime.keeping import store as stores
from realtime.keeping.store import store
from realtime.models import CallRecord, Price, Provider, Quota, Usage, UsageDay, VoiceModel
from realtime.money import settling
from realtime.money.connected_time import ConnectedTime
from realtime.money.ledger import Entry, Payer
from realtime.money.meter import Meter, charge
from realtime.money.usage import MEASURES, Counts, counts_of
from tests.realtime.test_consumer import cookie, sign_in
from tests.scripted import (
    Die,
    Expect,
    Hear,
    ScriptedProvider,
    Send,
    Step,
    Until,
    audio_delta,
    response_created,
    response_done,
    session_created,
)
from tests.site import Caller

__all__ = ["cookie", "sign_in"]
pytestmark = pytest.mark.django_db(transaction=True)

SECOND = 48000
WORDS = "conversation.item.input_audio_transcription"
USAGE = {
    "total_tokens": 350,
    "input_tokens": 300,
    "output_tokens": 50,
    "input_token_details": {
        "text_tokens": 100,
        "audio_tokens": 200,
        "cached_tokens": 128,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 64},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
}
COST = Decimal("0.0072672")  # see test_ledger
HEARD = {"type": "duration", "seconds": 1.5}
HEARD_COST = Decimal("0.00015")


@pytest.fixture(autouse=True)
def prices() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    Price.objects.create(
        model="scripted-1",
        since=since,
        text_in=Decimal("4"),
        text_cached=Decimal("0.4"),
        text_out=Decimal("16"),
        audio_in=Decimal("32"),
        audio_cached=Decimal("0.4"),
        audio_out=Decimal("64"),
    )
    Price.objects.create(model="t", kind="transcription", since=since, per_minute=Decimal("0.006"))


def voice_model(url: str) -> None:
    provider = Provider.objects.create(name="Scripted", url=url, allow_private=True)
    VoiceModel.objects.create(
        provider=provider, name="scripted-1", default=True, transcription_model="t"
    )


def opened(*steps: Step) -> list[Step]:
    return [Send(session_created()), Expect("session.update"), *steps]


def turn(item_id: str = "item_u", usage: Any = None) -> list[dict[str, Any]]:
    """A person's turn of 1.5 s, written down unless `usage` is None."""
    place = {"item_id": item_id, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "input_audio_buffer.speech_started", "item_id": item_id, "audio_start_ms": 100},
        {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": 1600},
        {"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": None},
    ]
    if usage is not None:
        done = {"type": f"{WORDS}.completed", **place, "transcript": "Hello", "usage": usage}
        events.append(done)
    return events


async def rows() -> list[Usage]:
    return await in_database(lambda: list(Usage.objects.order_by("created", "kind")))


async def until(found: Callable[[list[Usage]], Any]) -> list[Usage]:
    """The ledger, once it is as `found` wants it."""
    async with asyncio.timeout(15):
        while not found(ledger := await rows()):  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
    return ledger


async def balanced() -> Decimal:
    """The ledger's sum, which is that of its days."""
    await asyncio.to_thread(store().flush, 10)
    sums = {name: Sum(name, default=0) for name in (*MEASURES, "cost")}
    ledger = await in_database(lambda: Usage.objects.aggregate(**sums))
    days = await in_database(lambda: UsageDay.objects.aggregate(**sums))
    assert ledger == days
    return Decimal(ledger["cost"])


async def nothing_owed() -> None:
    assert await in_database(lambda: CallRecord.objects.get().owing) is None


async def test_an_answer_is_in_the_ledger_before_its_end_is_told(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "HOLD_SECONDS", 30.0)
    script = opened(
        Send(*turn(usage=HEARD), response_created(), audio_delta(bytes(SECOND))),
        Send(response_done(usage=USAGE)),
    )
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("response.done")
            there = await in_database(lambda: list(Usage.objects.filter(kind="response")))
            cost = await call.event("nextvoice.cost", kind="response")
            await call.event("nextvoice.cost", kind="transcription")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert [(row.cost, row.source, row.raw) for row in there] == [(COST, "reported", USAGE)]
    assert {name: cost[name] for name in ("response_id", "cost", "currency", "source")} == {
        "response_id": "resp_1",
        "cost": "0.0072672",
        "currency": "USD",
        "source": "reported",
    }
    assert cost["parts"]["audio_out"] == "0.00256"
    assert call.types.index("response.done") < call.events.index(cost)
    assert call.of("nextvoice.cost")[-1]["total"] == "0.0074172"
    assert await balanced() == COST + HEARD_COST
    ann = await in_database(lambda: User.objects.get(username="ann"))
    assert {(row.user_id, row.user_name, row.provider_name) for row in await rows()} == {
        (ann.pk, "ann", "Scripted")
    }
    await nothing_owed()


async def test_events_told_twice_cost_once(
    here: str, conversation: Conversation, cookie: str
) -> None:
    once = [*turn(usage=HEARD), response_created(), response_done(usage=USAGE)]
    script = opened(Send(*once, response_done(usage=USAGE), *turn(usage=HEARD)))
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.until(lambda: len(call.of("response.done")) == 2)
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert await balanced() == COST + HEARD_COST


async def test_a_browser_that_leaves_mid_answer_pays_what_the_provider_says(
    here: str, conversation: Conversation, cookie: str
) -> None:
    charged = asyncio.Event()
    script = opened(
        Send(response_created(), audio_delta(bytes(SECOND))),
        Expect("response.cancel"),
        Until(charged),
        Send(response_done(status="cancelled", usage=USAGE)),
    )
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.audio")
            await call.send({"type": "nextvoice.hang_up"})
            # The browser is let go long before the provider answers.
            assert await call.ended(5) == ("hang_up", 1000)
        assert await rows() == []
        charged.set()
        (row,) = await until(len)
    assert (row.cost, row.source, row.status) == (COST, "reported", "cancelled")
    assert await balanced() == COST
    await until_left()
    await nothing_owed()


async def until_left() -> None:
    from realtime.calls import live

    async with asyncio.timeout(15):
        while live.count():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.to_thread(store().flush, 10)


async def test_an_upstream_that_dies_mid_answer_leaves_an_estimate(
    here: str, conversation: Conversation, cookie: str
) -> None:
    broken = opened(
        Send(*turn(usage=HEARD)),
        Send(response_created(), audio_delta(bytes(SECOND))),
        Send({"type": "response.output_audio_transcript.delta", "delta": "Twelve words."}),
        Hear(9600),
        Die(),
    )
    async with ScriptedProvider(broken, opened()) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.audio")
            await call.send(bytes(9600))
            await call.event("nextvoice.reconnected")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    (row,) = [row for row in await rows() if row.kind == "response"]
    assert (row.source, row.status) == ("estimated", "incomplete")
    # 1.5 s heard, a token each 100 ms; 1 s spoken, one each 50 ms; 13 letters, four a token.
    assert row.counts() == Counts(audio_in=15, audio_out=20, text_out=4)
    assert row.cost == Decimal("0.001824")
    assert await balanced() == row.cost + HEARD_COST


@pytest.mark.parametrize("status", ["completed", "cancelled", "incomplete", "failed"])
async def test_an_answer_without_usage_is_estimated(
    status: str, here: str, conversation: Conversation, cookie: str
) -> None:
    script = opened(
        Send(response_created(), audio_delta(bytes(SECOND)), response_done(status=status))
    )
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            event = await call.event("nextvoice.cost")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    (row,) = await rows()
    assert (row.status, row.source, row.audio_out, row.cost) == (
        status,
        "estimated",
        20,
        Decimal("0.00128"),
    )
    assert (event["source"], event["cost"]) == ("estimated", "0.00128")


async def test_an_answer_refused_before_it_began_costs_nothing(
    here: str, conversation: Conversation, cookie: str
) -> None:
    script = opened(Send(*turn(usage=HEARD), response_created(), response_done(status="failed")))
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.cost", kind="response")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    (row,) = [row for row in await rows() if row.kind == "response"]
    assert (row.cost, row.source) == (0, "estimated")


async def test_what_a_provider_counted_in_its_own_words_is_kept_from_the_browser(
    here: str, conversation: Conversation, cookie: str
) -> None:
    done = response_done(usage=USAGE) | {"raw_usage": {"input_tokens": 7}}
    script = opened(Send(response_created(), done))
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            told = await call.event("response.done")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert "raw_usage" not in told
    (row,) = await rows()
    assert row.raw == {"input_tokens": 7}


async def test_a_turn_nobody_wrote_down_is_estimated(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with ScriptedProvider(opened(Send(*turn()))) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("input_audio_buffer.committed")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
        await until_left()
    (row,) = await rows()
    assert (row.kind, row.model, row.source, row.seconds, row.cost) == (
        "transcription",
        "t",
        "estimated",
        Decimal("1.5"),
        HEARD_COST,
    )


async def test_silence_after_which_a_provider_asks_who_is_there_is_not_estimated(
    transactional_db: None,
) -> None:
    rig = Rig()
    rig.meter.on_user_audio(bytes(5 * SECOND), 0)
    silence = {"item_id": "item_u", "audio_start_ms": 0, "audio_end_ms": 5000}
    rig.meter.on_event({"type": "input_audio_buffer.timeout_triggered", **silence})
    rig.meter.on_event(turn()[-1])
    assert not rig.meter.awaits_usage
    rig.meter.on_event(turn(usage=HEARD)[-1] | {"usage": None})
    rig.meter.on_event(session_created())
    assert await rig.settle() == []
    # What the provider says it took to write it down is paid for all the same.
    rig.meter.on_event(turn(usage=HEARD)[-1])
    assert [row.cost for row in await rig.settle()] == [HEARD_COST]


async def test_what_a_page_took_back_of_a_turn_is_not_estimated(transactional_db: None) -> None:
    rig, committed = Rig(), turn()[-1]
    rig.meter.on_user_audio(bytes(SECOND), 0)
    rig.meter.on_client_event({"type": "input_audio_buffer.clear"})
    for _ in range(2):
        rig.meter.on_user_audio(bytes(SECOND), 0)
    rig.meter.on_event(committed)
    rig.meter.on_user_audio(bytes(SECOND), 0)
    rig.meter.on_event(committed | {"item_id": "item_next"})
    assert [owed["counts"]["seconds"] for owed in rig.owing] == ["2", "1"]
    rig.meter.on_event(session_created())
    await rig.settle()


@pytest.mark.parametrize(
    ("code", "usage", "costs"),
    [
        ("audio_unintelligible", None, []),
        ("audio_unintelligible", HEARD, [(HEARD_COST, "reported", "failed")]),
        ("connection_lost", None, [(HEARD_COST, "estimated", "failed")]),
    ],
)
async def test_a_turn_that_could_not_be_written_down_costs_what_the_provider_says(
    transactional_db: None, code: str, usage: Any, costs: list[Any]
) -> None:
    rig = Rig()
    for event in turn():
        rig.meter.on_event(event)
    failed = {"type": f"{WORDS}.failed", "error": {"code": code}}
    rig.meter.on_event({**failed, "item_id": "item_u", "usage": usage})
    # Of one that nobody spoke nothing is known.
    rig.meter.on_event({**failed, "item_id": "item_none"})
    assert [(row.cost, row.source, row.status) for row in await rig.settle()] == costs
    assert [event["item_id"] for event in rig.told] == ["item_u"] * len(costs)
    assert (rig.meter.awaits_usage, rig.owing) == (False, None)


async def test_a_turn_that_broke_off_with_its_session_is_paid_for_in_the_next(
    transactional_db: None,
) -> None:
    rig = Rig()
    started, stopped, _committed = turn("item_a")
    for event in (started, stopped, session_created(), *turn("item_b")):
        rig.meter.on_event(event)
    assert rig.meter.awaits_usage
    for event in turn("item_b", usage=HEARD)[-1:]:
        rig.meter.on_event(event)
    assert (rig.meter.awaits_usage, rig.owing) == (False, None)
    (row,) = await rig.settle()
    assert (row.key, row.cost) == ("item_b", HEARD_COST)


async def test_what_is_written_down_without_usage_is_estimated_at_the_price_of_who_does(
    transactional_db: None,
) -> None:
    price = {"kind": "transcription", "since": datetime.now(UTC), "text_out": Decimal(10)}
    await in_database(lambda: Price.objects.create(model="t2", audio_in=Decimal(6), **price))
    rig = Rig()
    hearing = {"transcription": {"model": "t2"}}
    for hears in ({"input": hearing}, {"output": {"voice": "x"}}):
        session = {"type": "realtime", "audio": hears}
        rig.meter.on_client_event({"type": "session.update", "session": session})
        if "input" in hears:
            rig.meter.on_event({"type": "session.updated", "session": session})
    started, stopped, committed, done = turn(usage=HEARD)
    # The ends of turns that nobody told the beginning of are nobody's.
    rig.meter.on_event(stopped)
    for event in (started, stopped, committed, stopped, done | {"usage": None}):
        rig.meter.on_event(event)
    (row,) = await rig.settle()
    assert (row.model, row.counts()) == ("t2", Counts(audio_in=15, text_out=2))
    assert [event["item_id"] for event in rig.told] == ["item_u"]


async def test_what_is_to_be_written_down_no_more_is_not_estimated(transactional_db: None) -> None:
    rig = Rig()
    hearing = {"transcription": None}
    session = {"type": "realtime", "audio": {"input": hearing}}
    rig.meter.on_client_event({"type": "session.update", "session": session})
    rig.meter.on_event({"type": "session.updated", "session": session})
    for event in turn():
        rig.meter.on_event(event)
    assert (rig.meter.awaits_usage, rig.owing) == (False, None)
    rig.meter.on_event(turn(usage=HEARD)[-1] | {"usage": None})
    assert await rig.settle() == []


async def test_a_turn_is_not_taken_to_be_longer_than_anybody_speaks(transactional_db: None) -> None:
    rig = Rig()
    started, stopped, committed = turn()
    for event in (started, stopped | {"audio_end_ms": 1_763_800_000_000}, committed):
        rig.meter.on_event(event)
    (owed,) = rig.owing
    assert owed["counts"]["seconds"] == "3600"
    rig.meter.on_event(session_created())
    await rig.settle()


async def test_a_committed_turn_whose_session_ends_is_estimated(transactional_db: None) -> None:
    rig = Rig()
    for event in (*turn("item_a"), session_created()):
        rig.meter.on_event(event)
    assert not rig.meter.awaits_usage
    (row,) = await rig.settle()
    assert (row.status, row.source, row.cost) == ("incomplete", "estimated", HEARD_COST)
    assert "/1/" in row.upstream_session


async def test_a_database_that_hangs_delays_an_answer_s_end_only_until_it_is_on_disk(
    here: str, conversation: Conversation, cookie: str
) -> None:
    from django.conf import settings as site

    said = asyncio.Event()
    script = opened(Until(said), Send(response_created(), response_done(usage=USAGE)))
    async with ScriptedProvider(script) as provider:
        await in_database(voice_model, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await asyncio.to_thread(store().flush, 10)
            async with locked():
                said.set()
                await call.event("response.done", 8)
                kept = [path.read_text() for path in stores_of(site).glob("*.jsonl")]
                assert ["realtime.Usage" in text for text in kept] == [True]
            await call.event("nextvoice.cost")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert await balanced() == COST
    assert list(stores_of(site).glob("*.jsonl")) == []


async def test_of_a_database_that_hangs_only_the_first_answer_s_end_learns_by_waiting(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others of the process are on disk at once, each before its end is told."""
    monkeypatch.setattr(settling, "HOLD_SECONDS", 2.0)
    loop, rigs = asyncio.get_running_loop(), [Rig() for _ in range(6)]
    await asyncio.to_thread(store().flush, 10)
    waited = []
    async with locked():
        for rig in rigs:
            rig.meter.on_event(response_created())
            rig.meter.on_event(response_done(usage=USAGE))
            safe, began = asyncio.Event(), loop.time()
            rig.meter.settling.hold(safe.set)
            await asyncio.wait_for(safe.wait(), 8)
            waited.append(loop.time() - began)
            (journal,) = [path.read_text() for path in stores.store()._path.parent.glob("*.jsonl")]
            assert rig.call_id in journal
        assert await in_database(Usage.objects.count) == 0
    assert (waited[0] >= 2.0, [seconds < 1.0 for seconds in waited[1:]]) == (True, [True] * 5)
    await asyncio.to_thread(store().flush, 10)
    assert await balanced() == 6 * COST
    assert (store().has_journal, list(stores.store()._path.parent.glob("*.jsonl"))) == (False, [])


def stores_of(site: Any) -> Any:
    # The process's store was made by the first test that needed it, in that test's folder.
    return stores.store()._path.parent


class locked:
    """The ledger locked by somebody else for a while."""

    async def __aenter__(self) -> None:
        self._free = asyncio.Event()
        self._held = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._thread = asyncio.create_task(asyncio.to_thread(self._hold, loop))
        await self._held.wait()

    async def __aexit__(self, *problem: object) -> None:
        self._free.set()
        await self._thread

    def _hold(self, loop: asyncio.AbstractEventLoop) -> None:
        from django.db import transaction

        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("LOCK TABLE realtime_usage IN EXCLUSIVE MODE")
            else:
                Provider.objects.update(name="Scripted")
            loop.call_soon_threadsafe(self._held.set)
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._free.wait(), loop).result(20)
        connection.close()


# Without a call around it


class Rig:
    """A meter on its own."""

    def __init__(
        self, *, by_time: bool = False, model: str = "scripted-1", history: Any = ()
    ) -> None:
        self.call_id = str(uuid.uuid4())
        self.now = 0.0
        self.owing: Any = None
        self.told: list[dict[str, Any]] = []
        self.rows: list[Usage] = []
        self.meter = Meter(
            store=store(),
            payer=Payer(),
            call_id=self.call_id,
            model=model,
            by_time=by_time,
            session={
                "instructions": "x" * 40 if history else "",
                "audio": {"input": {"transcription": {"model": "t"}}},
            },
            history=list(history),
            save=lambda **fields: setattr(self, "owing", fields["owing"]),
            tell=self.told.append,
            on_row=lambda name, row: self.rows.append(row),
            clock=lambda: self.now,
        )
        self.meter.on_event(session_created())

    async def settle(self) -> list[Usage]:
        await asyncio.to_thread(store().flush, 10)
        await asyncio.sleep(0)
        return await rows()


async def test_time_is_billed_in_slices_until_the_provider_bills_it_itself(
    transactional_db: None,
) -> None:
    await in_database(
        lambda: Price.objects.create(
            model="clock", per_minute=Decimal("0.06"), since=datetime(2026, 1, 1, tzinfo=UTC)
        )
    )
    rig = Rig(by_time=True, model="clock")
    for now, seconds in ((10, []), (16, [16]), (31, [16, 15])):
        rig.now = now
        rig.meter.tick()
        assert [row.seconds for row in await rig.settle()] == seconds
    assert await balanced() == Decimal("0.031")
    rig.now = 36
    usage = {"billable_audio_seconds": 12.5, "input_text_messages": 0}
    rig.meter.on_event(response_done() | {"raw_usage": usage})
    await rig.settle()
    assert await balanced() == Decimal("0.0125")
    assert rig.meter.under_way() == []


async def test_time_that_a_provider_counts_is_billed_as_it_counts_in_each_session(
    transactional_db: None,
) -> None:
    price = {"model": "clock", "per_minute": Decimal("0.06"), "since": datetime.now(UTC)}
    await in_database(lambda: Price.objects.create(**price))
    rig = Rig(by_time=True, model="clock")
    for now, told, costs in (
        (16, None, "0.016"),
        (20, 20, "0.02"),
        (26, 26, "0.026"),
        (42, None, "0.042"),
        (42, 26, "0.042"),
        (43, 43, "0.043"),
    ):
        rig.now = now
        if told is None:
            rig.meter.tick()
        else:
            raw = {"raw_usage": {"seconds": told}} if told == 26 else {"usage": {"seconds": told}}
            rig.meter.on_event({"type": "session.usage.updated", **raw})
        await rig.settle()
        assert await balanced() == Decimal(costs)
    # What was not told of a session when the next one begins stays an estimate.
    rig.now = 48
    rig.meter.on_event(session_created())
    rig.now = 50
    rig.meter.on_event({"type": "session.usage.updated", "usage": {"seconds": 2}})
    ledger = await rig.settle()
    assert await balanced() == Decimal("0.05")
    (estimated,) = (row for row in ledger if row.seconds == 5)
    assert "/1/" in estimated.upstream_session
    assert [row.kind for row in ledger if "/2/" in row.upstream_session] == ["time"]


def test_a_price_by_time_that_is_set_before_a_call_is_connected_bills_nothing_before() -> None:
    put: list[Counts] = []
    now = 0.0
    time = ConnectedTime(
        lambda *_of, counts, **_rest: put.append(counts), estimates=False, clock=lambda: now
    )
    time.estimates_now(True)
    now = 20.0
    time.tick()
    time.begin()
    now = 35.0
    time.tick()
    assert put == [Counts(seconds=Decimal(15))]


async def billed_time() -> Usage:
    """The one row of connected time, when it is there."""
    ledger = await until(lambda found: [row for row in found if row.kind == "time"])
    (time,) = (row for row in ledger if row.kind == "time")
    return time


async def test_time_is_billed_in_a_currency_that_has_no_exchange_rate(
    here: str, conversation: Conversation, cookie: str
) -> None:
    def priced(url: str) -> None:
        Price.objects.all().delete()
        since = datetime(2026, 1, 1, tzinfo=UTC)
        price = {"per_minute": Decimal(6000), "currency": "CNY"}
        Price.objects.create(model="scripted-1", since=since, **price)
        voice_model(url)

    async with ScriptedProvider(opened(Send(response_created()))) as provider:
        await in_database(priced, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("response.created")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    time = await billed_time()
    assert (time.currency, time.cost) == ("CNY", time.seconds * 100)


async def test_a_call_bills_time_from_when_its_price_is_set(
    here: str, conversation: Conversation, cookie: str
) -> None:
    def unpriced(url: str) -> None:
        Price.objects.all().delete()
        Quota.objects.create(money_per_day=1000, unpriced_allowed=True)
        voice_model(url)

    def priced() -> None:
        Price.objects.create(model="scripted-1", per_minute=Decimal(600))
        Provider.objects.get().save()  # has its calls look at once

    async with ScriptedProvider(opened(Send(response_created()))) as provider:
        await in_database(unpriced, provider.url)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.quota", priced=False)
            await in_database(priced)
            await call.event("nextvoice.quota", priced=True)
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    time = await billed_time()
    assert (time.currency, time.cost) == ("USD", time.seconds * 10)


async def test_what_was_before_its_price_was_set_is_not_billed_by_time(
    transactional_db: None,
) -> None:
    rig = Rig(model="clock")
    rig.now = 30
    price = {"model": "clock", "per_minute": Decimal("0.06"), "since": datetime.now(UTC)}
    await in_database(lambda: Price.objects.create(**price))
    for _ in range(2):
        rig.meter.bills_time(True)
        rig.now += 10
        rig.meter.tick()
    assert [row.seconds for row in await rig.settle()] == [20]
    rig.meter.bills_time(False)
    rig.now = 90
    rig.meter.tick()
    await rig.settle()
    assert await balanced() == Decimal("0.02")


async def test_what_was_before_its_price_was_by_tokens_is_billed_by_time(
    transactional_db: None,
) -> None:
    async def costs(**rate: Decimal) -> None:
        price = {"model": "clock", "since": datetime.now(UTC), **rate}
        await in_database(lambda: Price.objects.create(**price))

    await costs(per_minute=Decimal("0.06"))
    rig = Rig(by_time=True, model="clock")
    rig.now = 10
    await costs(text_in=Decimal(4), text_out=Decimal(16))
    for _ in range(2):
        rig.meter.bills_time(False)
        rig.now = 40
        rig.meter.tick()
    assert [(row.seconds, row.cost) for row in await rig.settle()] == [(10, Decimal("0.01"))]
    assert await balanced() == Decimal("0.01")


async def test_time_is_taken_back_at_the_price_it_had(transactional_db: None) -> None:
    async def costs(rate: str) -> None:
        price = {"model": "clock", "per_minute": Decimal(rate), "since": datetime.now(UTC)}
        await in_database(lambda: Price.objects.create(**price))

    await costs("0.06")
    rig = Rig(by_time=True, model="clock")
    rig.now = 60
    rig.meter.tick()
    await rig.settle()
    assert await balanced() == Decimal("0.06")
    await costs("0.6")
    rig.meter.on_event({"type": "session.usage.updated", "usage": {"seconds": 30}})
    taken_back, booked, reported = await rig.settle()
    assert (booked.cost, taken_back.cost, reported.cost) == (
        Decimal("0.06"),
        Decimal("-0.06"),
        Decimal("0.3"),
    )
    assert (booked.created, await balanced()) == (taken_back.created, Decimal("0.3"))


async def test_an_answer_under_way_is_owed_until_it_is_written(transactional_db: None) -> None:
    rig = Rig()
    rig.meter.on_event(response_created())
    rig.now = 1
    rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND))
    (owed,) = rig.owing
    assert (owed["key"], owed["counts"]["audio_out"], owed["status"]) == (
        "resp_1",
        20,
        "incomplete",
    )
    rig.meter.on_event(response_done(usage=USAGE))
    assert rig.owing is None
    await rig.settle()


async def test_words_are_owed_a_few_at_a_time_and_estimated_to_the_last(
    transactional_db: None,
) -> None:
    rig = Rig()
    rig.meter.on_event(response_created())
    for letters, owed in ((150, 0), (150, 75), (180, 75), (20, 125), (3, 125)):
        delta = {"type": "response.output_text.delta", "delta": "x" * letters}
        rig.meter.on_event(delta)
        assert [each["counts"].get("text_out", 0) for each in rig.owing] == [owed]
    rig.meter.on_event(response_done(status="cancelled"))
    (row,) = await rig.settle()
    assert row.counts() == Counts(text_out=126)


async def test_an_answer_aside_is_owed_and_estimated_for_itself(transactional_db: None) -> None:
    rig = Rig()
    rig.meter.on_event(response_created())
    for seconds in (1, 2):
        rig.meter.on_aside_audio("resp_aside", bytes(SECOND))
        owed = {each["key"]: each["counts"].get("audio_out", 0) for each in rig.owing}
        assert owed == {"resp_1": 0, "resp_aside": 20 * seconds}
    rig.meter.on_event(response_done("resp_aside"))
    assert [each["key"] for each in rig.owing] == ["resp_1"]
    rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND))
    rig.meter.on_event(response_done())
    ledger = {row.key: row.audio_out for row in await rig.settle()}
    assert ledger == {"resp_1": 20, "resp_aside": 40}


async def test_what_was_said_before_is_read_by_each_answer(transactional_db: None) -> None:
    said = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "y" * 60}],
    }
    rig = Rig(history=[said])
    rig.meter.on_event(response_created("a"))
    rig.meter.on_event(response_done("a"))
    # What the model itself said is counted with what its answer used.
    theirs = {"role": "assistant", "content": [{"type": "output_text", "text": "z" * 400}]}
    rig.meter.on_event({"type": "conversation.item.added", "item": theirs})
    for event in turn(usage=HEARD):
        rig.meter.on_event(event)
    rig.meter.on_event(response_created("b"))
    rig.meter.on_event(response_done("b"))
    # Another session is told in writing what was heard.
    rig.meter.on_event(session_created())
    rig.meter.on_event(response_created("c"))
    rig.meter.on_event(response_done("c"))
    rows = [row for row in await rig.settle() if row.kind == "response"]
    read = {row.key: (row.text_in, row.audio_in) for row in rows}
    assert read == {"a": (25, 0), "b": (25, 15), "c": (32, 0)}


@pytest.mark.parametrize("by_time", [True, False])
async def test_what_is_under_way_when_a_call_ends_is_estimated(
    transactional_db: None, by_time: bool
) -> None:
    rig = Rig(by_time=by_time)
    rig.meter.on_event(response_created())
    for _ in range(2):
        rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND // 2))
        rig.meter.on_aside_audio("resp_aside", bytes(SECOND))
    rig.now = 5
    used = [Counts(audio_out=20), Counts(audio_out=40), Counts(seconds=Decimal(5))]
    assert rig.meter.under_way() == used[: 3 if by_time else 2]
    for event in turn():
        rig.meter.on_event(event)
    assert len(rig.owing) == 3
    rig.meter.on_end(EndRecord(ENDS["hang_up"]))
    assert rig.owing is None
    ledger = {row.key: (row.kind, row.source, row.status) for row in await rig.settle()}
    cut = ("estimated", "incomplete")
    time = {"time 1": ("time", "unpriced", "completed")} if by_time else {}
    assert ledger == {
        "resp_1": ("response", *cut),
        "resp_aside": ("response", *cut),
        "item_u": ("transcription", *cut),
        **time,
    }


async def test_what_is_on_its_way_into_the_ledger_is_under_way_if_the_model_used_it(
    transactional_db: None,
) -> None:
    rig = Rig()
    others = {"model": "p", "upstream_session": "s", "key": "k", "counts": Counts(image_in=1)}
    await asyncio.to_thread(store().flush, 10)
    async with locked():
        rig.meter.on_event(response_created())
        rig.meter.on_event(response_done(usage=USAGE))
        (name,) = rig.meter.settling.names()
        for event in turn(usage=HEARD):
            rig.meter.on_event(event)
        await charge(Entry(payer=Payer(own=True), call_id=uuid.UUID(rig.call_id), **others))
        assert len(rig.meter.settling.names()) == 3
        assert rig.meter.under_way() == [counts_of(USAGE)]
        assert rig.meter.under_way(without=[name]) == []
        rig.meter.on_event(response_created("resp_2"))
        rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND))
        (spoken,) = rig.meter.under_way(without=[name])
        rig.meter.on_event(response_done("resp_2"))
        assert rig.meter.under_way(without=[name]) == [spoken]
    await rig.settle()


async def test_what_was_read_is_estimated_unless_the_answer_was_refused_before_it_began(
    transactional_db: None,
) -> None:
    rig = Rig()
    content = [{"type": "input_text", "text": "x" * 400}]
    item = {"id": "item_t", "type": "message", "role": "user", "content": content}
    rig.meter.on_event({"type": "conversation.item.added", "item": item})
    for name, heard, status in (("a", 0, "failed"), ("b", 1, "failed"), ("c", 0, "completed")):
        rig.meter.on_event(response_created(name))
        rig.meter.on_assistant_audio("item_a", 0, bytes(heard * SECOND))
        rig.meter.on_event(response_done(name, status=status))
    ledger = {row.key: (row.text_in, row.audio_out) for row in await rig.settle()}
    assert ledger == {"a": (0, 0), "b": (100, 20), "c": (100, 0)}


async def test_what_is_bought_without_a_call_is_in_the_ledger_at_once(
    transactional_db: None,
) -> None:
    entry = Entry(payer=Payer(), model="p", upstream_session="s", key="k", call_id=uuid.uuid4())
    await charge(entry)
    assert [row.key for row in await rows()] == ["k"]


async def test_an_answer_that_never_ends_is_estimated_when_another_begins(
    transactional_db: None,
) -> None:
    rig = Rig()
    for response_id in ("resp_1", "resp_2"):
        rig.meter.on_event(response_created(response_id))
        rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND))
        rig.meter.on_event(response_created(response_id))
    rig.meter.on_event(response_done("resp_2", usage=USAGE))
    never, ended = await rig.settle()
    assert (never.key, never.status, never.source) == ("resp_1", "incomplete", "estimated")
    assert (never.counts(), ended.cost) == (Counts(audio_out=20), COST)
    # Should its end come all the same, what the provider says counts.
    rig.meter.on_event(response_done("resp_1", usage=USAGE))
    await rig.settle()
    assert await balanced() == 2 * COST


async def test_answers_of_one_name_are_all_paid_for(transactional_db: None) -> None:
    rig = Rig()
    for _ in range(3):
        rig.meter.on_event(response_created())
        rig.meter.on_event(response_done(usage=USAGE))
    await rig.settle()
    assert await balanced() == 3 * COST


async def test_a_row_that_was_there_counts_no_second_time_against_what_is_left(
    transactional_db: None,
) -> None:
    rig = Rig()
    for _ in range(2):
        rig.meter.on_event(response_done(usage=USAGE))
        await rig.settle()
    assert [row.cost for row in rig.rows] == [COST]


async def test_an_answer_that_is_told_again_without_usage_costs_what_was_reported(
    transactional_db: None,
) -> None:
    rig, safe = Rig(), asyncio.Event()
    rig.meter.on_event(response_created())
    await asyncio.to_thread(store().flush, 10)
    async with locked():
        rig.meter.on_event(response_done(usage=USAGE))
        rig.meter.on_event(response_done())
        assert len(rig.meter.settling.names()) == 2
    rig.meter.settling.when_settled(safe.set)
    (row,) = await rig.settle()
    assert (row.source, row.cost) == ("reported", COST)
    await asyncio.wait_for(safe.wait(), 8)
    assert list(rig.meter.settling.names()) == []
    # Where nothing is on its way nobody waits.
    for wait in (rig.meter.settling.hold, rig.meter.settling.when_settled):
        safe.clear()
        wait(safe.set)
        assert safe.is_set()
    assert await balanced() == COST


async def test_what_a_stopped_answer_used_takes_the_place_of_its_estimate(
    transactional_db: None,
) -> None:
    rig = Rig()
    rig.meter.on_event(response_created())
    rig.meter.on_assistant_audio("item_a", 0, bytes(SECOND))
    rig.meter.on_event(response_done(status="cancelled"))
    spent = {"type": SPENT, "response_id": "resp_1", "status": "cancelled", "raw_usage": USAGE}
    rig.meter.on_event(spent)
    rig.meter.on_event(response_created("resp_2"))
    both = {"usageMetadata": {"responseTokenCount": 7}, "stopped": [USAGE]}
    rig.meter.on_event(response_done("resp_2") | {"raw_usage": both})
    ledger = {(row.key, row.kind): row for row in await rig.settle()}
    correction, following = ledger["resp_1", "correction"], ledger["resp_2", "response"]
    assert ledger["resp_1", "response"].cost + correction.cost == COST
    assert (correction.status, following.counts()) == ("cancelled", Counts(other_out=7))
    assert [event["response_id"] for event in rig.told] == ["resp_1", "resp_1", "resp_2"]


async def test_a_correction_is_told_once(transactional_db: None) -> None:
    rig = Rig()
    rig.meter.on_event(response_created())
    for usage in (None, USAGE, USAGE):
        rig.meter.on_event(response_done(usage=usage))
        await rig.settle()
    assert [event["correction"] for event in rig.told] == [False, True]


async def test_an_answer_and_a_turn_of_one_name_are_each_told_with_their_correction(
    transactional_db: None,
) -> None:
    rig = Rig()
    for event in turn("resp_1"):
        rig.meter.on_event(event)
    broken = {"error": {"code": "connection_lost"}, "item_id": "resp_1"}
    rig.meter.on_event({"type": f"{WORDS}.failed"} | broken)
    rig.meter.on_event(response_created())
    rig.meter.on_event(response_done(status="incomplete"))
    for event in (turn("resp_1", HEARD)[-1], response_done(usage=USAGE)):
        rig.meter.on_event(event)
        await rig.settle()
    told = [(event["key"], event["correction"]) for event in rig.told]
    first, second = (key for key, correction in told if not correction)
    assert sorted(told) == sorted([(first, False), (first, True), (second, False), (second, True)])


def usage_of(number: int) -> dict[str, Any]:
    return {
        "input_tokens": 10 + number,
        "output_tokens": number,
        "input_token_details": {"audio_tokens": 10 + number},
        "output_token_details": {"audio_tokens": number},
    }


event_numbers = st.lists(st.integers(0, 5), max_size=14)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(event_numbers)
def test_whatever_comes_twice_late_or_never_the_ledger_is_the_sum_of_what_was_told(
    transactional_db: None, numbers: list[int]
) -> None:
    async def play() -> None:
        before = await balanced()
        rig = Rig()
        for number in numbers:
            rig.meter.on_event(response_done(f"resp_{number}", usage=usage_of(number)))
        await rig.settle()
        call = uuid.UUID(rig.call_id)
        mine = await in_database(lambda: list(Usage.objects.filter(call_id=call)))
        told = sum((counts_of(usage_of(number)) for number in set(numbers)), Counts())
        assert sum((row.counts() for row in mine), Counts()) == told
        cost = sum((row.cost for row in mine if row.cost is not None), Decimal(0))
        assert cost == (told.audio_in * 32 + told.audio_out * 64) / Decimal(10**6)
        assert await balanced() - before == cost

    asyncio.run(play())
