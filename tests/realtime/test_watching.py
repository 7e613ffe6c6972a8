"""A conversation seen from another tab while its call goes on, and who may see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chats.models import Conversation, Membership, Message, User
from realtime import watching
from realtime.calls import lookout
from realtime.calls.opening import is_spoken
from realtime.db import in_database
from realtime.models import CallRecord
from realtime.recorder.keeper import GROWING, html_of
from tests.realtime.test_consumer import SECOND, answer, opened, provider_of, sign_in
from tests.scripted import Until
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


@pytest.fixture
def stranger(eve: User) -> str:
    return sign_in(eve)


class Watcher:
    """Another tab. `events` is everything it was told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.code: int | None = None
        self._news = asyncio.Condition()

    async def read(self) -> None:
        try:
            async for frame in self.socket:
                async with self._news:
                    self.events.append(json.loads(frame))
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        async with self._news:
            self.code = self.socket.close_code
            self._news.notify_all()

    async def until(self, found: Callable[[], Any], seconds: float = 10.0) -> Any:
        async with asyncio.timeout(seconds), self._news:
            return await self._news.wait_for(found)

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [e for e in self.events if e["type"] == kind and fields.items() <= e.items()]


@asynccontextmanager
async def watcher(here: str, conversation: Conversation, cookie: str) -> AsyncIterator[Watcher]:
    url = f"{here.replace('http', 'ws', 1)}/ws/watch/{conversation.pk}/"
    headers = {"Cookie": cookie} if cookie else {}
    origin: Any = here
    async with connect(url, origin=origin, additional_headers=headers, proxy=None) as socket:
        made = Watcher(socket)
        reading = asyncio.create_task(made.read())
        try:
            yield made
        finally:
            reading.cancel()


async def test_another_tab_sees_what_is_said_and_that_the_call_is_over(
    here: str, cookie: str, conversation: Conversation
) -> None:
    go_on = asyncio.Event()
    async with (
        provider_of(opened(Until(go_on), answer(bytes(SECOND)), Until(asyncio.Event()))),
        watcher(here, conversation, cookie) as tab,
        Caller.dial(here, str(conversation.pk), cookie) as call,
    ):
        await tab.until(lambda: tab.of("nextvoice.watching"))
        ready = await call.start()
        shown = await tab.until(lambda: tab.of("nextvoice.call", live=True))
        assert (shown[0]["call_id"], shown[0]["spoken"]) == (ready["call_id"], True)
        go_on.set()
        said = await tab.until(lambda: tab.of("nextvoice.saved", text="Hello there."))
        assert (said[0]["role"], said[0]["call_id"]) == ("assistant", ready["call_id"])
        await call.send({"type": "nextvoice.hang_up"})
        over = await tab.until(lambda: tab.of("nextvoice.call", live=False))
        await call.ended()
        assert over[0]["duration_ms"] == call.of("nextvoice.ended")[0]["duration_ms"] > 0
        recorded = tab.of("nextvoice.saved", text="Hello there.")[-1]["recording"]
        assert recorded["duration_ms"] == 1000
        # Never sound, and nothing of the call that is not stored.
        kinds = {event["type"] for event in tab.events}
        assert kinds <= {
            "nextvoice.watching",
            "nextvoice.call",
            "nextvoice.saved",
            "nextvoice.title",
            "nextvoice.removed",
        }


@pytest.mark.parametrize("talks", [False, True])
async def test_a_new_title_is_told_where_one_watches_and_where_one_talks(
    here: str, cookie: str, conversation: Conversation, talks: bool
) -> None:
    def rename() -> None:
        conversation.title = "Weather"
        conversation.save(update_fields=["title"])

    async with (
        provider_of(opened(Until(asyncio.Event()))),
        watcher(here, conversation, cookie) as tab,
        Caller.dial(here, str(conversation.pk), cookie) as call,
    ):
        await tab.until(lambda: tab.of("nextvoice.watching"))
        if talks:
            await call.start()
            await tab.until(lambda: tab.of("nextvoice.call", live=True))
        await sync_to_async(rename)()
        await tab.until(lambda: tab.of("nextvoice.title", title="Weather"))
        if talks:
            assert (await call.event("nextvoice.title"))["title"] == "Weather"


async def test_a_tab_that_comes_late_is_shown_the_call_and_what_was_said(
    here: str, cookie: str, conversation: Conversation
) -> None:
    async with (
        provider_of(opened(answer(bytes(SECOND)), Until(asyncio.Event()))),
        Caller.dial(here, str(conversation.pk), cookie) as call,
    ):
        ready = await call.start()
        await call.event("response.done")
        await call.event("nextvoice.saved")
        async with watcher(here, conversation, cookie) as tab:
            await tab.until(lambda: tab.of("nextvoice.call", live=True))
            assert tab.events[0]["text"] == "Hello there."
            assert tab.of("nextvoice.call")[0]["call_id"] == ready["call_id"]
        await call.send({"type": "nextvoice.hang_up"})
        await call.ended()


async def test_a_page_that_took_over_is_told_what_the_call_before_left(
    here: str, cookie: str, conversation: Conversation
) -> None:
    story = opened(answer(bytes(SECOND)), Until(asyncio.Event()))
    async with (
        provider_of(story, opened(Until(asyncio.Event()))),
        Caller.dial(here, str(conversation.pk), cookie) as first,
    ):
        before = await first.start()
        await first.event("nextvoice.saved")
        async with Caller.dial(here, str(conversation.pk), cookie) as second:
            await second.start()
            assert await first.ended() == ("taken_over", 4409)
            left = await second.event("nextvoice.saved")
            assert (left["call_id"], left["text"]) == (before["call_id"], "Hello there.")
            await second.send({"type": "nextvoice.hang_up"})
            await second.ended()


async def test_what_is_sent_on_it_does_nothing(
    here: str, cookie: str, conversation: Conversation
) -> None:
    async with watcher(here, conversation, cookie) as tab:
        await tab.socket.send('{"type":"nextvoice.start"}')
        await tab.socket.send(b"\x00\x00")
        await tab.until(lambda: tab.of("nextvoice.watching"))
    assert await in_database(CallRecord.objects.count) == 0


async def test_a_stranger_sees_nothing(
    here: str, stranger: str, conversation: Conversation
) -> None:
    async with watcher(here, conversation, stranger) as tab:
        await tab.until(lambda: tab.code)
        assert (tab.code, tab.events) == (4404, [])


async def test_who_is_not_signed_in_sees_nothing(here: str, conversation: Conversation) -> None:
    async with watcher(here, conversation, "") as tab:
        await tab.until(lambda: tab.code)
        assert (tab.code, tab.events) == (4401, [])


def _leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def _deactivate_silently(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _delete(user: User) -> None:
    conversation = user.conversations.get()
    conversation.deleted = timezone.now()
    conversation.save()


@pytest.mark.parametrize(
    ("change", "beat", "code"),
    [(_leave, 3600, 4401), (_deactivate_silently, 0.05, 4401), (_delete, 3600, 4404)],
)
async def test_who_loses_the_conversation_sees_no_more(
    here: str,
    ann: User,
    cookie: str,
    conversation: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[User], None],
    beat: float,
    code: int,
) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", beat)
    async with watcher(here, conversation, cookie) as tab:
        await tab.until(lambda: tab.of("nextvoice.watching"))
        await in_database(change, ann)
        await tab.until(lambda: tab.code)
        assert tab.code == code


async def test_a_call_of_another_process_takes_over_though_its_word_was_lost(
    here: str, ann: User, cookie: str, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.05)
    async with (
        provider_of(opened(Until(asyncio.Event()))),
        Caller.dial(here, str(conversation.pk), cookie) as call,
    ):
        ready = await call.start()

        def begin_elsewhere() -> None:
            other = CallRecord.objects.get(pk=ready["call_id"])
            other.pk, other._state.adding = "11111111-1111-4111-8111-111111111111", True
            other.started = other.started.replace(year=other.started.year + 1)
            other.save()

        await in_database(begin_elsewhere)
        assert await call.ended() == ("taken_over", 4409)
        await in_database(CallRecord.objects.all().delete)


def test_what_is_stored_is_told_as_it_is(conversation: Conversation, eve: User) -> None:
    theirs = Conversation.objects.create(owner=eve, account=eve.own_account)
    Message.objects.create(conversation=theirs, position=99, role="user", text="Another's")
    for at in range(60):
        Message.objects.create(
            conversation=conversation, position=at, role="assistant", kind="typed", text=f"**{at}**"
        )
    told = watching.newest(conversation.pk)
    assert [event["text"] for event in told] == [f"**{at}**" for at in range(10, 60)]
    assert told[-1]["html"] == "<p><strong>59</strong></p>\n"
    last = Message.objects.get(text="**59**")
    assert told[-1]["created"] == last.created.isoformat()


async def test_a_person_watches_with_so_many_sockets_and_no_more(
    here: str,
    cookie: str,
    stranger: str,
    conversation: Conversation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "MOST", 2)
    async with watcher(here, conversation, cookie) as one:
        await one.until(lambda: one.of("nextvoice.watching"))
        async with watcher(here, conversation, cookie) as two:
            await two.until(lambda: two.of("nextvoice.watching"))
            async with watcher(here, conversation, cookie) as three:
                assert await three.until(lambda: three.code) == 4429
            # Others have room of their own, wherever they may look.
            async with watcher(here, conversation, stranger) as other:
                assert await other.until(lambda: other.code) == 4404

        async def is_let_in() -> bool:
            async with watcher(here, conversation, cookie) as tab:
                await tab.until(lambda: tab.code or tab.of("nextvoice.watching"))
                return tab.code is None

        async with asyncio.timeout(10):
            while not await is_let_in():
                pass  # the site has not noticed yet that the other one left


def test_a_long_answer_is_not_formatted_anew_with_each_piece_of_it() -> None:
    def told(status: str, length: int) -> object:
        message = Message(role="assistant", kind="typed", status=status, text="x" * length)
        return html_of(message.role, message.kind, message.status, message.text)

    grown = f"<p>{'x' * GROWING}</p>\n"
    assert told("in_progress", GROWING) == grown
    assert told("in_progress", GROWING + 1) is None
    assert told("completed", GROWING + 1) == grown.replace("</p>", "x</p>")


@pytest.mark.parametrize(
    ("modalities", "turns", "spoken"),
    [
        (["audio"], {"type": "server_vad"}, True),
        (["audio"], None, True),
        (["text"], {"type": "server_vad"}, True),
        (["text"], None, False),
    ],
)
def test_a_call_is_spoken_when_somebody_talks_or_listens(
    modalities: list[str], turns: Any, spoken: bool
) -> None:
    session = {"output_modalities": modalities, "audio": {"input": {"turn_detection": turns}}}
    assert is_spoken(session) == spoken
