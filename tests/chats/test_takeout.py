"""A person takes everything along that is kept of them, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from itertools import islice

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chats import takeout
from chats.models import Attachment, AuditEvent, Conversation, Message, Recording, User
from realtime import takeout as usage
from realtime.money.ledger import Entry, Payer, record
from tests.chats.test_retention import content, say

pytestmark = pytest.mark.django_db


def taken(client: Client) -> zipfile.ZipFile:
    answer = client.get(reverse("takeout"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert answer["Cache-Control"] == "private, no-store"
    return zipfile.ZipFile(io.BytesIO(b"".join(answer)))  # type: ignore[arg-type]


def test_it_holds_words_audio_files_and_usage(client: Client, conversation: Conversation) -> None:
    ann = conversation.owner
    message = say(conversation, 2, "Where did all roads lead? “Rome” é")
    say(Conversation.objects.create(owner=ann, account=ann.own_account, title="Second"), 1)
    payer = Payer(account_id=ann.own_account.pk, user_id=ann.pk, user_name="ann")
    raw = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    record(Entry(payer, "some-model", "session", "1", "response", raw=raw))
    client.force_login(ann)
    archive = taken(client)
    assert archive.testzip() is None
    folder = f"conversations/{conversation.created:%Y-%m-%d}-{conversation.pk}"
    told = json.loads(archive.read(f"{folder}/conversation.json"))
    assert (told["title"], told["account"]) == ("Rome", "ann")
    (words,) = told["messages"]
    assert (words["role"], words["text"]) == ("user", message.text)
    assert archive.read(f"{folder}/{words['recording']}") == b"bytes"
    assert archive.read(f"{folder}/{words['attachments'][0]['file']}") == b"bytes"
    (used,) = csv.DictReader(io.StringIO(archive.read("usage.csv").decode("utf-8-sig")))
    assert (used["model"], used["user_name"]) == ("some-model", "ann")
    assert json.loads(archive.read("you.json"))["email"] == "ann@example.org"
    assert archive.read(f"{folder}/conversation.md").startswith(b"# Rome\n")
    assert len(archive.namelist()) == 1 + 4 + 4 + 1
    event = AuditEvent.objects.get(action="person.data_downloaded")
    assert (event.actor, event.actor_name) == (ann, "ann")


def test_nobody_gets_what_is_another_s(
    client: Client, conversation: Conversation, bob: User, eve: User
) -> None:
    say(conversation, 2)
    for stranger in (bob, eve):
        client.force_login(stranger)
        assert sorted(taken(client).namelist()) == ["usage.csv", "you.json"]
    client.logout()
    answer = client.get(reverse("takeout"))
    assert answer["Location"].startswith(reverse("account_login"))
    assert client.post(reverse("takeout")).status_code == 302


def test_what_is_gone_is_left_out_or_empty(client: Client, conversation: Conversation) -> None:
    message = say(conversation, 2)
    recording = Recording.objects.get(message=message)
    recording.file.storage.delete(str(recording.file.name))
    unsent = Attachment(conversation=conversation, owner=conversation.owner, name="unsent.txt")
    unsent.file = recording.file.storage.save("attachments/ab/unsent-file.txt", content())
    unsent.save()
    client.force_login(conversation.owner)
    archive = taken(client)
    audio = [name for name in archive.namelist() if "/recordings/" in name]
    assert [archive.read(name) for name in audio] == [b""]
    assert len([name for name in archive.namelist() if "/attachments/" in name]) == 2


def test_it_is_made_piece_by_piece(conversation: Conversation) -> None:
    Message.objects.bulk_create(
        Message(conversation=conversation, position=n, role="user", text="word " * 400)
        for n in range(2_000)
    )
    pieces = list(takeout.zipped(takeout.entries(conversation.owner)))
    assert max(map(len, pieces)) < 256 * 1024
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("conversation.json")]
        assert len(json.loads(archive.read(name))["messages"]) == 2_000


def query_is_open() -> bool:
    """Whether SQLite has to keep all that is written, since somebody reads what was there."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        with other:
            other.execute("UPDATE django_content_type SET model = model")
        return bool(other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="others keep it in memory")
def test_no_query_is_open_while_somebody_takes_it_slowly(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeout, "ROWS_AT_A_TIME", 2)
    monkeypatch.setattr(usage, "AT_ONCE", 2)
    ann = conversation.owner
    for n in range(5):
        say(conversation, n)
        other = Conversation.objects.create(owner=ann, account=ann.own_account, title=str(n))
        say(other, 1)
        payer = Payer(account_id=ann.own_account.pk, user_id=ann.pk, user_name="ann")
        record(Entry(payer, "some-model", "session", str(n), "response", raw={"input_tokens": 1}))
    pieces = takeout.zipped(takeout.entries(ann))
    with closing(pieces):
        assert [n for n, _piece in enumerate(pieces) if query_is_open()] == []
    with closing(Message.objects.iterator(chunk_size=2)) as rows:
        assert [query_is_open() for _row in islice(rows, 3)] == [True, True, True]
