"""What is away is said once in a while, and how often it was not said."""

from __future__ import annotations

import logging

import pytest

from nextvoice import seldom
from nextvoice.seldom import Seldom
from realtime.logs import why

AWAY, GONE = "it is away: %s", "it is gone"


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(seldom, "time", clock)
    return clock


def said(clock: Clock, *told: tuple[float, str], whole: bool = False) -> list[str]:
    """What a log has of messages at these seconds, one after another."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log = logging.Logger("outage")
    log.addHandler(Lines())
    log.addFilter(Seldom(10, whole=whole))
    for clock.now, message in told:
        log.warning(message, *["x"] * message.count("%s"))
    return lines


def test_a_message_comes_again_after_its_time_and_says_what_was_left_out(clock: Clock) -> None:
    told = said(clock, (0, AWAY), (1, AWAY), (9, AWAY), (11, AWAY), (22, AWAY))
    assert told == ["it is away: x", "it is away: x (and 2 more of these)", "it is away: x"]


@pytest.mark.parametrize(
    ("whole", "lines"), [(False, ["it is away: x", GONE]), (True, ["it is away: x"])]
)
def test_each_message_has_its_own_time_or_the_whole_log_has_one(
    clock: Clock, whole: bool, lines: list[str]
) -> None:
    assert said(clock, (0, AWAY), (1, GONE), whole=whole) == lines


def test_an_error_is_told_in_a_line_and_has_no_traceback() -> None:
    problem = OSError("100 % of it is\n  away, " + "long " * 100)
    record = logging.LogRecord("outage", logging.ERROR, "x.py", 1, AWAY, ("x",), None)
    record.exc_info = (OSError, problem, None)
    assert Seldom().filter(record)
    said = record.getMessage()
    assert said.startswith("it is away: x OSError: 100 % of it is away, long long")
    assert (len(said) < 250, record.exc_info) == (True, None)


@pytest.mark.parametrize(
    ("problem", "line"),
    [(TimeoutError(), "TimeoutError"), (OSError("no room"), "OSError: no room")],
)
def test_why_is_an_errors_kind_and_what_it_says(problem: Exception, line: str) -> None:
    assert why(problem) == line
