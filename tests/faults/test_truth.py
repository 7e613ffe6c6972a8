"""The question that each fault test ends with finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.faults.rig import (
    _messages_are_kept,
    _money_is_kept,
    _nothing_is_doubled,
    _nothing_is_open,
    _sound_is_kept,
)
from tests.site import Caller


def told() -> Caller:
    """A page that was told of one whole answer."""
    call = Caller(cast(Any, None))
    saved = {"message_id": "m", "item_id": "i", "status": "completed", "text": "Five."}
    call.events = [
        {"type": "nextvoice.saved", **saved, "recording": {"duration_ms": 3000}},
        {"type": "response.done", "response": {"id": "resp"}},
        {"type": "nextvoice.cost", "key": "s|resp|response", "cost": "0.010"},
    ]
    call.audio = {"i": bytearray(3 * 48_000)}
    return call


def kept() -> dict[str, Any]:
    """What there should be of it."""
    message = {"item_id": "i", "role": "assistant", "status": "completed", "text": "Five."}
    about = {"call": "c", "key": "resp", "kind": "response", "told": "s|resp|response"}
    return {
        "messages": {"m": {**message, "call": "c"}},
        "recordings": {"m": {"state": "ready", "ms": 3000, "length": 3000}},
        "usage": [{**about, "cost": "0.01"}],
    }


def ask(found: dict[str, Any]) -> None:
    for question in (_messages_are_kept, _money_is_kept, _sound_is_kept):
        question(told(), found)
    _nothing_is_open(found)
    _nothing_is_doubled(found)


def test_what_is_all_there_is_true() -> None:
    ask(kept())


@pytest.mark.parametrize(
    "lose",
    [
        lambda found: found["messages"].clear(),
        lambda found: found["messages"]["m"].update(text="Fi"),
        lambda found: found["messages"]["m"].update(status="in_progress"),
        lambda found: found["messages"].update(n=found["messages"]["m"]),
        lambda found: found["recordings"].clear(),
        lambda found: found["recordings"]["m"].update(state="failed"),
        lambda found: found["recordings"]["m"].update(ms=1900, length=1900),
        lambda found: found["recordings"]["m"].update(length=2990),
        lambda found: found["usage"].clear(),
        lambda found: found["usage"][0].update(cost="0.02"),
        lambda found: found["usage"].append(dict(found["usage"][0])),
    ],
    ids=[
        "no message",
        "half a text",
        "left open",
        "twice",
        "no recording",
        "failed recording",
        "a second of sound less",
        "another length",
        "no ledger row",
        "another cost",
        "a row twice",
    ],
)
def test_what_is_missing_or_doubled_is_not(lose: Callable[[dict[str, Any]], None]) -> None:
    found = kept()
    lose(found)
    with pytest.raises(AssertionError):
        ask(found)
