"""The browser's side of a call, over one socket after another."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge import Gone, Limits, ResumableBrowser
from realtime.bridge.resumable import Ring
from tests.bridge.doubles import Page
from tests.examples import examples

READY = '{"type":"nextvoice.ready"}'
SOON = Limits(resume_seconds=0.05)


class Wire(Page):
    """A socket whose page reads what has arrived when it likes, or never."""

    @property
    def raw(self):
        return [f if isinstance(f, bytes) else orjson.dumps(f).decode() for f in self.frames]


async def ready(limits=SOON):
    """A `ResumableBrowser` whose call is ready, and its first socket."""
    wire = Wire()
    browser = ResumableBrowser(wire, limits)
    await browser.send(READY)
    return browser, wire


def resumed(browser, received, token=None):
    wire = Wire()
    return browser.resume(wire, token or browser.token, received), wire


# Numbers


def test_the_ring_gives_what_it_still_has():
    ring = Ring(most=6)
    for frame in (b"aa", "b", b"ccc"):
        ring.add(frame)
    assert ring.since(0) == [b"aa", "b", b"ccc"]
    ring.add(b"d")
    assert [ring.since(n) for n in (0, 1, 4, 5, -1)] == [
        None,
        ["b", b"ccc", b"d"],
        [],
        None,
        None,
    ]


def test_what_has_arrived_is_not_kept():
    ring = Ring(most=100)
    for frame in (b"aa", "b", b"ccc"):
        ring.add(frame)
    ring.forget(2)
    assert [ring.since(n) for n in (0, 1, 2, 3)] == [None, None, [b"ccc"], []]
    ring.forget(1)
    ring.forget(99)  # more than there ever were
    ring.add(b"d")
    assert [ring.since(n) for n in (2, 3, 4)] == [None, [b"d"], []]


async def test_what_was_sent_before_the_call_was_ready_is_not_counted():
    wire = Wire()
    browser = ResumableBrowser(wire, SOON)
    await browser.send('{"type":"error"}')
    await browser.send(READY)
    await browser.send(b"audio")
    went_on, new = resumed(browser, 1)
    assert (went_on, new.raw[1:]) == (True, [b"audio"])
    await browser.close()


async def test_the_new_socket_is_told_how_much_arrived_and_gets_what_is_missing():
    browser, wire = await ready()
    for frame in (b"1", '{"n":2}', b"3"):
        await browser.send(frame)
    wire.say(b"mine")
    assert await browser.receive() == b"mine"
    went_on, new = resumed(browser, 2)
    assert went_on
    await browser.send(b"4")
    assert new.raw == ['{"type":"nextvoice.resumed","received":1}', '{"n":2}', b"3", b"4"]
    assert len(wire.frames) == 4  # nothing more went to the old one
    await browser.close()


async def test_frames_of_a_socket_that_was_replaced_are_neither_taken_nor_counted():
    browser, wire = await ready()
    reading = asyncio.create_task(browser.receive())
    await asyncio.sleep(0)
    wire.say(b"late")  # on its way when the next socket comes
    _, new = resumed(browser, 1)
    wire.say(b"later")
    new.say(b"first")
    assert await reading == b"first"
    assert (browser.received, new.frames[0]["received"]) == (1, 0)
    await browser.close()


# Who may


async def test_a_page_hears_that_its_line_is_there_and_nobody_counts_it():
    browser, wire = await ready(Limits(resume_seconds=5, beat_seconds=0.02))
    await wire.until("nextvoice.beat", 2)
    went_on, new = resumed(browser, 1)
    assert went_on
    await new.until("nextvoice.beat", 2)
    assert {*new.types()} == {"nextvoice.resumed", "nextvoice.beat"}
    await browser.close()
    said = len(new.frames)
    await asyncio.sleep(0.05)
    assert len(new.frames) == said


async def test_a_wrong_token_changes_nothing():
    browser, wire = await ready()
    for token in ("", "wrong", "\u00e9", browser.token + "x", browser.token[:-1]):
        assert resumed(browser, 1, token or " ")[0] is False
    await browser.send(b"still here")
    assert wire.frames[-1] == b"still here"
    await browser.close()


async def test_tokens_are_long_and_each_call_has_its_own():
    one, two = (await ready())[0], (await ready())[0]
    assert one.terms == {"token": one.token, "seconds": SOON.resume_seconds}
    assert (len(one.token), one.token == two.token) == (32, False)
    assert one.token not in repr(one)
    await one.close()
    await two.close()


@pytest.mark.parametrize("received", [0, 9])
async def test_what_is_no_longer_kept_or_never_was_cannot_be_resumed(received):
    browser, wire = await ready(Limits(resume_bytes=10))
    await browser.send(b"a longer frame")
    assert resumed(browser, received)[0] is False
    await browser.send(b"x")
    assert wire.frames[-1] == b"x"
    await browser.close()


async def test_before_it_was_ready_a_call_cannot_be_resumed_and_a_loss_ends_it():
    wire = Wire()
    browser = ResumableBrowser(wire, SOON)
    assert resumed(browser, 0)[0] is False
    wire.leave(1006)
    assert await browser.receive() == Gone(1006)


async def test_after_the_call_it_cannot_be_resumed():
    browser, wire = await ready()
    waiting = asyncio.create_task(browser.until_let_go(wire))
    await browser.close()
    await waiting
    assert resumed(browser, 1)[0] is False
    assert isinstance(await browser.receive(), Gone)


# Loss


@pytest.mark.parametrize("code", [None, 1005, 1006, 1011, 1012])
async def test_a_lost_socket_is_waited_for_and_then_given_up(code):
    browser, wire = await ready()
    wire.leave(code)
    began = time.monotonic()
    assert await browser.receive() == Gone()
    assert time.monotonic() - began >= SOON.resume_seconds
    assert resumed(browser, 1)[0] is False


@pytest.mark.parametrize("code", [1000, 1001, 1009])
async def test_a_page_that_leaves_is_not_waited_for(code):
    browser, wire = await ready(Limits(resume_seconds=60))
    wire.leave(code)
    assert await browser.receive() == Gone(code)


async def test_what_is_sent_while_nobody_is_there_arrives_later():
    browser, wire = await ready(Limits(resume_seconds=60))
    reading = asyncio.create_task(browser.receive())
    wire.leave(1006)
    await browser.until_let_go(wire)
    await browser.send(b"1")
    await browser.send(b"2")
    _, new = resumed(browser, 1)
    new.say(b"back")
    assert (await reading, new.raw[1:]) == (b"back", [b"1", b"2"])
    await browser.close()


async def test_a_socket_that_cannot_be_sent_to_says_itself_whether_the_page_left():
    browser, wire = await ready(Limits(resume_seconds=60))
    wire.broken = True
    await browser.send(b"1")
    wire.leave(1001)
    assert await browser.receive() == Gone(1001)
    browser, wire = await ready(Limits(resume_seconds=60))
    wire.broken = True
    await browser.send(b"1")
    went_on, new = resumed(browser, 1)
    assert (went_on, new.raw[1:]) == (True, [b"1"])
    await browser.close()


async def test_the_owner_of_a_socket_can_give_it_up():
    browser, wire = await ready(Limits(resume_seconds=60))
    reading = asyncio.create_task(browser.receive())
    await asyncio.sleep(0)
    browser.lose(wire)
    _, new = resumed(browser, 1)
    browser.lose(wire)  # too late to matter
    new.say(b"back")
    assert await reading == b"back"
    await browser.close()


# A socket that takes nothing


async def test_a_full_socket_is_waited_for():
    browser, wire = await ready(Limits(resume_bytes=1600))
    wire.blocked = asyncio.Event()
    await browser.send(bytes(50))  # taken, and stuck
    sending = asyncio.create_task(_send_all(browser, [bytes(60)] * 3))
    await asyncio.sleep(0.01)
    assert sending.done() is False
    wire.blocked.set()
    await sending
    await browser.drain()
    assert len(wire.frames) == 5
    await browser.close()


async def test_another_socket_frees_who_waits_for_a_full_one():
    browser, wire = await ready(Limits(resume_bytes=1600))
    wire.blocked = asyncio.Event()
    frames = [bytes([n]) * 60 for n in range(4)]
    sending = asyncio.create_task(_send_all(browser, frames))
    await asyncio.sleep(0.01)
    _, new = resumed(browser, 1)
    await sending
    assert new.raw[1:] == frames
    await browser.close()


async def test_when_too_much_would_have_to_be_kept_the_sender_waits_for_the_page():
    browser, wire = await ready(Limits(resume_bytes=100, resume_seconds=60))
    browser.lose(wire)
    await browser.send(bytes(50))
    sending = asyncio.create_task(browser.send(bytes(10)))
    await asyncio.sleep(0.01)
    assert sending.done() is False
    went_on, new = resumed(browser, 1)
    await sending
    assert (went_on, new.raw[1:]) == (True, [bytes(50), bytes(10)])
    await browser.close()


async def _send_all(browser, frames):
    for frame in frames:
        await browser.send(frame)


# Whatever happens, nothing is missing and nothing is doubled


class Ends:
    """Both ends of a call on a network that loses sockets."""

    def __init__(self):
        self.wire = Wire()
        self.browser = ResumableBrowser(self.wire, Limits(resume_seconds=60))
        self.sent, self.heard = [], []  # by the server
        self.said, self.got = [], []  # by the page
        self.flying = deque()  # from the page, on its way
        self.seen = 0  # frames of this socket that the page has looked at

    async def down(self, count):
        for _ in range(count):
            kind = len(self.sent) % 3
            number = len(self.sent)
            frame = READY if not number else bytes([number % 256]) if kind else f'{{"n":{number}}}'
            self.sent.append(frame)
            await self.browser.send(frame)

    async def up(self, count):
        for _ in range(count):
            number = len(self.said)
            self.said.append(bytes([number % 256]) * 2 if number % 2 else f'{{"n":{number}}}')
            self.flying.append(self.said[-1])

    async def arrive(self, ups, downs, ticks):
        for _ in range(min(ups, len(self.flying))):
            self.wire.incoming.put_nowait(self.flying.popleft())
        for frame in self.wire.raw[self.seen :][:downs]:
            self.seen += 1
            if isinstance(frame, str) and "nextvoice.resumed" in frame:
                self.flying = deque(self.said[orjson.loads(frame)["received"] :])
            else:
                self.got.append(frame)
        for _ in range(ticks):
            await asyncio.sleep(0)

    async def cut(self, noticed):
        if noticed:
            self.wire.leave(1006)
            await asyncio.sleep(0)
        self.flying.clear()
        self.wire, self.seen = Wire(), 0
        assert self.browser.resume(self.wire, self.browser.token, len(self.got))
        # What it says next must wait for the answer, as the page's does.
        await self.arrive(0, 1, 0)

    async def listen(self):
        while not isinstance(frame := await self.browser.receive(), Gone):
            self.heard.append(frame)

    async def run(self, steps):
        listening = asyncio.create_task(self.listen())
        await self.down(1)
        for step, *numbers in steps:
            await getattr(self, step)(*numbers)
        await self.cut(False)
        await self.arrive(10_000, 10_000, 0)
        for _ in range(10_000):
            if len(self.heard) >= len(self.said):
                break
            await asyncio.sleep(0)
        await self.arrive(0, 10_000, 50)  # what is doubled would come now
        await self.browser.close()
        await listening
        assert self.got == self.sent
        assert self.heard == self.said


SMALL = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.just("down"), SMALL),
    st.tuples(st.just("up"), SMALL),
    st.tuples(st.just("arrive"), SMALL, SMALL, SMALL),
    st.tuples(st.just("cut"), st.booleans()),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_wherever_sockets_are_cut_nothing_is_missing_or_doubled(steps):
    asyncio.run(_play(steps))


async def _play(steps):
    await Ends().run(steps)
