"""Keeping for so many days: what goes, what stays, and that a crash half-way loses nothing."""

from __future__ import annotations

import runpy
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats import files, retention
from chats.models import (
    Account,
    Attachment,
    AuditEvent,
    Conversation,
    DoomedFile,
    Message,
    Recording,
    User,
)
from chats.orphans import orphans

pytestmark = pytest.mark.django_db(transaction=True)


def say(conversation: Conversation, days_ago: int, text: str = "Words") -> Message:
    """A spoken message of that age with a recording and a picture."""
    at = timezone.now() - timedelta(days=days_ago, hours=1)
    message = Message.objects.create(
        conversation=conversation, position=-days_ago, role="user", text=text, created=at
    )
    recording = Recording(message=message, state="ready", size=5, duration_ms=9, created=at)
    key = recording.pk
    recording.file = default_storage.save(f"recordings/{str(key)[:2]}/{key}.mp3", content())
    recording.save()
    attachment = Attachment(conversation=conversation, message=message, owner=conversation.owner)
    place = f"attachments/{attachment.pk.hex[:2]}/{attachment.pk.hex}"
    attachment.file = default_storage.save(f"{place}-file.png", content())
    attachment.thumbnail = default_storage.save(f"{place}-thumbnail.webp", content())
    attachment.save()
    return message


def content() -> ContentFile[bytes]:
    return ContentFile(b"bytes")


def stored(tmp_path: Path) -> list[str]:
    media = tmp_path / "media"
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def keep(account: Account, **days: int | None) -> None:
    Account.objects.filter(pk=account.pk).update(**{f"keep_{k}_days": n for k, n in days.items()})


def run() -> dict[str, int]:
    removed = retention.run()
    return {name: getattr(removed, name) for name in removed.__slots__ if getattr(removed, name)}


def test_nothing_is_removed_unless_somebody_asked_for_it(
    conversation: Conversation, tmp_path: Path
) -> None:
    say(conversation, 4000)
    Conversation.objects.update(updated=timezone.now() - timedelta(days=4000))
    assert (run(), len(stored(tmp_path))) == ({}, 3)


def test_audio_goes_and_the_message_says_so(
    client: Client, conversation: Conversation, tmp_path: Path
) -> None:
    old, new = say(conversation, 31), say(conversation, 29)
    keep(conversation.account, audio=30)
    assert run() == {"recordings": 1}
    gone, kept = (Recording.objects.get(message=each) for each in (old, new))
    assert (gone.state, gone.file.name, gone.size, gone.kept_days) == ("expired", "", 0, 30)
    assert (kept.state, kept.size) == ("ready", 5)
    assert len(stored(tmp_path)) == 5
    client.force_login(conversation.owner)
    page = client.get(conversation.get_absolute_url()).content.decode()
    assert page.count("Audio removed after 30 days") == 1
    assert page.count("Recordings are kept for 30 days.") == 1
    assert client.get(gone.url).status_code == 404
    event = AuditEvent.objects.get(action="retention.purged")
    assert (event.account, event.detail["recordings"]) == (conversation.account, 1)
    assert run() == {}
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["retention.purged", "user.signed_in"]


def test_texts_go_with_all_that_belongs_to_them(conversation: Conversation, tmp_path: Path) -> None:
    say(conversation, 61)
    new = say(conversation, 59)
    other = Conversation.objects.create(owner=conversation.owner, account=conversation.account)
    say(other, 90)
    Conversation.objects.filter(pk=other.pk).update(updated=timezone.now() - timedelta(days=90))
    keep(conversation.account, text=60)
    assert run() == {"messages": 2, "recordings": 2, "attachments": 2, "conversations": 1}
    assert list(Message.objects.all()) == [new]
    assert list(Conversation.objects.all()) == [conversation]
    assert len(stored(tmp_path)) == 3


def test_an_empty_conversation_goes_when_it_is_as_old_as_texts_that_go(
    conversation: Conversation,
) -> None:
    ann, account = conversation.owner, conversation.account
    begun, unused, old = (Conversation.objects.create(owner=ann, account=account) for _ in range(3))
    say(begun, 59)
    ago = timezone.now() - timedelta(days=61)
    Conversation.objects.exclude(pk__in=[conversation.pk, unused.pk]).update(updated=ago)
    keep(account, text=60)
    assert run() == {"conversations": 1}
    assert not Conversation.objects.filter(pk=old.pk).exists()


@pytest.mark.parametrize("what", ["recordings", "messages", "conversations"])
def test_each_account_is_told_of_what_was_its_own(
    conversation: Conversation, bob: User, what: str
) -> None:
    theirs = Conversation.objects.create(owner=bob, account=bob.own_account)
    for each in (conversation, theirs):
        say(each, 100)
        keep(each.account, **({"audio": 30} if what == "recordings" else {"text": 30}))
    if what == "conversations":
        Message.objects.all().delete()
        Conversation.objects.update(updated=timezone.now() - timedelta(days=100))
    run()
    events = AuditEvent.objects.filter(action="retention.purged")
    told = {event.account: event.detail[what] for event in events}
    assert told == {conversation.account: 1, bob.own_account: 1}


def test_what_goes_for_another_reason_is_not_said_to_be_over(conversation: Conversation) -> None:
    say(conversation, 1)
    retention.remove_conversations(Conversation.objects.all())
    assert not Conversation.objects.exists()
    assert not AuditEvent.objects.filter(action="retention.purged").exists()


def test_an_account_decides_before_the_site(
    conversation: Conversation, bob: User, settings: Any
) -> None:
    settings.KEEP_AUDIO_DAYS = 10
    theirs = Conversation.objects.create(owner=bob, account=bob.own_account)
    say(conversation, 20)
    say(theirs, 20)
    keep(conversation.account, audio=0)
    assert run() == {"recordings": 1}
    assert Recording.objects.get(state="expired").message.conversation == theirs


@pytest.mark.parametrize("name", ["KEEP_AUDIO_DAYS", "KEEP_TEXT_DAYS"])
def test_days_below_0_are_refused_at_the_start_and_remove_nothing(
    conversation: Conversation,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv(name, "-1")
    with pytest.raises(ImproperlyConfigured, match=name):
        runpy.run_path(str(settings.BASE_DIR / "nextvoice" / "settings.py"))
    setattr(settings, name, -1)
    say(conversation, 20)
    assert run() == {}


@pytest.mark.parametrize("days", [999_999, 2_147_483_647, 10**12])
def test_more_days_than_there_were_keep_everything(
    conversation: Conversation, bob: User, settings: Any, days: int
) -> None:
    settings.KEEP_AUDIO_DAYS = settings.KEEP_TEXT_DAYS = days
    theirs = Conversation.objects.create(owner=bob, account=bob.own_account)
    say(conversation, 4000)
    say(theirs, 4000)
    keep(bob.own_account, audio=30)
    if connection.vendor == "sqlite":  # others have no room for so many
        keep(conversation.account, audio=days, text=days)
    assert run() == {"recordings": 1}


@pytest.mark.parametrize(
    ("audio", "text", "words"),
    [
        (0, 0, ""),
        (1, 0, "Recordings are kept for 1 day."),
        (30, 365, "Recordings are kept for 30 days. What was said is kept for 365 days."),
        (30, 30, "What was said is kept for 30 days."),
        (0, 7, "What was said is kept for 7 days."),
    ],
)
def test_what_holds_is_told_in_words(audio: int, text: int, words: str) -> None:
    assert str(retention.Keeping(audio, text)) == words


def test_what_an_account_says_nothing_of_is_as_the_site_says(
    conversation: Conversation, settings: Any
) -> None:
    settings.KEEP_AUDIO_DAYS, settings.KEEP_TEXT_DAYS = 10, 20
    account = conversation.account
    assert retention.keeping(account) == retention.Keeping(10, 20)
    account.keep_audio_days, account.keep_text_days = 0, 5
    assert retention.keeping(account) == retention.Keeping(0, 5)


def test_what_is_due_is_what_goes(conversation: Conversation, bob: User) -> None:
    """Of several accounts, of what is over for two reasons, and of what was deleted."""
    ann, account, team = conversation.owner, conversation.account, Account.objects.get(slug="team")
    theirs, teams = (
        Conversation.objects.create(owner=owner, account=whose)
        for owner, whose in ((bob, bob.own_account), (ann, team))
    )
    deleted, empty, old = (
        Conversation.objects.create(owner=ann, account=account) for _ in range(3)
    )
    keep(account, audio=30, text=60)
    keep(bob.own_account, audio=20)
    keep(team, text=40)
    for each in (conversation, theirs, teams, deleted):
        for days in (10, 25, 35, 50, 70, 80):
            say(each, days)
    ago = timezone.now() - timedelta(days=70)
    say(old, 75)
    Conversation.objects.filter(pk__in=[empty.pk, old.pk]).update(updated=ago)
    Conversation.objects.filter(pk=deleted.pk).update(deleted=ago)
    due = asdict(retention.due())
    assert run() == due
    assert due == {"conversations": 3, "messages": 12, "recordings": 19, "attachments": 12}


def test_the_list_names_a_team_that_keeps_otherwise(client: Client, bob: User) -> None:
    client.force_login(bob)
    assert client.get(reverse("home")).context["keeping"] == []
    keep(bob.accounts.get(slug="team"), audio=7)
    assert client.get(reverse("home")).context["keeping"] == [
        "Team: Recordings are kept for 7 days."
    ]


def test_a_deleted_conversation_goes_after_its_undo_time(
    client: Client, conversation: Conversation, tmp_path: Path
) -> None:
    other = Conversation.objects.create(owner=conversation.owner, account=conversation.account)
    kept = say(other, 1)
    for days in range(3):
        say(conversation, days)
    client.force_login(conversation.owner)
    client.post(reverse("conversation-delete", args=[conversation.pk]))
    assert (run(), len(stored(tmp_path))) == ({}, 12)
    over = timezone.now() - retention.UNDO_FOR - timedelta(seconds=1)
    Conversation.objects.filter(pk=conversation.pk).update(deleted=over)
    counts = {"conversations": 1, "messages": 3, "recordings": 3, "attachments": 3}
    assert (run(), len(stored(tmp_path))) == (counts, 3)
    assert (list(Message.objects.all()), list(Conversation.objects.all())) == ([kept], [other])
    undo = reverse("conversation-restore", args=[conversation.pk])
    assert client.post(undo).status_code == 404


def test_batches_are_bounded(conversation: Conversation) -> None:
    for days in range(5):
        say(conversation, 100 + days)
    keep(conversation.account, audio=1)
    assert [retention.step(batch=2).recordings for _ in range(4)] == [2, 2, 1, 0]
    keep(conversation.account, text=1)
    assert retention.run(most=4, batch=2).messages == 4


def test_a_file_the_storage_would_not_remove_is_removed_later(
    conversation: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = say(conversation, 1)
    with monkeypatch.context() as patch:

        def away(name: str) -> None:
            raise OSError("the storage is away")

        patch.setattr(files.default_storage, "delete", away, raising=False)
        later = timezone.now() + files.NEXT_TRY
        message.delete()
        assert len(stored(tmp_path)) == 3
        assert DoomedFile.objects.filter(next_try__gte=later).count() == 3
    assert files.remove_doomed(100) == 0
    DoomedFile.objects.update(next_try=timezone.now())
    run()
    assert (stored(tmp_path), DoomedFile.objects.count()) == ([], 0)


def test_a_deletion_that_is_taken_back_keeps_its_files(
    conversation: Conversation, tmp_path: Path
) -> None:
    from django.db import transaction

    message = say(conversation, 1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        message.delete()
        raise ZeroDivisionError
    run()
    assert (len(stored(tmp_path)), DoomedFile.objects.count()) == (3, 0)


def test_files_that_no_row_names_are_found_once_they_are_a_day_old(
    conversation: Conversation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = say(conversation, 1)
    Recording.objects.filter(message=message).update(file="")
    default_storage.save("recordings/odd name.mp3", content())
    assert list(orphans()) == []
    tomorrow = timezone.now() + timedelta(days=1, minutes=1)
    found = sorted(orphans(tomorrow))
    assert (len(found), found[-1]) == (2, "recordings/odd name.mp3")
    assert len(stored(tmp_path)) == 4
    call_command("retention", "--dry-run")
    assert "0 files that nothing names." in capsys.readouterr().out


def test_a_dry_run_counts_and_removes_nothing(
    conversation: Conversation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(conversation, 100)
    say(conversation, 10)
    keep(conversation.account, text=30)
    call_command("retention", "--dry-run")
    said = capsys.readouterr().out
    assert "ann: What was said is kept for 30 days.\n" in said
    assert "To be removed: 0 conversations, 1 messages, 1 recordings, 1 attachments.\n" in said
    assert len(stored(tmp_path)) == 6
    call_command("retention")
    assert len(stored(tmp_path)) == 3
