"""The calls of this process: one in each conversation, and none that begins while it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from realtime.calls import live


@pytest.fixture
def ends() -> Iterator[list[tuple[str, str]]]:
    """What was ended, as (call, reason); the calls "a" to "c" are gone afterwards."""
    yield []
    for call in "abc":
        live.leave(call)


def enter(call: str, conversation: str, ends: list[tuple[str, str]]) -> None:
    live.enter(call, conversation, lambda reason: ends.append((call, reason)))


def test_a_call_makes_room_in_its_conversation_only(ends: list[tuple[str, str]]) -> None:
    for call, conversation in (("a", "rome"), ("b", "paris"), ("c", "rome")):
        enter(call, conversation, ends)
    assert ends == [("a", "taken_over")]
    live.leave("a")
    assert (live.count(), live.here("a"), live.here("c")) == (2, False, True)


async def test_draining_ends_every_call_and_lets_none_begin(
    ends: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_stopping", False)
    monkeypatch.setattr(live, "_drained", None)
    enter("a", "rome", ends)
    with pytest.raises(TimeoutError):
        await live.drain(0)
    enter("b", "paris", ends)
    assert (live.stopping(), ends) == (True, [("a", "server_stopping"), ("b", "server_stopping")])
    live.leave("a")
    live.leave("b")
    await live.drain(1)
