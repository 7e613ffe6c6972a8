"""The admin's lists of what grows for ever, and deleting people with all they said."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chats import admin_lists, retention
from chats.models import Account, Conversation, Message, Recording, User

pytestmark = pytest.mark.django_db(transaction=True)

LONG = ["conversation", "message", "recording", "attachment", "auditevent"]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="boss-password"))
    return client


def fill(owner: User, conversations: int, messages: int) -> None:
    made = Conversation.objects.bulk_create(
        Conversation(owner=owner, account=owner.own_account) for _ in range(conversations)
    )
    said = Message.objects.bulk_create(
        Message(conversation=each, position=n, role="user")
        for each in made
        for n in range(messages)
    )
    Recording.objects.bulk_create(Recording(message=each, state="ready") for each in said)


@pytest.mark.parametrize("name", LONG)
def test_a_list_counts_no_further_than_it_shows(
    boss: Client, ann: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(admin_lists, "MOST", 7)
    fill(ann, 10, 2)
    with CaptureQueriesContext(connection) as queries:
        page = boss.get(reverse(f"admin:chats_{name}_changelist"))
    assert page.status_code == 200
    counts = [each["sql"] for each in queries if "COUNT(*)" in each["sql"]]
    unbounded = [sql for sql in counts if "LIMIT 7" not in sql and "GROUP BY" not in sql]
    assert unbounded == []
    # The one event is that the admin signed in.
    assert page.context["cl"].result_count == {"attachment": 0, "auditevent": 1}.get(name, 7)


def test_deleting_a_person_asks_with_numbers_and_reaches_everything(
    boss: Client, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 5)
    fill(ann, 4, 6)
    fill(bob, 1, 1)
    url = reverse("admin:chats_user_delete", args=[ann.pk])
    asked = boss.get(url).content.decode()
    assert "Conversations: 4" in asked and "Messages: 24" in asked
    assert boss.post(url, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not Account.objects.filter(slug__startswith="ann").exists()
    left = (Conversation.objects.count(), Message.objects.count(), Recording.objects.count())
    assert left == (1, 1, 1)


def test_chosen_conversations_are_deleted_together(boss: Client, ann: User) -> None:
    fill(ann, 3, 2)
    keys = list(Conversation.objects.values_list("pk", flat=True)[:2])
    url = reverse("admin:chats_conversation_changelist")
    chosen = {"action": "delete_selected", "_selected_action": keys}
    assert boss.post(url, chosen).status_code == 200
    assert boss.post(url, {**chosen, "post": "yes"}).status_code == 302
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 2)


def test_who_may_not_delete_is_told_so(client: Client, ann: User) -> None:
    from django.contrib.auth.models import Permission

    helper = User.objects.create_user("helper", password="helper-password", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(helper)
    url = reverse("admin:chats_user_delete", args=[ann.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=ann.pk).exists()
