from __future__ import annotations

import pytest
from django.db import connection
from django.test import RequestFactory

from chats import audit
from chats.models import AuditEvent, User

pytestmark = pytest.mark.django_db


def test_an_event_tells_who_did_what_to_what_from_where(ann: User) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.7")
    audit.record(
        "provider.changed",
        actor=ann,
        account=ann.own_account,
        target="OpenAI",
        request=request,
        key=True,
    )
    event = AuditEvent.objects.get()
    told = (event.action, event.actor, event.actor_name, event.account, event.target, event.detail)
    assert told == ("provider.changed", ann, "ann", ann.own_account, "OpenAI", {"key": True})
    assert event.address == "192.0.2.7"


def test_an_event_outlives_the_person_it_tells_of(ann: User) -> None:
    audit.record("user.signed_in", actor=ann)
    ann.delete()
    connection.check_constraints()
    assert [(each.action, each.actor_name) for each in AuditEvent.objects.all()] == [
        ("user.signed_in", "ann")
    ]


def test_what_cannot_be_written_is_logged_and_stops_nothing(
    ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    audit.record("x" * 61 if connection.vendor == "postgresql" else None, actor=ann)  # type: ignore[arg-type]
    assert AuditEvent.objects.count() == 0
    assert "the audit trail misses" in caplog.text
    assert User.objects.filter(pk=ann.pk).exists()
