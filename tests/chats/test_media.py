"""Recordings: private, and seekable by Range."""

from __future__ import annotations

import asyncio

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from chats.media import asked_span
from chats.models import Conversation, Message, Recording, User

BODY = bytes(range(256)) * 4


@pytest.fixture
def recording(conversation: Conversation) -> Recording:
    message = Message.objects.create(conversation=conversation, position=1, role="user")
    made = Recording(message=message, state="ready", duration_ms=1000, size=len(BODY))
    made.file.save("r.mp3", ContentFile(BODY))
    return made


def fetch(client: Client, recording: Recording, **headers: str) -> tuple[int, bytes, str]:
    response = client.get(recording.url, headers=headers)
    body = asyncio.run(_read(response)) if response.streaming else response.content
    return response.status_code, body, response.get("Content-Range", "")


async def _read(response: object) -> bytes:
    return b"".join([part async for part in response.streaming_content])  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_the_owner_hears_all_of_it(client: Client, recording: Recording) -> None:
    talk = recording.message.conversation
    client.force_login(talk.owner)
    others = []
    for content, state in ((b"another", "ready"), (b"not yet", "live")):
        message = Message.objects.create(conversation=talk, position=2, role="user")
        others.append(Recording(message=message, state=state))
        others[-1].file.save(f"{state}.mp3", ContentFile(content))
    assert fetch(client, recording) == (200, BODY, "")
    assert fetch(client, others[0]) == (200, b"another", "")
    assert fetch(client, others[1])[0] == 404
    head = client.head(recording.url)
    assert (head["Content-Length"], head["Accept-Ranges"]) == ("1024", "bytes")
    assert head["Cache-Control"] == "private, max-age=3600"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, 1024),
        ("bytes=100-199", 100, 200),
        ("bytes=1000-5000", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-5000", 0, 1024),
    ],
)
def test_a_part_is_served(
    client: Client, recording: Recording, asked: str, start: int, end: int
) -> None:
    client.force_login(recording.message.conversation.owner)
    assert fetch(client, recording, Range=asked) == (
        206,
        BODY[start:end],
        f"bytes {start}-{end - 1}/1024",
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=9999-", "bytes=-0", "bytes=5-2"])
def test_a_part_outside_is_refused(client: Client, recording: Recording, asked: str) -> None:
    client.force_login(recording.message.conversation.owner)
    assert fetch(client, recording, Range=asked) == (416, b"", "bytes */1024")


@pytest.mark.parametrize(
    "header", ["", "bytes", "bytes=", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes=٣-", "x" * 99]
)
def test_a_header_that_is_no_range_means_the_whole_file(header: str) -> None:
    assert asked_span(header, 10) == (0, 10)


@pytest.mark.django_db(transaction=True)
def test_strangers_and_visitors_get_404(
    client: Client, recording: Recording, bob: User, eve: User
) -> None:
    assert client.get(recording.url).status_code == 404
    for stranger in (bob, eve):
        client.force_login(stranger)
        assert client.get(recording.url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_deleted_conversation_is_silent(client: Client, recording: Recording) -> None:
    conversation = recording.message.conversation
    client.force_login(conversation.owner)
    Conversation.objects.update(deleted=conversation.created)
    assert client.get(recording.url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_recording_that_is_not_finished_or_lost_is_404(
    client: Client, recording: Recording
) -> None:
    client.force_login(recording.message.conversation.owner)
    recording.file.storage.delete(recording.file.name)
    assert client.get(recording.url).status_code == 404
    Recording.objects.update(state="live")
    assert client.get(recording.url).status_code == 404
