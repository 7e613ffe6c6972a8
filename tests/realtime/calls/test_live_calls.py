"""The admin's page of live calls: who may see it, what it shows, and what hanging up leaves."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import AuditEvent, Conversation, User
from realtime.models import CallRecord, Usage
from realtime.models.money import Source

pytestmark = pytest.mark.django_db

PAGES = ("live_calls", "live_calls_rows")


@pytest.fixture
def call(ann: User, conversation: Conversation) -> CallRecord:
    """A call that has run for five minutes."""
    conversation.title = "About <Rome>"
    conversation.save()
    now = timezone.now()
    return CallRecord.objects.create(
        conversation=conversation,
        user=ann,
        account=ann.own_account,
        provider_name="OpenAI",
        model_name="gpt-realtime",
        state=CallRecord.State.LIVE,
        worker="web-1:42",
        started=now - timedelta(minutes=5, seconds=5),
        heartbeat=now,
    )


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"staff-{len(permissions)}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def hang_up(client: Client, call: CallRecord) -> int:
    return client.post(reverse("admin:hang_up", args=[call.pk])).status_code


def test_only_staff_with_the_permission_see_calls_and_hang_up(ann: User, call: CallRecord) -> None:
    nobody, person = Client(), Client()
    person.force_login(ann)
    others = {"nobody": nobody, "person": person, "staff": staff("view_callrecord", "view_usage")}
    for name, client in others.items():
        expected = 403 if name == "staff" else 302
        seen = [client.get(reverse(f"admin:{page}")).status_code for page in PAGES]
        assert (name, seen, hang_up(client, call)) == (name, [expected] * 2, expected)
    call.refresh_from_db()
    assert (call.end_asked, AuditEvent.objects.filter(action="call.hung_up").count()) == ("", 0)


def test_the_page_shows_who_talks_with_what_since_when_for_how_much(call: CallRecord) -> None:
    Usage.objects.create(
        call_id=call.pk,
        upstream_session="s",
        key="r",
        kind=Usage.Kind.RESPONSE,
        source=Source.REPORTED,
        cost=Decimal("1.25"),
        currency="USD",
    )
    words = staff("supervise_calls").get(reverse("admin:live_calls")).content.decode()
    shown = ["ann", "OpenAI · gpt-realtime", "1.25 USD", "Live", "web-1:42", ">5<"]
    assert [each for each in shown if each not in words] == []
    assert "Rome" not in words
    named = staff("supervise_calls", "view_conversation").get(reverse("admin:live_calls"))
    assert "About &lt;Rome&gt;" in named.content.decode()


def test_a_call_that_gives_no_sign_of_life_is_marked_and_an_ended_one_is_gone(
    call: CallRecord,
) -> None:
    client = staff("supervise_calls")
    CallRecord.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))
    assert "No sign of life" in client.get(reverse("admin:live_calls_rows")).content.decode()
    CallRecord.objects.update(state=CallRecord.State.ENDED)
    assert "Nobody is in a call now." in client.get(reverse("admin:live_calls")).content.decode()


def test_hanging_up_is_asked_for_in_the_row_and_audited(call: CallRecord, bob: User) -> None:
    now = timezone.now()
    another = CallRecord.objects.create(account=bob.own_account, started=now, heartbeat=now)
    assert hang_up(staff("supervise_calls"), call) == 302
    call.refresh_from_db()
    another.refresh_from_db()
    assert another.end_asked == ""
    event = AuditEvent.objects.get(action="call.hung_up")
    assert (call.end_asked, event.actor_name) == ("admin_ended", "staff-1")
    assert (event.account, event.detail) == (call.account, {"call": str(call.pk)})


def test_a_call_that_is_not_there_cannot_be_hung_up(db: None) -> None:
    client = staff("supervise_calls")
    assert client.post(reverse("admin:hang_up", args=[uuid.uuid4()])).status_code == 404
    assert client.get(reverse("admin:hang_up", args=[uuid.uuid4()])).status_code == 405


def test_rows_are_found_with_few_queries_however_many_there_are(
    call: CallRecord, django_assert_max_num_queries: Any
) -> None:
    client = staff("supervise_calls")
    fields = {f.attname: getattr(call, f.attname) for f in CallRecord._meta.concrete_fields}
    CallRecord.objects.bulk_create(
        [CallRecord(**{**fields, "id": uuid.uuid4()}) for _ in range(50)]
    )
    with django_assert_max_num_queries(10):
        client.get(reverse("admin:live_calls_rows"))
