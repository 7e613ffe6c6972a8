from __future__ import annotations

import asyncio
import gc

import pytest

from realtime.bridge.writer import Writer, size_of


class Wire:
    """A `send` that can be made to wait, fail or be slow, and records what it sent."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.tasks: list[asyncio.Task | None] = []

    async def __call__(self, frame):
        if self.error is not None:
            raise self.error
        await self.open.wait()
        self.tasks.append(asyncio.current_task())
        self.sent.append(frame)


class Calls:
    def __init__(self) -> None:
        self.made: list[str] = []

    def options(self):
        return {
            "on_stuck": lambda: self.made.append("stuck"),
            "on_lost": lambda error: self.made.append(f"lost {error}"),
            "on_pause": lambda: self.made.append("pause"),
            "on_resume": lambda: self.made.append("resume"),
        }


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
def calls():
    return Calls()


async def test_a_frame_that_need_not_wait_is_sent_before_write_returns(wire):
    writer = Writer(wire)
    writer.write("a")
    writer.write(b"b")
    assert wire.sent == ["a", b"b"]
    await writer.close()


async def test_frames_behind_one_that_waits_keep_their_order(wire):
    writer = Writer(wire)
    writer.write("1")
    wire.open.clear()
    for n in range(2, 6):
        writer.write(str(n))
    await asyncio.sleep(0)
    assert wire.sent == ["1"]
    wire.open.set()
    await writer.drain()
    assert wire.sent == list("12345")
    writer.write("6")
    assert wire.sent == list("123456")
    await writer.close()


async def test_the_future_may_be_done_before_the_task_gets_to_it(wire):
    writer = Writer(wire)
    wire.open.clear()
    writer.write("a")
    wire.open.set()  # before the writer's task has run at all
    await writer.drain()
    assert wire.sent == ["a"]
    await writer.close()


async def test_a_future_others_await_too_is_fine():
    shared = asyncio.get_running_loop().create_future()
    sent = []

    async def send(frame):
        sent.append((frame, await shared))

    async def another():
        return await shared

    writer = Writer(send)
    await asyncio.sleep(0)  # the writer's task waits for work
    other = asyncio.create_task(another())
    writer.write("a")
    # The other task takes the future, with its flag, before the writer's task does.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shared.set_result(7)
    await writer.drain()
    assert sent == [("a", 7)]
    assert await other == 7
    await writer.close()


async def test_a_lock_inside_send_is_held_and_released():
    lock, sent = asyncio.Lock(), []

    async def send(frame):
        async with lock:
            await asyncio.sleep(0)
            sent.append(frame)

    writer = Writer(send)
    await lock.acquire()
    for n in range(5):
        writer.write(str(n))
    assert sent == []
    lock.release()
    await writer.drain()
    assert sent == list("01234")
    assert not lock.locked()
    await writer.close()


async def test_bare_yields_shields_and_gathered_futures_inside_send_work():
    sent = []

    async def send(frame):
        await asyncio.sleep(0)
        done = asyncio.get_running_loop().create_future()
        done.set_result(frame)
        await asyncio.shield(done)
        (value,) = await asyncio.gather(asyncio.sleep(0.001, frame))
        sent.append(value)

    writer = Writer(send)
    writer.write("a")
    writer.write("b")
    await writer.drain()
    assert sent == ["a", "b"]
    await writer.close()


async def test_send_sees_one_and_the_same_task_in_all_its_steps(wire):
    seen = []

    async def send(frame):
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    caller = asyncio.current_task()
    writer = Writer(send)
    writer.write("a")
    assert asyncio.current_task() is caller
    await writer.drain()
    assert seen[0] is seen[1]
    assert seen[0] is not caller
    await writer.close()


async def test_a_timeout_inside_send_hits_send_and_not_the_caller():
    outcome = []

    async def send(frame):
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            outcome.append("timed out")

    writer = Writer(send)
    writer.write("a")
    writer.write("b")
    await writer.drain()
    assert outcome == ["timed out", "timed out"]
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    await writer.close()


async def test_it_works_from_a_callback_outside_any_task(wire):
    writer = Writer(wire)
    done = asyncio.Event()

    def callback():
        writer.write("a")
        wire.open.clear()
        writer.write("b")
        done.set()

    asyncio.get_running_loop().call_soon(callback)
    await done.wait()
    assert wire.sent == ["a"]
    wire.open.set()
    await writer.drain()
    assert wire.sent == ["a", "b"]
    await writer.close()


async def test_writing_from_within_send_keeps_the_order():
    sent = []

    async def send(frame):
        if frame == "a":
            writer.write("b")
        sent.append(frame)

    writer = Writer(send)
    writer.write("a")
    await writer.drain()
    assert sent == ["a", "b"]
    await writer.close()


async def test_high_and_low_water_are_told_once_each(wire, calls):
    writer = Writer(wire, high_water=100, low_water=50, **calls.options())
    wire.open.clear()
    for _ in range(12):
        writer.write(b"x" * 10)
    assert calls.made == ["pause"]
    assert writer.queued == 110
    wire.open.set()
    await writer.drain()
    assert calls.made == ["pause", "resume"]
    assert writer.queued == 0
    await writer.close()


async def test_a_frame_the_queue_cannot_hold_makes_it_stuck(wire, calls):
    writer = Writer(wire, max_queued=30, **calls.options())
    wire.open.clear()
    for _ in range(9):
        writer.write(b"x" * 10)
    assert calls.made == ["stuck"]
    assert writer.closed
    assert writer.queued == 0
    wire.open.set()
    await writer.drain()
    writer.write("later")
    assert wire.sent == []
    await writer.close()


async def test_a_frame_larger_than_the_queue_waits_its_turn(wire, calls):
    writer = Writer(wire, max_queued=30, high_water=20, low_water=10, **calls.options())
    wire.open.clear()
    frames = [b"x" * 50, "said of the next one", b"y" * 50]
    for frame in frames:
        writer.write(frame)
    assert calls.made == ["pause"]
    wire.open.set()
    await writer.drain()
    assert wire.sent == frames
    writer.write("later")
    assert calls.made == ["pause", "resume"]
    await writer.close()


async def test_a_send_that_lasts_too_long_is_stuck_and_given_up(calls):
    given_up = []

    async def send(frame):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(frame)
            raise

    stuck = asyncio.Event()
    options = calls.options() | {"on_stuck": stuck.set}
    writer = Writer(send, stuck_after=0.01, **options)
    writer.write("a")
    async with asyncio.timeout(2):
        await stuck.wait()
    await writer.close()
    assert given_up == ["a"]
    assert calls.made == []


async def test_an_error_at_once_is_lost_and_does_not_reach_the_caller(wire, calls):
    writer = Writer(wire, **calls.options())
    wire.error = ConnectionResetError("gone")
    writer.write("a")
    writer.write("b")
    assert calls.made == ["lost gone"]
    await writer.close()


async def test_an_error_while_waiting_is_lost(calls):
    gate = asyncio.Event()

    async def send(frame):
        await gate.wait()
        raise ConnectionResetError("gone")

    writer = Writer(send, **calls.options())
    writer.write("a")
    writer.write("b")
    gate.set()
    await writer.drain()
    assert calls.made == ["lost gone"]
    assert writer.closed
    await writer.close()


async def test_a_cancellation_inside_send_is_lost_and_cancels_no_caller(calls):
    async def send(frame):
        raise asyncio.CancelledError

    writer = Writer(send, **calls.options())
    writer.write("a")
    assert calls.made == ["lost send was cancelled"]
    await writer.close()


async def test_close_gives_up_what_waits_even_before_the_task_has_run():
    given_up = []

    async def send(frame):
        try:
            await asyncio.Event().wait()
        finally:
            given_up.append(frame)

    writer = Writer(send)
    writer.write("a")
    writer.write("b")
    await writer.close()
    await writer.close()
    await writer.drain()
    assert given_up == ["a"]
    gc.collect()


async def test_writing_costs_no_task_but_the_one_that_would_wait(wire):
    writer = Writer(wire)
    writer.write("a")
    before = asyncio.all_tasks()
    for _ in range(10):
        writer.write("a")
    assert asyncio.all_tasks() == before
    await writer.close()


async def test_where_nothing_ever_waits_there_is_no_task_at_all(wire):
    before, sent = asyncio.all_tasks(), []
    writer = Writer(wire, at_once=lambda frame: not sent.append(frame))
    for _ in range(10):
        writer.write("a")
    await writer.drain()
    assert (len(sent), asyncio.all_tasks()) == (10, before)
    await writer.close()
    writer.write("too late")
    assert len(sent) == 10


def test_the_size_of_text_is_its_bytes():
    assert [size_of("abc"), size_of("é"), size_of(b"abcd")] == [3, 2, 4]


async def test_a_send_that_waited_and_went_through_is_not_stuck_later(wire, calls):
    writer = Writer(wire, stuck_after=0.02, **calls.options())
    wire.open.clear()
    writer.write("a")
    wire.open.set()
    await writer.drain()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.04, later.set)
    await later.wait()
    assert calls.made == []
    await writer.close()
