"""Attachments over HTTP: in, out and away; private at every step."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chats.attachments import keeping, reading, upload
from chats.attachments.sniff import Refused
from chats.models import Attachment, Conversation, Message, Recording, User
from tests.chats import files_to_attach as files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_uploads_before() -> None:
    cache.clear()


@pytest.fixture
def owner(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


def send(client: Client, conversation: Conversation, name: str, content: bytes) -> Any:
    address = reverse("attachment-upload", args=[conversation.pk])
    return client.post(address, {"file": SimpleUploadedFile(name, content)})


def put(client: Client, conversation: Conversation, name: str, content: bytes) -> Attachment:
    answer = send(client, conversation, name, content)
    assert answer.status_code == 201, answer.content
    return Attachment.objects.get(pk=answer.json()["id"])


def body(response: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return asyncio.run(read())


def stored(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "media").rglob("*") if path.is_file())


def test_a_picture_is_taken_in_and_given_back(
    owner: Client, conversation: Conversation, tmp_path: Path
) -> None:
    answer = send(owner, conversation, "Rome.png", files.picture())
    pk = answer.json()["id"]
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "id": pk,
            "kind": "image",
            "name": "Rome.png",
            "size": answer.json()["size"],
            "width": 40,
            "height": 30,
            "url": f"/c/attachments/{pk}/",
            "thumbnail_url": f"/c/attachments/{pk}/thumbnail/",
            "delete_url": f"/c/attachments/{pk}/delete/",
            "note": "",
        },
    )
    file = owner.get(answer.json()["url"])
    assert {name: file[name] for name in ("Content-Type", "Content-Disposition")} == {
        "Content-Type": "image/png",
        "Content-Disposition": 'inline; filename="Rome.png"',
    }
    assert (file["X-Content-Type-Options"], file["Cache-Control"]) == (
        "nosniff",
        "private, max-age=3600",
    )
    assert file["Content-Security-Policy"].startswith("default-src 'none';")
    assert "sandbox" in file["Content-Security-Policy"]
    assert len(body(file)) == answer.json()["size"]
    small = owner.get(answer.json()["thumbnail_url"])
    assert (small["Content-Type"], body(small)[8:12]) == ("image/webp", b"WEBP")
    key = pk.replace("-", "")
    assert stored(tmp_path) == [f"{key}-file.png", f"{key}-thumbnail.webp"]


def test_a_document_is_only_ever_saved(owner: Client, conversation: Conversation) -> None:
    made = put(owner, conversation, "report.pdf", files.pdf("Hello"))
    assert (made.kind, made.text, made.thumbnail_url) == ("document", "Hello", "")
    file = owner.get(made.url)
    assert file["Content-Disposition"] == 'attachment; filename="report.pdf"'
    assert body(file) == files.pdf("Hello")
    assert owner.get(reverse("attachment-thumbnail", args=[made.pk])).status_code == 404


def test_a_picture_is_saved_when_that_is_asked_for(
    owner: Client, conversation: Conversation
) -> None:
    made = put(owner, conversation, "a.png", files.picture())
    assert owner.get(made.url + "?download")["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.txt", b"", 422, "empty"),
        ("a.svg", b"<svg/>", 415, "markup"),
        ("a.zip", files.zip_bomb(), 415, "archive"),
        ("a.docx", files.docx_bomb(), 413, "too_large_inside"),
        ("a.png", files.huge_png(60_000, 60_000), 413, "too_many_pixels"),
        ("a.pdf", files.pdf("x", password="y"), 422, "locked"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(
    owner: Client,
    conversation: Conversation,
    tmp_path: Path,
    name: str,
    content: bytes,
    status: int,
    code: str,
) -> None:
    answer = send(owner, conversation, name, content)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.json()["message"].endswith(".")
    assert (Attachment.objects.count(), stored(tmp_path)) == (0, [])


def test_a_file_over_the_limit_is_refused(
    owner: Client, conversation: Conversation, settings: Any
) -> None:
    settings.ATTACHMENT_MAX_MB = 1
    answer = send(owner, conversation, "a.txt", b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["message"]) == (
        413,
        "The file is larger than 1.0\xa0MB.",
    )
    assert send(owner, conversation, "a.txt", b"x" * 1024 * 1024).status_code == 201


def test_there_is_room_for_so_much(
    owner: Client, conversation: Conversation, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ATTACHMENT_ROOM_MB = 0
    assert send(owner, conversation, "a.txt", b"x").json()["error"] == "no_room"
    settings.ATTACHMENT_ROOM_MB = 1
    monkeypatch.setattr(keeping, "PER_CONVERSATION", 1)
    put(owner, conversation, "a.txt", b"x")
    assert send(owner, conversation, "a.txt", b"x").json()["error"] == "too_many"


def test_so_many_in_a_minute_refused_ones_too(
    owner: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PER_MINUTE", 2)
    put(owner, conversation, "a.txt", b"x")
    assert send(owner, conversation, "a.txt", b"").status_code == 422
    answer = send(owner, conversation, "a.txt", b"x")
    assert (answer.status_code, answer.json()["error"]) == (429, "too_often")


def test_a_post_without_a_file_is_refused(owner: Client, conversation: Conversation) -> None:
    address = reverse("attachment-upload", args=[conversation.pk])
    assert owner.post(address, {"file": "words"}).status_code == 400
    assert owner.get(address).status_code == 405


def test_a_post_without_the_token_is_refused(ann: User, conversation: Conversation) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert send(client, conversation, "a.txt", b"x").status_code == 403


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/absolute/path.txt", "path.txt"),
        ("%2e%2e%2fetc", "%2e%2e%2fetc"),
        ("a\0b\n.txt", "a b .txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("עברית.txt", "עברית.txt"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_a_name_is_shown_and_never_a_path(given: str, shown: str) -> None:
    assert keeping.clean_name(given) == shown


def test_a_long_name_keeps_its_ending() -> None:
    name = keeping.clean_name("x" * 500 + ".markdown")
    assert (len(name), name[-10:]) == (200, "…" + ".markdown")


def test_whatever_its_name_a_file_lies_under_its_key(
    owner: Client, conversation: Conversation, tmp_path: Path
) -> None:
    made = put(owner, conversation, "../../../evil.txt", b"x")
    assert (made.name, made.file.name) == (
        "evil.txt",
        f"attachments/{made.pk.hex[:2]}/{made.pk.hex}-file.txt",
    )
    assert stored(tmp_path) == [f"{made.pk.hex}-file.txt"]


@pytest.mark.parametrize("who", ["anonymous", "stranger", "team", "inactive", "ex-member"])
def test_for_others_there_is_no_such_attachment(
    owner: Client, conversation: Conversation, ann: User, bob: User, eve: User, who: str
) -> None:
    made = put(owner, conversation, "a.png", files.picture())
    other = Client()
    if who == "stranger":
        other.force_login(eve)
    elif who == "team":
        other.force_login(bob)
    elif who != "anonymous":
        other.force_login(ann)
        if who == "inactive":
            User.objects.filter(pk=ann.pk).update(is_active=False)
        else:
            conversation.account.memberships.filter(user=ann).delete()
    statuses = [
        other.get(made.url).status_code,
        other.get(made.thumbnail_url).status_code,
        other.post(reverse("attachment-delete", args=[made.pk])).status_code,
        send(other, conversation, "a.txt", b"x").status_code,
        other.get(reverse("attachment", args=[uuid.uuid4()])).status_code,
    ]
    assert statuses == [404] * 5
    assert Attachment.objects.count() == 1


def test_in_a_deleted_conversation_there_is_nothing(
    owner: Client, conversation: Conversation
) -> None:
    made = put(owner, conversation, "a.png", files.picture())
    owner.post(reverse("conversation-delete", args=[conversation.pk]))
    assert owner.get(made.url).status_code == 404
    assert send(owner, conversation, "a.txt", b"x").status_code == 404


def test_deleting_takes_the_files_away(
    owner: Client, conversation: Conversation, tmp_path: Path
) -> None:
    kept = put(owner, conversation, "kept.pdf", files.pdf("Hello"))
    made = put(owner, conversation, "a.png", files.picture("PNG", (2000, 10)))
    assert len(stored(tmp_path)) == 4
    address = reverse("attachment-delete", args=[made.pk])
    assert owner.get(address).status_code == 405
    assert owner.post(address).status_code == 204
    assert (list(Attachment.objects.all()), len(stored(tmp_path))) == ([kept], 1)
    assert owner.post(address).status_code == 404
    assert body(owner.get(kept.url)) == files.pdf("Hello")


def test_files_go_with_their_message_and_conversation(
    owner: Client, conversation: Conversation, tmp_path: Path
) -> None:
    message = Message.objects.create(conversation=conversation, position=1, role="user")
    Recording.objects.create(message=message).file.save("r.mp3", SimpleUploadedFile("r", b"sound"))
    made = put(owner, conversation, "a.txt", b"x")
    Attachment.objects.filter(pk=made.pk).update(message=message)
    put(owner, conversation, "b.txt", b"y")
    assert len(stored(tmp_path)) == 3
    message.delete()
    assert [name[-8:] for name in stored(tmp_path)] == ["file.txt"]
    conversation.delete()
    assert stored(tmp_path) == []


def test_a_file_that_takes_too_long_costs_a_child_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(files.picture())
    with pytest.raises(Refused, match="too_slow"):
        asyncio.run(reading.read(tmp_path / "given", "a.png", tmp_path, seconds=0))


def test_a_child_that_dies_is_a_refusal(tmp_path: Path) -> None:
    # A folder that is not there ends it with an error of its own.
    (tmp_path / "given").write_bytes(files.picture())
    with pytest.raises(Refused, match="too_large_inside"):
        asyncio.run(reading.read(tmp_path / "given", "a.png", tmp_path / "nowhere"))
