"""Calls through the real application on a real server, against the scripted provider.

What ends a call is bounded by the five seconds the design gives it, and nothing else is timed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chats.models import Conversation, Membership, Message, User
from realtime.bridge import ENDS, Call
from realtime.calls import live, lookout, running
from realtime.db import in_database
from realtime.models import CallRecord, Provider, VoiceModel
from realtime.recorder import Recorder
from tests.scripted import (
    Close,
    Die,
    Expect,
    Hear,
    Refuse,
    ScriptedProvider,
    Send,
    Step,
    Until,
    Visit,
    audio_delta,
    item_added,
    load_wire,
    response_created,
    response_done,
    session_created,
)
from tests.servers import free_port
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "sk-canary-0123456789abcdefghij"
FINALISED_WITHIN = 5
SECOND = 48000  # bytes


# --- helpers ----------------------------------------------------------------------------------


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


def sign_in(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def voice_model(url: str) -> VoiceModel:
    provider = Provider(name="Scripted", url=url, allow_private=True)
    provider.set_key(CANARY)
    provider.save()
    return VoiceModel.objects.create(provider=provider, name="scripted-1", default=True)


@asynccontextmanager
async def provider_of(*scripts: list[Step]) -> AsyncIterator[ScriptedProvider]:
    """A scripted provider that the site's calls use."""
    async with ScriptedProvider(*scripts) as provider:
        await in_database(voice_model, provider.url)
        yield provider


def opened(*steps: Step) -> list[Step]:
    """A script that opens a session, then does `steps`."""
    return [Send(session_created()), Expect("session.update"), *steps]


def answer(pcm: bytes, text: str = "Hello there.") -> Send:
    """A whole spoken answer."""
    place = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    words = {"type": "response.output_audio_transcript.delta", **place, "delta": text}
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    return Send(
        response_created(),
        item_added("item_a", None, "assistant"),
        words,
        audio_delta(pcm),
        response_done(output=[item]),
    )


def whole_call() -> list[Step]:
    """The sample call, its times moved so that three and a half seconds of speech carry it."""
    moved = {"item_u1": 640, "item_u2": 2600, "item_u3": 3300}
    steps: list[Step] = []
    for entry in load_wire("ga_call.json"):
        event = dict(entry["event"])
        if entry["dir"] == "c2s":
            kept = event["type"] in ("session.update", "conversation.item.truncate")
            steps += [Expect(event["type"])] if kept else []
            continue
        if event.get("item_id") == "item_a2" and event["type"] == "response.output_audio.delta":
            event["delta"] = base64.b64encode(bytes(SECOND)).decode()
        if event["type"] == "conversation.item.truncated":
            event["audio_end_ms"] = 400
        if event["type"] == "input_audio_buffer.speech_started":
            event["audio_start_ms"] = moved[event["item_id"]]
            if event["item_id"] == "item_u1":
                steps.append(Hear(5 * SECOND // 2))
            if event["item_id"] == "item_u2":
                steps.append(Hear(7 * SECOND // 2))
        steps.append(Send(event))
    return steps


async def record_of_call() -> CallRecord:
    return await in_database(CallRecord.objects.get)


async def messages() -> list[Message]:
    return await in_database(lambda: list(Message.objects.select_related("recording")))


async def finalised(reason: str, visit: Visit | None = None) -> CallRecord:
    """The call's row once the call is over everywhere, within the bound of the design."""
    async with asyncio.timeout(FINALISED_WITHIN):
        if visit is not None:
            await visit.over.wait()
        while live.count():  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.01)
        while (row := await record_of_call()).state != CallRecord.State.ENDED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (row.end_reason, row.ended is not None) == (reason, True)
    return row


@contextmanager
def database_blocked() -> Iterator[None]:
    """Another writer holds the database: every other write waits until the block is left."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("LOCK TABLE chats_message, realtime_callrecord")
                held.set()
                release.wait(30)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        yield
    finally:
        release.set()
        holder.join()


# --- a whole call -----------------------------------------------------------------------------


async def test_a_spoken_call_is_kept_in_order_with_what_was_heard(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(whole_call()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie, plays=False) as call:
            ready = await call.start()
            assert (ready["type"], ready["conversation_id"]) == (
                "nextvoice.ready",
                str(conversation.pk),
            )
            await call.speak(bytes(7 * SECOND // 2), pace=0)
            await call.event("input_audio_buffer.speech_started", item_id="item_u3")
            place = {"item_id": "item_a1", "content_index": 0}
            heard = len(call.audio["item_a1"]) // 48
            await call.send({"type": "nextvoice.played", **place, "audio_end_ms": heard})
            place["item_id"] = "item_a2"
            barge_in = {"type": "conversation.item.truncate", **place, "audio_end_ms": 400}
            await call.send(barge_in)
            await call.event("conversation.item.truncated")
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
            visit = await provider.visit()
            row = await finalised("hang_up", visit)
    kept = [
        (m.item_id, m.role, m.kind, m.status, m.text, m.unheard, m.heard_ms)
        for m in await messages()
    ]
    assert kept == [
        ("item_u1", "user", "spoken", "completed", "What's the weather in Paris?", "", None),
        (
            "item_a1",
            "assistant",
            "spoken",
            "completed",
            "It's eleven degrees and clear in Paris.",
            "",
            None,
        ),
        ("item_u2", "user", "spoken", "completed", "Tell me a long story.", "", None),
        ("item_a2", "assistant", "spoken", "interrupted", "Once upon", "a time", 400),
        ("item_u3", "user", "spoken", "interrupted", "", "", None),
    ]
    recordings = [m.recording for m in await messages()]
    assert [r.state for r in recordings] == ["ready"] * 5
    assert [r.duration_ms for r in recordings][1] == len(call.audio["item_a1"]) // 48
    assert [r.duration_ms for r in recordings][3] == 400
    assert row.conversation_id == conversation.pk
    assert (row.spoken_ms, row.answered_ms) == (3500, sum(map(len, call.audio.values())) // 48)
    assert row.connected is not None
    assert row.duration_ms >= 0
    assert (visit.closed.by if visit.closed else None) == "client"
    saved = {e["item_id"]: e for e in call.of("nextvoice.saved")}
    assert {k: (v["status"], v["text"]) for k, v in saved.items()} == {
        item: (status, text) for item, _, _, status, text, _, _ in kept
    }
    assert [e["title"] for e in call.of("nextvoice.title")] == []  # it had one


async def test_a_turn_in_which_the_provider_breaks_off_is_heard_by_the_next_and_kept_once(
    here: str, conversation: Conversation, cookie: str
) -> None:
    turn = {"item_id": "u1", "audio_start_ms": 300, "audio_end_ms": 0, "previous_item_id": None}
    started = {"type": "input_audio_buffer.speech_started", **turn}
    words = {"item_id": "u2", "content_index": 0, "transcript": "What time is it in Rome?"}
    again = [
        {**started, "item_id": "u2", "audio_start_ms": 0},
        {**turn, "type": "input_audio_buffer.speech_stopped", "item_id": "u2"},
        {**turn, "type": "input_audio_buffer.committed", "item_id": "u2"},
        {"type": "conversation.item.input_audio_transcription.completed", **words},
    ]
    first = opened(Hear(SECOND // 2), Send(started), Hear(4 * SECOND), Die())
    second = opened(Hear(4 * SECOND - 300 * 48 + SECOND), Send(*again))
    async with provider_of(first, second) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.speak(bytes(SECOND // 2), pace=0)
            await call.event("input_audio_buffer.speech_started")
            await call.speak(bytes(7 * SECOND // 2), pace=0)
            await call.event("nextvoice.reconnected")
            await call.speak(bytes(SECOND), pace=0)
            await call.event("conversation.item.input_audio_transcription.completed")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", await provider.visit(1))
    (kept,) = await messages()
    assert (kept.item_id, kept.text) == ("u2", words["transcript"])
    assert kept.recording.duration_ms == 4700


async def test_captions_are_in_the_database_while_the_call_goes_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    go_on = asyncio.Event()
    words = {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": "item_u",
        "content_index": 0,
        "delta": "Half a sent",
    }
    started = {"type": "input_audio_buffer.speech_started", "item_id": "item_u"}
    script = opened(Hear(SECOND), Send(started | {"audio_start_ms": 0}, words), Until(go_on))
    async with provider_of(script) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.speak(bytes(SECOND), pace=0)
            async with asyncio.timeout(FINALISED_WITHIN):
                said = [("Half a sent", "in_progress")]
                while [(m.text, m.status) for m in await messages()] != said:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (await record_of_call()).state == CallRecord.State.LIVE
            assert [m.recording.state for m in await messages()] == ["live"]
            assert (live.count(), provider.visits[0].over.is_set()) == (1, False)
            go_on.set()
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
    assert [(m.text, m.status, m.recording.state) for m in await messages()] == [
        ("Half a sent", "interrupted", "ready")
    ]


async def test_a_blocked_database_delays_no_audio(
    here: str, conversation: Conversation, cookie: str
) -> None:
    blocked, pieces = asyncio.Event(), 40
    deltas = [audio_delta(bytes(4800)) for _ in range(pieces)]
    script = opened(
        Until(blocked),
        Send(response_created(), item_added("item_a", None, "assistant"), *deltas),
        Hear(SECOND),
        Send(response_done()),
    )
    async with provider_of(script) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            with database_blocked():
                # Django's own thread waits for the lock as well as the calls' writer.
                page = asyncio.create_task(
                    sync_to_async(Conversation.objects.update)(title="Blocked")
                )
                blocked.set()
                await call.speak(bytes(SECOND), pace=0)
                await call.event("response.done")
                assert len(call.audio["item_a"]) == pieces * 4800
                assert len(provider.visits[0].audio) == SECOND
                # All of this while both were still waiting.
                assert not page.done()
                assert await in_database(Message.objects.count) == 0
            await page
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
    assert [(m.item_id, m.recording.duration_ms) for m in await messages()] == [("item_a", 4000)]


async def test_a_call_that_ended_while_the_database_was_blocked_stays_ended(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.01)
    async with provider_of(opened()):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            with database_blocked():
                await call.send({"type": "nextvoice.hang_up"})
                assert await call.ended() == ("hang_up", 1000)
            await finalised("hang_up")


async def test_a_typed_message_is_kept_and_titles_the_conversation(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await in_database(Conversation.objects.update, title="")
    item = {
        "id": "item_t",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "When does it open?"}],
    }
    echo = {"type": "conversation.item.added", "previous_item_id": None, "item": item}
    script = opened(Expect("conversation.item.create"), Send(echo))
    async with provider_of(script):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            given = {key: item[key] for key in ("id", "type", "role", "content")}
            await call.send({"type": "conversation.item.create", "item": given})
            saved = await call.event("nextvoice.saved")
            assert (saved["item_id"], saved["text"], saved["status"]) == (
                "item_t",
                "When does it open?",
                "completed",
            )
            assert [e["title"] for e in call.of("nextvoice.title")] == ["When does it open?"]
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert await in_database(Conversation.objects.get, title="When does it open?") == conversation


# --- whatever ends a call, it is finalised ----------------------------------------------------


async def test_a_browser_that_vanished_for_good_is_finalised(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RESUME_SECONDS", 0.2)
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            call.vanish()
            visit = await provider.visit()
            await finalised("browser_gone", visit)
            assert (visit.closed.by if visit.closed else None) == "client"


async def test_a_provider_that_vanished_is_finalised(
    here: str, conversation: Conversation, cookie: str
) -> None:
    vanishing = opened(Hear(SECOND), answer(bytes(960)), Die())
    async with provider_of(vanishing, [Refuse(503)]) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.speak(bytes(SECOND), pace=0)
            assert await call.ended() == ("provider_gone", 4502)
            await finalised("provider_gone", await provider.visit())
    assert [(m.text, m.recording.state) for m in await messages()] == [("Hello there.", "ready")]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Die(), "provider_gone"),
        (Close(1008, "policy"), "provider_error"),
        (Close(1011, "insufficient_quota"), "provider_quota"),
        (Close(4001), "provider_refused_key"),
    ],
    ids=["cut", "1008", "quota", "key"],
)
async def test_an_answer_under_way_when_the_provider_vanished_is_interrupted(
    here: str, conversation: Conversation, cookie: str, step: Step, reason: str
) -> None:
    begun = Send(
        response_created(), item_added("item_a", None, "assistant"), audio_delta(bytes(96))
    )
    async with provider_of(opened(begun, step), [Refuse(503)]):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            assert await call.ended() == (reason, ENDS[reason].close_code)
            await finalised(reason)
    assert [(m.status, m.recording.state) for m in await messages()] == [("interrupted", "ready")]


def _fail(*_: object) -> None:
    raise LookupError("injected")


async def test_an_error_in_a_handler_is_finalised(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "from_browser", _fail)
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.send(bytes(960))
            assert await call.ended() == ("internal_error", 1011)
            await finalised("internal_error", await provider.visit())
            assert "injected" not in json.dumps(call.events)


async def test_an_error_before_the_call_runs_is_finalised(
    here: str, conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "enter", _fail)
    async with provider_of(opened()):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            assert await call.ended() == ("internal_error", 1011)
            await finalised("internal_error")


@pytest.mark.parametrize("method", ["on_event", "on_user_audio", "on_assistant_audio", "on_end"])
async def test_an_error_in_the_recorder_reaches_neither_the_call_nor_its_end(
    here: str,
    conversation: Conversation,
    cookie: str,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    monkeypatch.setattr(Recorder, method, _fail)
    script = opened(Hear(SECOND), answer(bytes(960)))
    async with provider_of(script) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.speak(bytes(SECOND), pace=0)
            await call.event("response.done")
            assert len(call.audio["item_a"]) == 960
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
            await finalised("hang_up", await provider.visit())


async def test_a_second_tab_takes_the_call_over(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as first:
            await first.start()
            async with Caller.dial(here, str(conversation.pk), cookie) as second:
                ready = await second.start()
                assert ready["type"] == "nextvoice.ready"
                assert await first.ended() == ("taken_over", 4409)
                await (await provider.visit(0)).over.wait()
                assert not (await provider.visit(1)).over.is_set()
                await second.send({"type": "nextvoice.hang_up"})
                assert await second.ended() == ("hang_up", 1000)
    rows = CallRecord.objects.order_by("started").values_list("state", "end_reason")
    assert await in_database(lambda: list(rows)) == [("ended", "taken_over"), ("ended", "hang_up")]


def _sign_out(user: User) -> None:
    Session.objects.all().delete()


def _expire(user: User) -> None:
    Session.objects.update(expire_date=timezone.now())


def _new_password(user: User) -> None:
    user.set_password("another-password")
    user.save()


def _deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def _deactivate_silently(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def _delete_conversation(user: User) -> None:
    conversation = Conversation.objects.get()
    conversation.deleted = timezone.now()
    conversation.save()


NEVER, SOON = 3600, 0.02


@pytest.mark.parametrize(
    ("change", "beat", "end"),
    [
        (_sign_out, NEVER, ("signed_out", 4401)),
        (_new_password, NEVER, ("signed_out", 4401)),
        (_deactivate, NEVER, ("signed_out", 4401)),
        (_leave, NEVER, ("signed_out", 4401)),
        (_delete_conversation, NEVER, ("not_found", 4404)),
        # Nobody is told of these: the call looks now and then.
        (_expire, SOON, ("signed_out", 4401)),
        (_deactivate_silently, SOON, ("signed_out", 4401)),
    ],
)
async def test_who_may_no_longer_go_on_does_not(
    here: str,
    ann: User,
    conversation: Conversation,
    cookie: str,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[User], None],
    beat: float,
    end: tuple[str, int],
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", beat)
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await in_database(change, ann)
            async with asyncio.timeout(FINALISED_WITHIN):
                assert await call.ended() == end
            await finalised(end[0], await provider.visit())


# --- strangers --------------------------------------------------------------------------------


@asynccontextmanager
async def nothing_happens() -> AsyncIterator[None]:
    """Inside, no call is made and no provider reached."""
    async with provider_of(opened()) as provider:
        yield
        assert (provider.visits, provider.refused, live.count()) == ([], [], 0)
    assert await in_database(CallRecord.objects.count) == 0
    assert await in_database(Message.objects.count) == 0


async def refused(here: str, conversation: object, cookie: str) -> tuple[list[str], int | None]:
    """What a stranger is told: reasons and close code."""
    async with nothing_happens():
        async with Caller.dial(here, str(conversation), cookie) as call:
            try:
                await call.send({"type": "nextvoice.start"})
            except ConnectionClosed:
                pass
            await call.until(lambda: call.over)
            assert set(call.types) <= {"nextvoice.ended"}
            return [event["reason"] for event in call.events], call.code


async def test_nobody_is_told_to_sign_in(here: str, conversation: Conversation) -> None:
    assert await refused(here, conversation.pk, "") == (["signed_out"], 4401)
    assert await refused(here, conversation.pk, "sessionid=invented") == (["signed_out"], 4401)


async def test_other_people_s_conversations_do_not_exist(
    here: str, conversation: Conversation, eve: User
) -> None:
    cookie = await in_database(sign_in, eve)
    assert await refused(here, conversation.pk, cookie) == ([], 4404)
    assert await refused(here, uuid.uuid4(), cookie) == ([], 4404)


async def test_a_team_mate_s_conversation_does_not_exist(here: str, ann: User, bob: User) -> None:
    team = await in_database(bob.accounts.get, slug="team")
    shared = await in_database(Conversation.objects.create, owner=ann, account=team)
    cookie = await in_database(sign_in, bob)
    assert await refused(here, shared.pk, cookie) == ([], 4404)


async def test_a_deleted_conversation_does_not_exist(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await in_database(Conversation.objects.update, deleted=timezone.now())
    assert await refused(here, conversation.pk, cookie) == ([], 4404)


async def test_who_left_the_team_finds_nothing_of_it(here: str, ann: User, bob: User) -> None:
    team = await in_database(bob.accounts.get, slug="team")
    own = await in_database(Conversation.objects.create, owner=bob, account=team)
    cookie = await in_database(sign_in, bob)
    await in_database(Membership.objects.filter(account=team, user=bob).delete)
    assert await refused(here, own.pk, cookie) == ([], 4404)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "{https}",
        "{host}.evil.example",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
    ],
)
async def test_a_page_of_another_origin_is_refused_before_it_is_accepted(
    here: str, conversation: Conversation, cookie: str, origin: str | None
) -> None:
    given = origin and origin.format(https=here.replace("http:", "https:"), host=here)
    async with nothing_happens():
        with pytest.raises(InvalidStatus) as status:
            await connect(
                f"{here.replace('http:', 'ws:')}/ws/call/{conversation.pk}/",
                origin=given,  # type: ignore[arg-type]
                additional_headers={"Cookie": cookie},
                proxy=None,
            )
        assert status.value.response.status_code == 403


async def test_an_address_without_a_call_is_refused(here: str, cookie: str) -> None:
    for path in ("/ws/call/1/", "/ws/call/", "/ws/", "/"):
        with pytest.raises(InvalidStatus):
            await connect(
                here.replace("http:", "ws:") + path,
                origin=here,  # type: ignore[arg-type]
                additional_headers={"Cookie": cookie},
                proxy=None,
            )


# --- bad frames -------------------------------------------------------------------------------

BAD_FRAMES: list[tuple[str | bytes, str, str | None]] = [
    ("{", "invalid_json", None),
    ('{"type": "response.create", "x": NaN}', "invalid_json", None),
    ("[1]", "invalid_frame", None),
    ("{}", "missing_required_parameter", "type"),
    ('{"type": 7}', "invalid_type", "type"),
    ('{"type": "response.invent"}', "unknown_event", "type"),
    ('{"type": "session.update"}', "missing_required_parameter", "session"),
    ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "invalid_audio", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "AA=="}', "invalid_audio", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": ""}', "invalid_audio", "audio"),
    (b"\0\0\0", "invalid_audio", None),
    (b"", "invalid_audio", None),
    (bytes(65_538), "frame_too_large", None),
    ('{"type": "nextvoice.start"}', "already_started", "type"),
    (
        '{"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": -1}',
        "invalid_value",
        "audio_end_ms",
    ),
    (
        '{"type": "nextvoice.played", "item_id": "no", "audio_end_ms": 1}',
        "item_not_found",
        "item_id",
    ),
]


async def test_bad_frames_are_named_and_the_call_goes_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened(Expect("response.create"), answer(bytes(960)))) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            for number, (frame, _code, _param) in enumerate(BAD_FRAMES, 1):
                await call.send(frame)
                await call.until(lambda n=number: len(call.of("error")) == n)
            errors = [(e["error"]["code"], e["error"]["param"]) for e in call.of("error")]
            assert errors == [(code, param) for _frame, code, param in BAD_FRAMES]
            assert await in_database(Message.objects.count) == 0
            await call.send({"type": "response.create"})
            await call.event("response.done")
            visit = await provider.visit()
            assert (visit.types(), bytes(visit.audio)) == (
                ["session.update", "response.create"],
                b"",
            )
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)


@pytest.mark.parametrize("frame", ["x" * 270_000, bytes(270_000)])
async def test_an_oversized_frame_ends_the_call(
    here: str, conversation: Conversation, cookie: str, frame: str | bytes
) -> None:
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.send(frame)
            await call.until(lambda: call.over)
            assert call.code == 1009
            visit = await provider.visit()
            await finalised("browser_gone", visit)
            assert bytes(visit.audio) == b""
    assert await messages() == []


async def test_bad_frames_before_the_start_are_named_too(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened()):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            for frame in ("{", bytes(2), '{"type": "response.create"}'):
                await call.send(frame)
            bad = {"type": "nextvoice.start", "output_modalities": ["smell"]}
            await call.send(bad)
            assert (await call.start())["type"] == "nextvoice.ready"
            assert [e["error"]["code"] for e in call.of("error")] == [
                "invalid_json",
                "not_started",
                "not_started",
                "invalid_value",
            ]


async def test_a_flood_ends_the_call(here: str, conversation: Conversation, cookie: str) -> None:
    async with provider_of(opened()) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            with pytest.raises((ConnectionClosed, TimeoutError)):
                async with asyncio.timeout(FINALISED_WITHIN):
                    while True:
                        await call.send(bytes(9600))
                        await asyncio.sleep(0)
            assert await call.ended() == ("flood", 4429)
            await finalised("flood", await provider.visit())


async def test_a_browser_that_leaves_before_the_start_leaves_nothing(
    here: str, conversation: Conversation, cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens():
        for frames in ([], ["{"], ["{"] * 50):
            async with Caller.dial(here, str(conversation.pk), cookie) as call:
                for frame in frames:
                    await call.send(frame)
                call.vanish()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            pass
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- providers that refuse --------------------------------------------------------------------


def _error(code: str, message: str) -> dict[str, Any]:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return {"type": "error", "event_id": "event_e", "error": error | {"event_id": None}}


LEAKY = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}."}}).encode()
NO_MODEL = json.dumps({"error": {"code": "model_not_found", "message": "No such."}}).encode()


@pytest.mark.parametrize(
    ("script", "reason", "code"),
    [
        ([Refuse(401, LEAKY)], "provider_refused_key", 4502),
        ([Refuse(403)], "provider_refused_key", 4502),
        ([Refuse(404, NO_MODEL)], "provider_unknown_model", 4502),
        ([Refuse(404)], "provider_unknown_model", 4502),
        ([Refuse(429)], "provider_quota", 4502),
        ([Refuse(503)], "provider_unreachable", 4502),
        ([Refuse(302, headers={"Location": "ws://127.0.0.1:1/"})], "provider_error", 4502),
        ([Send(_error("invalid_api_key", f"Bad key {CANARY}"))], "provider_refused_key", 4502),
        ([Send(_error("insufficient_quota", "Pay."))], "provider_quota", 4502),
        ([Send(_error("odd", f"No {CANARY}"))], "provider_error", 4502),
        ([Die()], "provider_gone", 4502),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_provider_that_refuses_is_named_without_the_key(
    here: str,
    conversation: Conversation,
    cookie: str,
    caplog: pytest.LogCaptureFixture,
    script: list[Step],
    reason: str,
    code: int,
) -> None:
    # The scripted provider's own library logs what it was sent; that is not ours.
    logging.getLogger("websockets.server").setLevel(logging.WARNING)
    caplog.set_level(logging.DEBUG)
    async with provider_of(script):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            ended = await call.start()
            assert await call.ended() == (reason, code)
            row = await finalised(reason)
    assert (ended["type"], ended["reason"]) == ("nextvoice.ended", reason)
    words = ENDS[reason]
    assert ended["message"].startswith(words.message)
    assert (ended["remedy"], ended["duration_ms"]) == (words.remedy, 0)
    logged = "\n".join(
        f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records
    )
    everything = json.dumps(call.events) + logged + row.end_detail
    assert ("canary" in everything, "0123456789" in everything) == (False, False)


async def test_a_provider_that_is_not_there_is_named(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await in_database(voice_model, f"ws://127.0.0.1:{free_port()}/v1/realtime")
    async with Caller.dial(here, str(conversation.pk), cookie) as call:
        assert (await call.start())["reason"] == "provider_unreachable"
        assert await call.ended() == ("provider_unreachable", 4502)
        await finalised("provider_unreachable")


async def test_a_model_that_is_not_there_is_named(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with nothing_happens():
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start(model="999999")
            assert await call.ended() == ("provider_unknown_model", 4502)


async def test_the_key_reaches_the_provider_and_nobody_else(
    here: str, conversation: Conversation, cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("websockets.server").setLevel(logging.WARNING)
    caplog.set_level(logging.DEBUG)
    echo = item_added("item_a", None, "assistant")
    echo["item"]["content"] = [{"type": "output_audio", "transcript": f"Your key is {CANARY}"}]
    async with provider_of(opened(Send(echo), answer(bytes(960), f"It is {CANARY}!"))) as provider:
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("response.done")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
        assert provider.visits[0].headers["Authorization"] == f"Bearer {CANARY}"
    stored = str([(m.text, m.unheard) for m in await messages()])
    logged = "\n".join(f"{r.getMessage()} {r.exc_text} {r.args}" for r in caplog.records)
    assert CANARY not in json.dumps(call.events) + stored + logged


async def test_a_table_that_is_missing_at_the_start_refuses_the_call(
    here: str, conversation: Conversation, cookie: str
) -> None:
    def rename(old: str, new: str) -> None:
        with connection.schema_editor() as editor:
            editor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    async with provider_of(opened()):
        await in_database(rename, "realtime_callrecord", "realtime_callrecord_away")
        try:
            async with Caller.dial(here, str(conversation.pk), cookie) as call:
                await call.start()
                assert await call.ended() == ("internal_error", 1011)
        finally:
            await in_database(rename, "realtime_callrecord_away", "realtime_callrecord")
