"""A provider that sends anything at all: the call lives or ends for a reason that has a name, and
no tap fails for it."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chats.models import Conversation, Message, User
from realtime.bridge.call import Call
from realtime.bridge.dialects import DIALECTS
from realtime.bridge.ends import ENDS
from realtime.bridge.taps import Tap
from realtime.db import in_database
from realtime.keeping.store import Store
from realtime.money.ledger import Payer
from realtime.money.meter import Meter
from realtime.recorder import Recorder
from tests.attack.mutants import Mutants
from tests.bridge.dialects.streams import SAMPLES, decode, sent
from tests.bridge.dialects.test_every_dialect import final
from tests.bridge.doubles import SESSION, Clock, RecordingLeg, RecordingTap

CASES = 10_000
"""Streams in all; each has a window of this many events of a sample, some of them mutants."""
WINDOW = 12
KEPT = 150
"""Streams that are recorded and counted as well."""
STREAMS = [*SAMPLES, ("gemini", "gemini_live_call.json")]


def opened(name: str, first: list[dict[str, Any]], *taps: Tap) -> Call:
    """A call attached to a session of this dialect."""
    call = Call(RecordingLeg(), SESSION, clock=Clock(), taps=taps or [RecordingTap()])
    dialect = DIALECTS[name]()
    call.attach(RecordingLeg(), dialect, decode(dialect, *first))
    return call


def disturbed(events: list[dict[str, Any]], mutants: Mutants) -> list[str | bytes]:
    """A window of a stream with events dropped, doubled, moved and mutated."""
    random: Random = mutants.random
    start = random.randrange(max(1, len(events) - WINDOW))
    window = events[start : start + WINDOW]
    frames: list[str | bytes] = []
    for event in window:
        fate = random.random()
        whole = json.dumps(event)
        if fate < 0.1:
            continue
        if fate < 0.5:
            frames.append(mutants.make(event))
        elif fate < 0.6:
            frames += [whole, whole]
        elif fate < 0.7:
            frames.insert(random.randrange(len(frames) + 1), whole)
        else:
            frames.append(whole)
    return frames


@pytest.mark.parametrize(("name", "sample"), STREAMS)
def test_whatever_a_provider_sends_the_call_lives_or_ends_for_a_reason(
    name: str, sample: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    events = sent(sample)
    for seed in range(CASES // len(STREAMS) + 1):
        mutants = Mutants(seed)
        call = opened(name, events[:2])
        for frame in disturbed(events, mutants):
            call.from_upstream(frame)
        if call.ended is not None:
            assert ENDS[call.ended.reason] == call.ended, seed
        else:
            call.detach()
            call.end("hang_up")
        record = call.finish()
        assert record.tap_errors == 0, seed
    assert [each for each in caplog.records if each.name.startswith("realtime.bridge")] == []


@pytest.mark.parametrize(("name", "sample"), STREAMS)
def test_what_was_said_stays_the_same_when_events_come_again_and_late(
    name: str, sample: str
) -> None:
    events = [{"event_id": f"e{number}", **event} for number, event in enumerate(sent(sample))]
    if name == "gemini":
        return  # its events have no ids: nothing tells a repetition from a word said twice
    once = final(decode(DIALECTS[name](), *events))
    for seed in range(20):
        random = Random(seed)
        again: list[dict[str, Any]] = []
        for event in events:
            again += [event] * random.choice((1, 1, 2))
            # An echo of something that has long been there.
            if again and random.random() < 0.2:
                again.append(random.choice(again))
        assert final(decode(DIALECTS[name](), *again)) == once, seed


def test_a_huge_a_deep_and_a_binary_frame_are_skipped() -> None:
    for name in DIALECTS:
        for frame in (b"\xff" * 4_000_000, "[" * 100_000, '{"type":"x","a":' + "9" * 5000 + "}"):
            dialect = DIALECTS[name]()
            assert list(dialect.decode(frame)) == []


@pytest.mark.django_db(transaction=True)
async def test_what_is_kept_and_counted_of_it_reaches_the_database(
    ann: User, conversation: Conversation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the real recorder and meter, and rows that PostgreSQL takes too."""
    caplog.set_level(logging.ERROR)
    store, events = Store(tmp_path / "journal"), sent("ga_call.json")
    payer = Payer(user_id=ann.pk, user_name="ann")
    for seed in range(KEPT):
        call_id = str(uuid.uuid4())
        keeps = Recorder(
            store=store,
            conversation_id=str(conversation.pk),
            call_id=call_id,
            last_position=float(seed),
            titled=False,
            notify=lambda event: None,
        )
        counts = Meter(
            store=store,
            payer=payer,
            call_id=call_id,
            model="voice-1",
            by_time=bool(seed % 2),
            session=SESSION,
            history=[],
            save=lambda **fields: None,
            tell=lambda event: None,
        )
        call = opened("openai_ga", events[:2], keeps, counts)
        for frame in disturbed(events, Mutants(seed)):
            call.from_upstream(frame)
        call.end("hang_up")
        assert call.finish().tap_errors == 0, seed
        await asyncio.sleep(0)
    assert await asyncio.to_thread(store.flush, 60)
    assert [each for each in caplog.records if each.name.startswith("realtime.bridge")] == []
    kept = await in_database(lambda: list(Message.objects.values_list("text", flat=True)))
    assert len(kept) > KEPT
    assert [text for text in kept if "\0" in text] == []
