"""A conversation as a text: who said what and when, and none of it for strangers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chats import transcript
from chats.models import Attachment, AuditEvent, Conversation, Message, User

pytestmark = pytest.mark.django_db


def text(client: Client, conversation: Conversation, **query: str) -> str:
    answer: Any = client.get(reverse("conversation-transcript", args=[conversation.pk]), query)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/markdown; charset=utf-8")
    return b"".join(answer).decode()


def add(conversation: Conversation, position: int, **fields: Any) -> Message:
    usual = {"role": "user", "status": "completed", "created": datetime(2026, 11, 30, 23, 30)}
    usual["created"] = usual["created"].replace(tzinfo=UTC)
    return Message.objects.create(conversation=conversation, position=position, **(usual | fields))


def test_it_tells_who_said_what_and_when(client: Client, conversation: Conversation) -> None:
    asked = add(conversation, 1, text="Where did all roads lead?")
    Attachment.objects.create(
        conversation=conversation, owner=conversation.owner, message=asked, name="map.png"
    )
    tool = {"name": "clock", "label": "Clock"}
    add(conversation, 2, role="assistant", kind="tool", tool=tool, text="It is noon.")
    cut = {"status": "interrupted", "text": "To", "unheard": "Rome."}
    add(conversation, 3, role="assistant", created=datetime(2026, 12, 1, 0, 5, tzinfo=UTC), **cut)
    add(conversation, 4, role="assistant", status="failed")
    client.force_login(conversation.owner)
    assert text(client, conversation) == (
        "# Rome\n\nTimes: UTC\n\n## 2026-11-30\n"
        "\n**ann** 23:30\n\nAttached: map.png\n\nWhere did all roads lead?\n"
        "\n**Tool: Clock** 23:30\n\nIt is noon.\n\n## 2026-12-01\n"
        "\n**Assistant** 00:05\n\nTo\n\n*Interrupted here. Not heard:* Rome.\n"
        "\n## 2026-11-30\n\n**Assistant** 23:30\n\n*Failed.*\n"
    )


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Tokyo", "Times: Asia/Tokyo\n\n## 2026-12-01\n\n**ann** 08:30"),
        ("Nowhere/Land", "Times: UTC\n\n## 2026-11-30\n\n**ann** 23:30"),
        ("../../etc/passwd", "Times: UTC"),
        ("America", "Times: UTC"),
        ("\0", "Times: UTC"),
    ],
)
def test_times_are_those_of_the_named_zone(
    client: Client, conversation: Conversation, zone: str, told: str
) -> None:
    add(conversation, 1, text="Hello")
    client.force_login(conversation.owner)
    assert told in text(client, conversation, zone=zone)


@pytest.mark.parametrize(
    ("title", "name"),
    [("Rome", '"Rome_{}.md"'), ("", '"New_conversation_{}.md"'), ('a/b"\r\n', '"ab_{}.md"')],
)
def test_the_file_has_the_title_s_name(
    client: Client, conversation: Conversation, title: str, name: str
) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(title=title)
    client.force_login(conversation.owner)
    answer = client.get(reverse("conversation-transcript", args=[conversation.pk]))
    day = f"{conversation.created:%Y-%m-%d}"
    assert answer["Content-Disposition"] == f"attachment; filename={name.format(day)}"


def test_a_long_one_is_made_piece_by_piece(
    client: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "ROWS_AT_A_TIME", 2)
    for n in range(5):
        add(conversation, n, text=f"Word {n}")
    pieces = transcript.transcript(conversation)
    assert b"Rome" in next(pieces)
    assert [n for n, piece in enumerate(pieces) if b"Word" in piece] == [1, 2, 3, 4, 5]


def test_strangers_get_none(
    client: Client, conversation: Conversation, bob: User, eve: User
) -> None:
    address = reverse("conversation-transcript", args=[conversation.pk])
    for stranger in (bob, eve):
        client.force_login(stranger)
        assert client.get(address).status_code == 404
    assert not AuditEvent.objects.filter(action="conversation.downloaded").exists()
