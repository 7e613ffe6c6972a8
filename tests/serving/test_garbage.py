"""When a worker looks for what nobody holds: not while many talk, and not for nothing."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from realtime.calls import live
from realtime.serving.garbage import Garbage


class Part:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.whole = self


@pytest.fixture(autouse=True)
def nobody_else() -> Iterator[None]:
    """What is found is found here."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def garbage_of_the_middle() -> weakref.ref[Part]:
    """One that the looks at the youngest have missed."""
    found = weakref.ref(part := Part())
    gc.collect(0)
    del part
    return found


@pytest.mark.parametrize(
    ("running", "ended", "looks"),
    [
        pytest.param(0, 0, True, id="nobody talks"),
        pytest.param(3, 2, False, id="few have ended"),
        pytest.param(3, 3, True, id="as many have ended as talk"),
    ],
)
def test_all_is_looked_at_when_it_is_worth_it(
    monkeypatch: pytest.MonkeyPatch, running: int, ended: int, looks: bool
) -> None:
    monkeypatch.setattr(live, "count", lambda: running)
    monkeypatch.setattr(live, "ended", lambda: ended)
    part = garbage_of_the_middle()
    Garbage().look()
    assert (part() is None) == looks


def test_those_that_have_ended_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "count", lambda: 3)
    monkeypatch.setattr(live, "ended", lambda: 3)
    garbage = Garbage()
    garbage_of_the_middle()
    garbage.look()
    part = garbage_of_the_middle()
    garbage.look()
    assert part() is not None
