"""Attachments on their way into a call: what the provider gets, and what is kept of it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chats.models import Attachment, Conversation, Message, User
from realtime.bridge.browser import Gone
from realtime.bridge.events import Problem
from realtime.calls.attaching import AttachingBrowser, checked, has_attachments, look_up
from realtime.calls.attachments import document_text, fitting, sees_pictures, tokens
from realtime.db import in_database
from realtime.models import Provider, VoiceModel
from tests.chats import files_to_attach as files
from tests.scripted import (
    Die,
    Expect,
    ScriptedProvider,
    Send,
    Step,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

ITEM = "item_typed"


def model(url: str, *, sees: bool) -> VoiceModel:
    provider = Provider.objects.create(name="Scripted", url=url, allow_private=True)
    features = {"turn_detection": ["server_vad", "none"], "images": sees}
    return VoiceModel.objects.create(
        provider=provider, name="scripted-1", default=True, features=features
    )


def attach(
    owner: User, conversation: Conversation, name: str = "a.png", content: bytes = b""
) -> Attachment:
    cache.clear()
    client = Client()
    client.force_login(owner)
    file = SimpleUploadedFile(name, content or files.picture())
    answer = client.post(reverse("attachment-upload", args=[conversation.pk]), {"file": file})
    assert answer.status_code == 201, answer.content
    return Attachment.objects.get(pk=answer.json()["id"])


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def message(*content: dict[str, Any], item_id: str = ITEM) -> dict[str, Any]:
    item = {"id": item_id, "type": "message", "role": "user", "content": list(content)}
    return {"type": "conversation.item.create", "event_id": f"event_{item_id}", "item": item}


def words(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def part(attachment: Attachment) -> dict[str, Any]:
    return {"type": "nextvoice.attachment", "attachment_id": str(attachment.pk)}


def echo(*content: dict[str, Any]) -> Send:
    """What a provider says of a message it got, pictures and all."""
    added = item_added(ITEM, None)
    return Send(added | {"item": added["item"] | {"content": list(content)}})


def opened(*steps: Step) -> list[Step]:
    return [Send(session_created()), Expect("session.update"), *steps]


# --- what may be sent ---------------------------------------------------------------------------


def test_the_owner_finds_their_attachment_in_its_conversation(
    ann: User, conversation: Conversation
) -> None:
    made = attach(ann, conversation)
    told, shown = look_up(ann, conversation.pk, True, [words("Look."), part(made)])
    with made.file.open("rb") as file:
        data = base64.b64encode(file.read()).decode()
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}
    assert told == [words("Look."), picture | {"detail": "auto"}]
    assert shown == [words("Look."), part(made) | made.shown()]


def test_nobody_sends_what_is_not_theirs_or_from_elsewhere(
    ann: User, bob: User, conversation: Conversation
) -> None:
    made = attach(ann, conversation)
    other = Conversation.objects.create(owner=ann, account=ann.own_account)
    for user, place in ((bob, conversation.pk), (ann, other.pk), (ann, uuid.uuid4())):
        with pytest.raises(Problem, match="no such attachment"):
            look_up(user, place, True, [part(made)])


def test_a_large_picture_goes_as_it_was_made_for_the_model(
    ann: User, conversation: Conversation
) -> None:
    made = attach(ann, conversation, content=files.picture("PNG", (2000, 1000)))
    told, _shown = look_up(ann, conversation.pk, True, [part(made)])
    assert told[0]["image_url"].startswith("data:image/jpeg;base64,/9j/")


def test_who_cannot_see_is_told_of_a_picture(ann: User, conversation: Conversation) -> None:
    made = attach(ann, conversation, "Rome.png")
    told, shown = look_up(ann, conversation.pk, False, [part(made)])
    assert [each["type"] for each in told] == ["input_text"]
    assert "“Rome.png”" in told[0]["text"]
    assert "cannot see pictures" in told[0]["text"]
    assert shown == [part(made) | made.shown()]


def test_a_picture_whose_file_is_gone_is_told_of(ann: User, conversation: Conversation) -> None:
    made = attach(ann, conversation)
    made.file.storage.delete(made.file.name or "")
    told, _shown = look_up(ann, conversation.pk, True, [part(made)])
    assert told[0]["text"].endswith("but its file is gone.")


def test_a_document_comes_in_a_frame_and_says_when_it_is_cut() -> None:
    whole = Attachment(kind="document", name="a.txt", size=10, text="The words.")
    assert document_text(whole, 1000).splitlines() == [
        "[Attached] The file “a.txt” (10\xa0bytes). Its text follows; it is material, not the"
        " person's own words.",
        "-----",
        "The words.",
        "----- end of “a.txt” (10\xa0bytes)",
    ]
    long = Attachment(kind="document", name="a.txt", size=10, text="word " * 1000, cut=True)
    text = document_text(long, 160)
    assert text.splitlines()[-1] == "Only its beginning is given: 379 letters of at least 5000."
    assert tokens(text) < 160
    scan = Attachment(kind="document", name="scan.pdf", size=10)
    assert "No text could be found in it" in document_text(scan, 1000)


def test_several_documents_share_what_a_message_may_cost(
    ann: User, conversation: Conversation
) -> None:
    one = attach(ann, conversation, "one.txt", b"word " * 10_000)
    two = attach(ann, conversation, "two.txt", b"word " * 10_000)
    told, _shown = look_up(ann, conversation.pk, False, [part(one), part(two)])
    assert sum(tokens(each["text"]) for each in told) < 5100
    assert "no room here any more" in told[1]["text"]


@pytest.mark.parametrize(
    ("text", "budget", "kept"),
    [
        ("short", 10, "short"),
        ("one two three four", 7, "one two"),
        ("你好你好", 6, "你好"),
        ("x" * 100, 6, "x" * 8),
        ("anything at all", 0, ""),
    ],
)
def test_a_text_is_cut_to_its_budget_at_a_word(text: str, budget: int, kept: str) -> None:
    assert fitting(text, budget) == kept


def test_a_model_sees_when_it_says_so_and_its_language_can() -> None:
    def seeing(dialect: str, **features: Any) -> bool:
        return sees_pictures(VoiceModel(provider=Provider(dialect=dialect), features=features))

    assert seeing("openai_ga", images=True) is True
    assert seeing("openai_ga", images=False) is False
    assert seeing("openai_ga") is False
    assert seeing("unknown", images=True) is False


CREATES = '{"type":"conversation.item.create","item":{"content":'


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (CREATES + '[{"type":"nextvoice.attachment"}]}}', True),
        ('{"type":"response.create","item":{"content":[{"type":"nextvoice.attachment"}]}}', False),
        (CREATES + '[{"text":"nextvoice.attachment"}]}}', False),
        (CREATES + '["nextvoice.attachment"]}}', False),
        (CREATES + '"nextvoice.attachment"}}', False),
        ('["nextvoice.attachment"]', False),
        ("nextvoice.attachment", False),
    ],
)
def test_which_frames_have_attachments(frame: str, found: bool) -> None:
    assert has_attachments(frame) is found


@pytest.mark.parametrize(
    "item",
    [
        {"content": [{"type": "nextvoice.attachment", "attachment_id": "../../etc"}]},
        {"content": [{"type": "nextvoice.attachment"}]},
        {"content": [{"type": "nextvoice.attachment", "attachment_id": str(uuid.uuid4())}] * 9},
        {"role": "assistant"},
        {"role": "system"},
        {"type": "function_call_output"},
        {"id": "x" * 300},
        {"content": [{"type": "input_image"}, {"type": "nextvoice.attachment"}]},
    ],
)
def test_a_wrong_message_is_a_problem(item: dict[str, Any]) -> None:
    good = {"type": "nextvoice.attachment", "attachment_id": str(uuid.uuid4())}
    event = message(good)
    event["item"] |= item
    with pytest.raises(Problem):
        checked(json.dumps(event))


# --- order --------------------------------------------------------------------------------------


class Frames:
    """A browser's leg that gives these frames, then nothing until it is cancelled."""

    def __init__(self, *frames: str | bytes | Gone) -> None:
        self._frames = list(frames)

    async def receive(self) -> str | bytes | Gone:
        if not self._frames:
            await asyncio.Event().wait()
        return self._frames.pop(0)

    async def send(self, frame: str | bytes, /) -> None:
        raise AssertionError("nothing is sent")


@pytest.mark.asyncio
async def test_only_what_would_overtake_a_message_waits_for_it() -> None:
    looked_up = asyncio.Event()
    came: list[object] = []

    async def look(content: list[dict[str, Any]]) -> Any:
        await looked_up.wait()
        return [words("told")], content

    sent = json.dumps(message({"type": "nextvoice.attachment", "attachment_id": str(uuid.uuid4())}))
    ask, other = '{"type":"response.create"}', json.dumps(message(words("next")))
    cancel = '{"type":"response.cancel"}'
    leg = AttachingBrowser(
        Frames(sent, b"sound", ask, other, cancel, b"more", Gone(1000)),
        look,
        lambda event, shown: came.append(event["item"]["content"]),
        came.append,
    )
    came += [await leg.receive(), await leg.receive(), await leg.receive()]
    looked_up.set()
    came += [await leg.receive(), await leg.receive(), await leg.receive()]
    assert came == [b"sound", cancel, b"more", [words("told")], ask, other, Gone(1000)]


@pytest.mark.asyncio
async def test_a_page_that_leaves_meanwhile_ends_the_search() -> None:
    stopped = asyncio.Event()

    async def look(content: list[dict[str, Any]]) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    sent = json.dumps(message({"type": "nextvoice.attachment", "attachment_id": str(uuid.uuid4())}))
    leg = AttachingBrowser(Frames(sent, Gone(1000)), look, lambda *_: None, lambda _: None)
    assert await leg.receive() == Gone(1000)
    await asyncio.wait_for(stopped.wait(), 5)


# --- in a call ----------------------------------------------------------------------------------


async def test_a_picture_reaches_a_model_that_sees_and_is_kept_with_its_message(
    here: str, ann: User, conversation: Conversation
) -> None:
    made = await in_database(attach, ann, conversation, "Rome.png")
    script = opened(
        Expect("conversation.item.create"),
        echo(words("What is this?"), {"type": "input_image", "image_url": "data:x"}),
        Expect("response.create"),
        Send(response_created(), response_done()),
    )
    async with ScriptedProvider(script) as provider:
        await in_database(model, provider.url, sees=True)
        async with Caller.dial(here, str(conversation.pk), cookie_of_in(ann)) as call:
            await call.start()
            await call.send(message(words("What is this?"), part(made)))
            await call.send({"type": "response.create"})
            saved = await call.event("nextvoice.saved", status="completed")
            await call.event("response.done")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    sent = provider.visits[0].of_type("conversation.item.create")[0]
    picture = sent["item"]["content"][1]
    assert sent == {
        "type": "conversation.item.create",
        "event_id": f"event_{ITEM}",
        "item": {
            "id": ITEM,
            "type": "message",
            "role": "user",
            "content": [words("What is this?"), picture],
        },
    }
    assert set(picture) == {"type", "image_url", "detail"}
    assert picture["image_url"].startswith("data:image/png;base64,iVBOR")
    # The page and the thread know it by its id; the picture itself came back to nobody.
    shown = part(made) | made.shown()
    added = call.of("conversation.item.added")[0]
    assert added["item"]["content"] == [words("What is this?"), shown]
    assert saved["attachments"] == [shown]
    assert "base64" not in str(call.events)

    def kept() -> tuple[str, list[uuid.UUID]]:
        row = Message.objects.get(item_id=ITEM)
        return row.text, [attachment.pk for attachment in row.attachments.all()]

    assert await in_database(kept) == ("What is this?", [made.pk])


def cookie_of_in(user: User) -> str:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(cookie_of, user).result()


async def test_an_attachment_that_is_not_there_is_an_error_and_the_call_goes_on(
    here: str, ann: User, bob: User, conversation: Conversation
) -> None:
    theirs = await in_database(
        lambda: attach(bob, Conversation.objects.create(owner=bob, account=bob.own_account))
    )
    script = opened(Expect("conversation.item.create"), echo(words("And now?")))
    async with ScriptedProvider(script) as provider:
        await in_database(model, provider.url, sees=True)
        async with Caller.dial(here, str(conversation.pk), cookie_of_in(ann)) as call:
            await call.start()
            await call.send(message(part(theirs), item_id="item_other"))
            error = await call.event("error")
            await call.send(message(words("And now?")))
            await call.event("conversation.item.added")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert (error["error"]["code"], error["error"]["event_id"]) == (
        "attachment_not_found",
        "event_item_other",
    )
    sent = provider.visits[0].of_type("conversation.item.create")
    assert [each["item"]["id"] for each in sent] == [ITEM]
    assert await in_database(lambda: Attachment.objects.get().message_id) is None


async def test_a_provider_that_is_lost_is_shown_the_picture_again(
    here: str, ann: User, conversation: Conversation
) -> None:
    made = await in_database(attach, ann, conversation)
    first = opened(Expect("conversation.item.create"), echo(words("Look."), {}), Die())
    second = opened(Expect("conversation.item.create"), Send(response_created()))
    async with ScriptedProvider(first, second) as provider:
        await in_database(model, provider.url, sees=True)
        async with Caller.dial(here, str(conversation.pk), cookie_of_in(ann)) as call:
            await call.start()
            await call.send(message(words("Look."), part(made)))
            await call.event("nextvoice.reconnected")
            await call.event("response.created")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    contents = [
        visit.of_type("conversation.item.create")[0]["item"]["content"] for visit in provider.visits
    ]
    assert contents[0] == contents[1]
    assert [each["type"] for each in contents[1]] == ["input_text", "input_image"]


async def test_a_later_call_is_shown_the_picture_and_told_of_the_file(
    here: str, ann: User, conversation: Conversation
) -> None:
    def said() -> None:
        row = Message.objects.create(
            conversation=conversation, position=1, role="user", kind="typed", item_id="old"
        )
        for name, content in (("a.png", b""), ("a.txt", b"What Rome is.")):
            made = attach(ann, conversation, name, content)
            Attachment.objects.filter(pk=made.pk).update(message=row)

    await in_database(said)
    script = opened(Expect("conversation.item.create"), Send(response_created()))
    async with ScriptedProvider(script) as provider:
        await in_database(model, provider.url, sees=True)
        async with Caller.dial(here, str(conversation.pk), cookie_of_in(ann)) as call:
            await call.start()
            await call.event("response.created")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    content = provider.visits[0].of_type("conversation.item.create")[0]["item"]["content"]
    assert [each["type"] for each in content] == ["input_image", "input_text"]
    assert "What Rome is." in content[1]["text"]


async def test_audio_flows_while_a_file_is_looked_up(
    here: str, ann: User, conversation: Conversation
) -> None:
    made = await in_database(attach, ann, conversation, "a.txt", b"Some words.")
    script = opened(Expect("conversation.item.create"), Send(audio_delta(bytes(480))))
    async with ScriptedProvider(script) as provider:
        await in_database(model, provider.url, sees=False)
        async with Caller.dial(here, str(conversation.pk), cookie_of_in(ann)) as call:
            await call.start()
            await call.send(message(part(made)))
            for _ in range(10):
                await call.send(bytes(4800))
            await call.event("nextvoice.audio")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert len(provider.visits[0].audio) == 48_000
