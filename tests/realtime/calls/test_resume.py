"""A call over one socket after another, through the real application."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chats.models import Conversation, Membership, User
from realtime.bridge import Limits
from realtime.calls import live, running
from realtime.db import in_database
from realtime.models import CallRecord
from tests.realtime.test_consumer import (
    SECOND,
    answer,
    finalised,
    messages,
    opened,
    provider_of,
    sign_in,
)
from tests.scripted import (
    Die,
    Expect,
    Hear,
    Send,
    Until,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 5
HANG_UP = {"type": "nextvoice.hang_up"}


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


class Page:
    """The page's side of a call over as many sockets as it takes."""

    def __init__(self, here: str, conversation: Conversation, cookie: str) -> None:
        self.frames: list[dict[str, Any] | bytes] = []
        self.ready: dict[str, Any] = {}
        self.answered: dict[str, Any] = {}  # how the last resume was answered
        self.code: int | None = None
        self.socket: ClientConnection
        self._url = f"{here.replace('http', 'ws', 1)}/ws/call/{conversation.pk}/"
        self._headers = {"Cookie": cookie}
        self._origin: Any = here
        self._news = asyncio.Condition()
        self._sockets: list[ClientConnection] = []
        self._reading: set[asyncio.Task[None]] = set()

    async def dial(self, first: dict[str, Any]) -> None:
        """Open another socket and say the first thing on it."""
        self.socket = await connect(
            self._url,
            origin=self._origin,
            additional_headers=self._headers,
            proxy=None,
            ping_interval=None,
            close_timeout=1,
        )
        self._sockets.append(self.socket)
        self.code, self.answered = None, {}
        self._reading.add(asyncio.create_task(self._read(self.socket)))
        with suppress(ConnectionClosed):  # it may be refused before it has spoken
            await self.say(first)

    async def start(self) -> dict[str, Any]:
        """Begin a call."""
        await self.dial({"type": "nextvoice.start"})
        await self.until(lambda: self.ready)
        return self.ready

    async def resume(self, **changes: Any) -> dict[str, Any]:
        """Take the call up over another socket; how that was answered."""
        await self.dial(self.wish(**changes))
        await self.until(lambda: self.answered)
        return self.answered

    def wish(self, **changes: Any) -> dict[str, Any]:
        """The frame that asks for the call."""
        wish = {"call_id": self.ready["call_id"], "token": self.ready["resume"]["token"]}
        return {"type": "nextvoice.resume", **wish, "received": len(self.frames), **changes}

    async def say(self, frame: dict[str, Any] | bytes) -> None:
        """Send a frame."""
        await self.socket.send(frame if isinstance(frame, bytes) else json.dumps(frame))

    def vanish(self) -> None:
        """Lose the socket as a network does."""
        self.socket.transport.abort()

    @property
    def types(self) -> list[str]:
        return [f["type"] if isinstance(f, dict) else "audio" for f in self.frames]

    @property
    def audio(self) -> bytes:
        return b"".join(f for f in self.frames if isinstance(f, bytes))

    async def until(self, found: Any) -> Any:
        """Wait until `found()` is something."""
        async with asyncio.timeout(SOON), self._news:
            return await self._news.wait_for(found)

    async def ended(self) -> tuple[str, int | None]:
        """How it ended: reason and close code."""
        await self.until(lambda: self.code is not None)
        last = self.answered if "reason" in self.answered else self.frames[-1]
        return (last["reason"] if isinstance(last, dict) else "", self.code)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                event = frame if isinstance(frame, bytes) else json.loads(frame)
                async with self._news:
                    self._take(event)
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        async with self._news:
            if socket is self.socket:
                close = socket.protocol.close_rcvd
                self.code = close.code if close else 1006
            self._news.notify_all()

    def _take(self, event: dict[str, Any] | bytes) -> None:
        if isinstance(event, dict) and event["type"] == "nextvoice.ready":
            self.ready, self.frames = event, []
        elif isinstance(event, dict) and self.ready and _is_answer(event):
            self.answered = event
            return
        self.frames.append(event)

    async def close(self) -> None:
        """Close every socket there was."""
        for socket in self._sockets:
            await socket.close()
        await asyncio.wait(self._reading)


def _is_answer(event: dict[str, Any]) -> bool:
    return event["type"] == "nextvoice.resumed" or event.get("reason") == "not_resumable"


@asynccontextmanager
async def page_of(here: str, conversation: Conversation, cookie: str) -> AsyncIterator[Page]:
    page = Page(here, conversation, cookie)
    try:
        yield page
    finally:
        await page.close()


def test_a_call_s_last_words_fit_into_their_time() -> None:
    limits = Limits()
    assert limits.drain_seconds + running.SETTLE_SECONDS < limits.finalise_seconds


# --- going on ---------------------------------------------------------------------------------


async def test_an_answer_goes_on_where_the_network_cut_it(
    here: str, conversation: Conversation, cookie: str
) -> None:
    on, over = asyncio.Event(), asyncio.Event()
    pieces = [bytes([n, 0]) * 1200 for n in range(20)]
    script = opened(
        Hear(2 * 960),
        Send(response_created(), *map(audio_delta, pieces[:10])),
        Until(on),
        Send(*map(audio_delta, pieces[10:])),
        Until(over),
        Send(response_done()),
    )
    async with provider_of(script) as provider, page_of(here, conversation, cookie) as page:
        ready = await page.start()
        assert (len(ready["resume"]["token"]), ready["resume"]["seconds"]) == (32, 15)
        for _ in range(2):
            await page.say(bytes(960))
        await page.until(lambda: page.types.count("audio") == 10)
        page.vanish()
        await asyncio.sleep(0.05)
        on.set()  # what comes while nobody is there arrives later
        await asyncio.sleep(0.05)
        assert await page.resume() == {"type": "nextvoice.resumed", "received": 2}
        over.set()
        await page.until(lambda: "response.done" in page.types)
        assert page.audio == b"".join(pieces)
        # The upstream noticed nothing.
        assert (len(provider.visits), page.types.count("nextvoice.ready")) == (1, 1)
        await page.say(bytes(960))
        await page.say(HANG_UP)
        assert await page.ended() == ("hang_up", 1000)
        visit = await provider.visit()
        row = await finalised("hang_up", visit)
        assert bytes(visit.audio) == bytes(3 * 960)
    assert (row.spoken_ms, row.answered_ms) == (60, len(page.audio) // 48)
    assert [m.recording.duration_ms for m in await messages()] == [len(page.audio) // 48]


async def test_a_socket_the_server_still_believes_in_is_replaced(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()), page_of(here, conversation, cookie) as page:
        await page.start()
        await page.until(lambda: page.types.count("session.created") == 1)
        old = page.socket
        for _ in range(3):
            assert (await page.resume())["type"] == "nextvoice.resumed"
        async with asyncio.timeout(SOON):
            await old.wait_closed()
        assert old.protocol.close_rcvd is not None
        assert old.protocol.close_rcvd.code == running.REPLACED
        assert live.count() == 1
        await page.say(HANG_UP)
        assert await page.ended() == ("hang_up", 1000)
    assert await in_database(CallRecord.objects.count) == 1


async def test_a_call_ends_when_nobody_comes_back(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RESUME_SECONDS", 0.3)
    script = opened(Hear(SECOND), answer(bytes(960)))
    async with provider_of(script) as provider, page_of(here, conversation, cookie) as page:
        await page.start()
        for _ in range(10):
            await page.say(bytes(SECOND // 10))
        await page.until(lambda: "response.done" in page.types)
        page.vanish()
        await finalised("browser_gone", await provider.visit())
        assert (await page.resume())["reason"] == "not_resumable"
        assert await page.ended() == ("not_resumable", 4410)
    assert [(m.text, m.recording.state) for m in await messages()] == [("Hello there.", "ready")]


async def test_a_page_that_is_closed_ends_its_call_at_once(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()) as provider, page_of(here, conversation, cookie) as page:
        await page.start()
        await page.socket.close(1001)
        await finalised("browser_gone", await provider.visit())


async def test_a_new_start_takes_over_a_call_that_waits_for_its_page(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()) as provider, page_of(here, conversation, cookie) as page:
        await page.start()
        page.vanish()
        async with page_of(here, conversation, cookie) as other:
            await other.start()
            await (await provider.visit(0)).over.wait()
            async with asyncio.timeout(SOON):
                while live.count() > 1:  # noqa: ASYNC110 (a test may poll)
                    await asyncio.sleep(0.01)
            # The page that comes back must not take it back unasked.
            await page.dial(page.wish())
            assert await page.ended() == ("taken_over", 4409)
            # A wrong token learns nothing.
            await page.dial(page.wish(token="x" * 32))
            assert await page.ended() == ("not_resumable", 4410)
            await other.say(HANG_UP)
            assert await other.ended() == ("hang_up", 1000)


async def test_draining_ends_a_call_that_waits_for_its_page(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_stopping", False)
    monkeypatch.setattr(live, "_drained", None)
    async with provider_of(opened()) as provider, page_of(here, conversation, cookie) as page:
        await page.start()
        page.vanish()
        await live.drain(SOON)
        await finalised("server_stopping", await provider.visit())
        monkeypatch.setattr(live, "_drained", None)


async def test_a_server_that_gives_a_consumer_up_ends_no_call(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened(Expect("response.create"), answer(bytes(960)))):
        async with page_of(here, conversation, cookie) as page:
            await page.start()
            for task in asyncio.all_tasks():
                if "run_asgi" in repr(task.get_coro()):
                    task.cancel()
            await page.until(lambda: page.code is not None)
            assert live.count() == 1
            assert (await page.resume())["type"] == "nextvoice.resumed"
            await page.say({"type": "response.create"})
            await page.until(lambda: "response.done" in page.types)
            await page.say(HANG_UP)
            assert await page.ended() == ("hang_up", 1000)


# --- who may not ------------------------------------------------------------------------------


async def test_strangers_and_wrong_tokens_take_up_nothing(
    here: str, ann: User, bob: User, eve: User, conversation: Conversation, cookie: str
) -> None:
    team = await in_database(bob.accounts.get, slug="team")
    other = await in_database(Conversation.objects.create, owner=ann, account=team)
    theirs = await in_database(Conversation.objects.create, owner=bob, account=team)
    bobs = await in_database(sign_in, bob)
    eves = await in_database(sign_in, eve)
    async with provider_of(opened()) as provider, page_of(here, conversation, cookie) as page:
        ready = await page.start()
        token = ready["resume"]["token"]
        right = {"call_id": ready["call_id"], "token": token, "received": 1}
        attempts: list[tuple[Conversation, str, dict[str, Any], str | None]] = [
            (conversation, cookie, {"token": "x" * 32}, "not_resumable"),
            (conversation, cookie, {"token": token[:-1]}, "not_resumable"),
            (conversation, cookie, {"call_id": str(conversation.pk)}, "not_resumable"),
            (conversation, cookie, {"received": 999}, "not_resumable"),
            (other, cookie, {}, "not_resumable"),
            (theirs, bobs, {}, "not_resumable"),
            (conversation, bobs, {}, None),
            (conversation, eves, {}, None),
            (conversation, "", {}, "signed_out"),
        ]
        for place, who, changes, reason in attempts:
            async with page_of(here, place, who) as stranger:
                await stranger.dial({"type": "nextvoice.resume", **right, **changes})
                await stranger.until(lambda s=stranger: s.code is not None)
                told = [f["reason"] for f in stranger.frames if isinstance(f, dict)]
                wanted = {"not_resumable": 4410, "signed_out": 4401, None: 4404}
                assert (told, stranger.code) == ([reason] if reason else [], wanted[reason])
        # The call itself went on, over its own socket.
        assert (live.count(), len(provider.visits), page.code) == (1, 1, None)
        await page.say(HANG_UP)
        assert await page.ended() == ("hang_up", 1000)


async def test_who_lost_the_conversation_does_not_get_its_call_back(here: str, bob: User) -> None:
    team = await in_database(bob.accounts.get, slug="team")
    own = await in_database(Conversation.objects.create, owner=bob, account=team)
    cookie = await in_database(sign_in, bob)
    async with provider_of(opened()), page_of(here, own, cookie) as page:
        await page.start()
        page.vanish()
        await in_database(Membership.objects.filter(account=team, user=bob).delete)
        await page.dial({"type": "nextvoice.resume", **page.ready["resume"]})
        await page.until(lambda: page.code is not None)
        assert page.code == 4404
        for stop in [entry.stop for entry in live._calls.values()]:
            stop("signed_out")
        await finalised("signed_out")


async def test_the_token_reaches_the_page_and_nothing_else(
    here: str, conversation: Conversation, cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # The test's own client and provider log what goes over their lines.
    for name in ("websockets.client", "websockets.server"):
        logging.getLogger(name).setLevel(logging.WARNING)
    async with provider_of(opened(Expect("response.create"), answer(bytes(960)))) as provider:
        async with page_of(here, conversation, cookie) as page:
            ready = await page.start()
            token = ready["resume"]["token"]
            page.vanish()
            await page.resume()
            await page.resume(token=token[::-1])
            await page.dial({"type": "nextvoice.resume", **ready["resume"], "received": -1})
            await page.until(lambda: "error" in page.types)
            visit = await provider.visit()
        row = await finalised("browser_gone", visit)
    logged = "\n".join(f"{r.getMessage()} {r.exc_text} {r.args}" for r in caplog.records)
    elsewhere = logged + json.dumps(visit.events) + str(vars(row))
    assert (token in elsewhere, token[::-1] in elsewhere) == (False, False)
    told = [f for f in page.frames if isinstance(f, dict) and token in json.dumps(f)]
    assert [f["type"] for f in told] in ([], ["nextvoice.ready"])


# --- the provider breaks ----------------------------------------------------------------------


def _words(item_id: str, text: str) -> dict[str, Any]:
    kind = "response.output_audio_transcript.delta"
    return {"type": kind, "item_id": item_id, "response_id": "resp_1", "delta": text}


async def test_an_answer_the_provider_broke_off_is_kept_and_the_call_goes_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    broken = Send(
        response_created(),
        item_added("item_a", None, "assistant"),
        _words("item_a", "Once upon"),
        audio_delta(bytes(9600)),
    )
    second = [
        Send(session_created("sess_2")),
        Expect("conversation.item.create", "response.create"),
        Send(
            response_created("resp_2"),
            item_added("item_b", "item_a", "assistant"),
            _words("item_b", "I am back."),
            audio_delta(bytes(4800), "item_b", "resp_2"),
            response_done("resp_2", output=[item_added("item_b", None, "assistant")["item"]]),
        ),
    ]
    script = opened(Expect("response.create"), broken, Die())
    async with provider_of(script, second) as provider:
        async with page_of(here, conversation, cookie) as page:
            await page.start()
            await page.say({"type": "response.create"})
            await page.until(lambda: "nextvoice.reconnected" in page.types)
            page.vanish()  # both lines at once, nearly
            await page.resume()
            await page.say({"type": "response.create"})
            await page.until(lambda: page.types.count("response.done") == 2)
            await page.say(HANG_UP)
            assert await page.ended() == ("hang_up", 1000)
            visit = await provider.visit(1)
            await finalised("hang_up", visit)
    assert visit.problem is None
    told = [event["item"]["content"] for event in visit.of_type("conversation.item.create")]
    assert told == [[{"type": "output_text", "text": "Once upon"}]]
    kept = [(m.item_id, m.status, m.text, m.recording.duration_ms) for m in await messages()]
    assert kept == [
        ("item_a", "interrupted", "Once upon", 200),
        ("item_b", "completed", "I am back.", 100),
    ]
    assert page.audio == bytes(9600 + 4800)
