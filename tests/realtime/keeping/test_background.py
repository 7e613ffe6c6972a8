"""Work for a thread: in order, now or soon, and nothing of it stops the rest."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from realtime.keeping import background
from realtime.keeping.background import Jobs


def test_what_is_for_now_is_done_in_order_and_without_waiting_for_the_rest() -> None:
    jobs, done, last = Jobs("test"), list[int](), threading.Event()
    for number in range(100):
        jobs.now(partial(done.append, number))
    jobs.now(last.set)
    assert last.wait(20)
    assert done == list(range(100))


def test_what_may_wait_is_done_by_itself_and_all_of_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs, times = Jobs("test"), list[float]()
    jobs.settle(20)
    for _ in range(3):
        # The first wakes the thread; what comes after it has a time.
        jobs.soon(lambda: times.append(time.monotonic()))
        time.sleep(0.05)
    until = time.monotonic() + 20
    while len(times) < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    first, second, third = times
    assert second - first >= background.SOON_SECONDS
    assert third - second < background.SOON_SECONDS


def test_settling_does_what_may_wait_and_says_when_it_takes_too_long() -> None:
    jobs, done, go_on = Jobs("test"), list[str](), threading.Event()
    jobs.now(go_on.wait)
    jobs.soon(lambda: done.append("soon"))
    with pytest.raises(TimeoutError, match="test is not done"):
        jobs.settle(0.05)
    assert done == []
    go_on.set()
    jobs.settle(20)
    assert (done, jobs.waiting) == (["soon"], 0)


def test_a_job_that_fails_is_told_of_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    jobs, done = Jobs("test"), list[str]()
    jobs.now(lambda: 1 / 0)
    jobs.soon(lambda: 1 / 0)
    jobs.soon(lambda: done.append("soon"))
    jobs.settle(20)
    assert done == ["soon"]
    assert [record.getMessage() for record in caplog.records] == ["a job failed"] * 2
