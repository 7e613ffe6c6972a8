"""Files that tools make: private attachments of the conversation, of no kind that could harm."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from chats.attachments.keeping import UNREAD
from chats.models import Attachment, Conversation, Message, User
from realtime.bridge.tools import WHOLE, Produced, Result
from realtime.calls.history import opening_items
from realtime.db import in_database
from realtime.tools import TOOLS, SiteToolbox, Where
from realtime.tools.registry import tool
from tests.bridge.test_tools import asking, wanted
from tests.chats.test_attachments import body
from tests.realtime.test_consumer import finalised, messages, opened, provider_of, sign_in
from tests.realtime.test_watching import watcher
from tests.realtime.tools.test_tool_calls import with_tools
from tests.realtime.tools.test_tools import Tags
from tests.scripted import Expect
from tests.site import Caller
from tests.xss import CORPUS

pytestmark = pytest.mark.django_db(transaction=True)

HTML = b"<!doctype html><html><script>window.hit=1</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>window.hit=1</script></svg>'


def png(width: int = 64, note: str = "") -> bytes:
    content, info = io.BytesIO(), PngInfo()
    info.add_text("Comment", note)
    Image.new("RGB", (width, 48), "teal").save(content, "PNG", pnginfo=info)
    return content.getvalue()


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


@pytest.fixture
def drawing() -> Iterator[None]:
    """Functions that make files, in the real registry."""

    @tool("draw", "Drawing", "Draws a picture.")
    def draw(where: Where, what: str) -> Result:
        """Draw a picture.

        what: what it shows
        """
        name = f"{what}.png"
        return Result("drawn", files=(Produced(name, "image/png", png(note="secret")),))

    @tool("list_all", "List", "Lists everything.")
    def list_all(where: Where) -> Result:
        """List everything."""
        return Result("entry\n" * 50_000)

    yield
    del TOOLS["draw"], TOOLS["list_all"]


def thumbnail(user: User, address: str) -> str:
    """The type of the small picture, as the person gets it."""
    client = Client()
    client.force_login(user)
    return client.get(address).headers["Content-Type"]


def box(user: User, conversation: Conversation | None) -> SiteToolbox:
    return SiteToolbox(Where(user.pk, conversation.pk if conversation else None), [])


@pytest.mark.parametrize(
    ("file", "kind", "content_type"),
    [
        (Produced("a.png", "image/png", png()), "image", "image/png"),
        # What it says it is proves nothing.
        (Produced("a.html", "text/html", png()), "image", "image/png"),
        (Produced("a.csv", "text/csv", b"a,b\n1,2\n"), "document", "text/csv"),
        (Produced("a.png", "image/png", HTML), "document", UNREAD),
        (Produced("a.svg", "image/svg+xml", SVG), "document", UNREAD),
        (Produced("a.zip", "application/zip", b"PK\x03\x04" + bytes(40)), "document", UNREAD),
        (Produced("a.bin", "image/png", bytes(range(256))), "document", UNREAD),
        (Produced("a.png", "image/png", png()[:100]), "document", UNREAD),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_a_file_is_kept_as_what_it_is(
    ann: User, conversation: Conversation, file: Produced, kind: str, content_type: str
) -> None:
    kept = await box(ann, conversation).keep([file])
    assert (len(kept.attachments), kept.refused) == (1, ())
    row = await Attachment.objects.aget()
    assert (str(row.pk), row.kind, row.content_type) == (
        kept.attachments[0]["id"],
        kind,
        content_type,
    )
    assert (row.owner_id, row.conversation_id, row.name) == (ann.pk, conversation.pk, file.name)


@pytest.mark.parametrize("data", [HTML, SVG])
def test_what_could_run_is_only_ever_saved(
    ann: User, conversation: Conversation, client: Client, data: bytes
) -> None:
    async_to_sync(box(ann, conversation).keep)([Produced("page.html", "text/html", data)])
    row = Attachment.objects.get()
    client.force_login(ann)
    answer = client.get(row.url)
    assert body(answer) == data
    assert answer.headers["Content-Type"] == UNREAD
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert row.thumbnail_url == ""


def test_a_picture_is_drawn_anew_and_nobody_else_gets_it(
    ann: User, eve: User, conversation: Conversation, client: Client
) -> None:
    made = Produced("a.png", "image/png", png(note="secret"))
    async_to_sync(box(ann, conversation).keep)([made])
    row = Attachment.objects.get()
    client.force_login(ann)
    picture = body(client.get(row.url))
    assert b"secret" in made.data and b"secret" not in picture
    assert Image.open(io.BytesIO(picture)).size == (64, 48)
    client.force_login(eve)
    addresses = (row.url, row.thumbnail_url)
    assert [client.get(address).status_code for address in addresses] == [404, 404]


async def test_files_are_refused_one_by_one_with_a_reason(
    ann: User, conversation: Conversation, settings: pytest.FixtureRequest
) -> None:
    settings.ATTACHMENT_MAX_MB = 0.0001  # type: ignore[attr-defined]
    files = [Produced("", "image/png", b""), Produced("big", "", bytes(2000))]
    files.append(Produced("small.txt", "text/plain", b"words"))
    kept = await box(ann, conversation).keep(files)
    assert [each["name"] for each in kept.attachments] == ["small.txt"]
    assert kept.refused == (
        "“file.png” could not be saved. The file is empty.",
        "“big” could not be saved. The file is larger than 104\xa0bytes.",
    )


async def test_nothing_is_kept_without_a_conversation_or_in_somebody_elses(
    ann: User, eve: User, conversation: Conversation
) -> None:
    files = [Produced("a.txt", "text/plain", b"words")]
    for toolbox in (box(ann, None), box(eve, conversation)):
        kept = await toolbox.keep(files)
        assert (kept.attachments, len(kept.refused)) == ((), 1)
    assert await Attachment.objects.acount() == 0


@pytest.mark.parametrize("attack", CORPUS)
def test_the_name_of_a_file_is_no_markup(attack: str) -> None:
    def shown(name: str) -> Tags:
        attachment = Attachment(kind="document", name=name, content_type="text/plain")
        return Tags(render_to_string("chats/_attachment.html", {"attachment": attachment}))

    harmless, attacked = shown("harmless"), shown(attack)
    assert (attacked.names, attacked.attributes) == (harmless.names, harmless.attributes)


async def test_a_picture_is_in_the_thread_of_every_tab_while_the_call_goes_on(
    here: str, conversation: Conversation, cookie: str, drawing: None, ann: User
) -> None:
    await in_database(lambda: Conversation.objects.update(title=""))
    asked = asking(wanted("draw", json.dumps({"what": "a <b>boat</b>"})))
    async with provider_of(opened(asked, Expect("response.create"))) as provider:
        await with_tools()
        async with watcher(here, conversation, cookie) as other:
            await other.until(lambda: other.of("nextvoice.watching"))
            async with Caller.dial(here, str(conversation.pk), cookie) as call:
                await call.start()
                saved = await call.event("nextvoice.saved", status="completed", kind="tool")
                seen = await other.until(lambda: other.of("nextvoice.saved", status="completed"))
                (shown,) = saved["attachments"]
                picture = await in_database(thumbnail, ann, str(shown["thumbnail_url"]))
                await call.send({"type": "nextvoice.hang_up"})
                await finalised("hang_up", visit := await provider.visit())
    assert picture == "image/webp"
    assert seen[0]["attachments"] == [shown]
    assert (shown["name"], shown["kind"]) == ("b>.png", "image")
    (output,) = visit.of_type("conversation.item.create")
    assert output["item"]["output"] == "drawn\n[The person sees the file b>.png.]"
    (message,) = await messages()
    row = await Attachment.objects.aget()
    assert (row.message_id, row.owner_id) == (message.pk, ann.pk)
    assert await in_database(opening_items, conversation) == []
    await in_database(conversation.refresh_from_db)
    assert conversation.title == ""


async def test_an_output_that_is_too_long_can_be_opened_whole(
    here: str, conversation: Conversation, cookie: str, drawing: None
) -> None:
    asked = asking(wanted("list_all"))
    async with provider_of(opened(asked, Expect("response.create"))) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            saved = await call.event("nextvoice.saved", status="completed", kind="tool")
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", await provider.visit())
    (shown,) = saved["attachments"]
    assert (shown["name"], shown["size"], shown["kind"]) == (WHOLE, 300_000, "document")
    assert saved["text"] == ""


async def test_a_file_that_was_deleted_stays_so(
    here: str, conversation: Conversation, cookie: str, drawing: None, ann: User, client: Client
) -> None:
    asked = asking(wanted("draw", '{"what": "boat"}'))
    async with provider_of(opened(asked, Expect("response.create"))) as provider:
        await with_tools()
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            saved = await call.event("nextvoice.saved", status="completed", kind="tool")
            (shown,) = saved["attachments"]

            def deleted() -> int:
                client.force_login(ann)
                address = reverse("attachment-delete", args=[shown["id"]])
                return client.post(address).status_code

            assert await in_database(deleted) == 204
            await call.send({"type": "nextvoice.hang_up"})
            await finalised("hang_up", await provider.visit())
    assert await Attachment.objects.acount() == 0
    assert await Message.objects.acount() == 1
    await asyncio.sleep(0)
