"""What the audit trail knows of: everything that matters for security, and no secret of it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from chats import audit
from chats.models import AuditEvent, User
from realtime.models import ApiToken
from tests.attack.world import World

pytestmark = pytest.mark.django_db

SECRET = "sk-canary-9876543210zyxwvutsrq"
EventRow = tuple[str, str, str, str | None]


def browser(person: User) -> Client:
    """Their browser, signed in."""
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.force_login(person)
    return client


def newest() -> EventRow:
    event = AuditEvent.objects.order_by("-pk")[0]
    return event.action, event.actor_name, event.target, event.address


def test_signing_in_and_out_and_failing_to(world: World) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    right = {"login": "ann", "password": "ann-password"}
    client.post("/accounts/login/", right | {"password": "wrong-password"})
    assert newest() == ("user.sign_in_failed", "", "ann", "192.0.2.7")
    client.post("/accounts/login/", right)
    assert newest() == ("user.signed_in", "ann", "", "192.0.2.7")
    client.post("/accounts/logout/")
    assert newest() == ("user.signed_out", "ann", "", "192.0.2.7")
    assert "wrong-password" not in json.dumps(list(AuditEvent.objects.values_list("detail")))


def test_a_new_password(world: World) -> None:
    new = {
        "oldpassword": "ann-password",
        "password1": "a-new-secret-7",
        "password2": "a-new-secret-7",
    }
    browser(world.people["owner"]).post("/accounts/password/change/", new)
    assert newest() == ("user.password_changed", "ann", "", "192.0.2.7")


def test_who_signs_up_and_changes_their_addresses(db: None, settings: Any) -> None:
    settings.SIGNUP_OPEN = True
    client = Client(REMOTE_ADDR="192.0.2.7")
    words = {"password1": "a-new-secret-7", "password2": "a-new-secret-7"}
    client.post("/accounts/signup/", {"email": "z@example.org", "username": "zed", **words})
    first = AuditEvent.objects.order_by("pk")[0]
    assert (first.action, first.actor_name, first.address) == ("user.signed_up", "zed", "192.0.2.7")
    client.post("/accounts/email/", {"action_add": "", "email": "new@example.org"})
    assert newest() == ("user.email_changed", "zed", "", "192.0.2.7")
    EmailAddress.objects.update(verified=True)
    for action, address in (("primary", "new"), ("remove", "z")):
        client.post("/accounts/email/", {f"action_{action}": "", "email": f"{address}@example.org"})
    assert AuditEvent.objects.filter(action="user.email_changed").count() == 3


@pytest.mark.parametrize("label", ["realtime.price", "realtime.provider", "chats.membership"])
def test_what_is_deleted_in_the_admin(label: str, world: World) -> None:
    row, client = world.rows[label], browser(world.people["admin"])
    name, app = label.partition(".")[2], label.replace(".", "_")
    client.post(reverse(f"admin:{app}_delete", args=[row.pk]), {"post": "yes"})
    event = AuditEvent.objects.order_by("-pk")[0]
    assert newest()[::3] == (f"{name}.deleted", "192.0.2.7")
    assert (event.actor_name, event.detail["pk"]) == ("root", str(row.pk))


def test_several_things_deleted_together_are_named_one_by_one(world: World) -> None:
    people = [world.people["stranger"], world.people["other"]]
    chosen = {"action": "delete_selected", "post": "yes"}
    browser(world.people["admin"]).post(
        reverse("admin:chats_user_changelist"),
        chosen | {"_selected_action": [each.pk for each in people]},
    )
    gone = AuditEvent.objects.filter(action="user.deleted").values_list("target", flat=True)
    assert sorted(gone) == ["eve", "olga"]
    assert not User.objects.filter(pk__in=[each.pk for each in people]).exists()


def test_who_becomes_staff(world: World) -> None:
    sam = world.people["staff"]
    browser(world.people["admin"]).post(
        reverse("admin:chats_user_change", args=[sam.pk]),
        {
            "username": "sam",
            "is_active": "on",
            "is_staff": "on",
            "is_superuser": "on",
            "date_joined_0": "2026-11-01",
            "date_joined_1": "00:00",
            "memberships-TOTAL_FORMS": "0",
            "memberships-INITIAL_FORMS": "0",
        },
    )
    event = AuditEvent.objects.order_by("-pk")[0]
    assert newest() == ("user.changed", "root", "sam", "192.0.2.7")
    assert "Superuser status" in event.detail["changes"][0]["changed"]["fields"]
    rights = AuditEvent.objects.get(action="user.rights_changed")
    assert (rights.actor_name, rights.target, rights.address) == ("root", "sam", "192.0.2.7")
    assert rights.detail == {"pk": str(sam.pk), "is_superuser": True}


def test_who_is_shut_out(world: World) -> None:
    eve = world.people["stranger"]
    browser(world.people["admin"]).post(
        reverse("admin:chats_user_change", args=[eve.pk]),
        {
            "username": "eve",
            "date_joined_0": "2026-11-01",
            "date_joined_1": "00:00",
            "memberships-TOTAL_FORMS": "0",
            "memberships-INITIAL_FORMS": "0",
        },
    )
    rights = AuditEvent.objects.get(action="user.rights_changed")
    assert rights.detail == {"pk": str(eve.pk), "is_active": False}


def test_an_own_key_added_changed_and_deleted_without_the_key(world: World) -> None:
    client, key = browser(world.people["owner"]), world.provider
    models = {"models-TOTAL_FORMS": "0", "models-INITIAL_FORMS": "0"}
    form = {"name": "New", "url": "wss://voice.example.org/v1", "dialect": "openai_ga"}
    client.post(reverse("provider-add", args=["team"]), form | models | {"new_key": SECRET})
    assert newest() == ("provider.added", "ann", "New", "192.0.2.7")
    client.post(reverse("provider-enable", args=[key.pk]))
    assert newest() == ("provider.changed", "ann", "Key", "192.0.2.7")
    client.post(reverse("provider-delete", args=[key.pk]))
    assert newest() == ("provider.deleted", "ann", "Key", "192.0.2.7")
    told = json.dumps(list(AuditEvent.objects.values("target", "detail")))
    assert (SECRET in told, SECRET[-4:] in told, "new_key" in told) == (False, False, True)


def test_tokens_made_and_revoked(world: World) -> None:
    client = browser(world.people["owner"])
    client.post("/tokens/", {"name": "Robot", "days": "90"})
    token = ApiToken.objects.get(name="Robot")
    assert newest() == ("token.created", "ann", str(token), "192.0.2.7")
    client.post(f"/tokens/{token.pk}/revoke/")
    assert newest() == ("token.revoked", "ann", str(token), "192.0.2.7")
    call_command("token", "ann", name="Script", stdout=StringIO(), stderr=StringIO())
    assert newest()[:2] == ("token.created", "manage.py")


def test_exports(world: World) -> None:
    browser(world.people["owner"]).get("/usage/account/team/csv/")
    action, who, target, _ = newest()
    assert (action, who, target.split("-2")[0]) == ("usage.exported", "ann", "usage-team")
    browser(world.people["admin"]).get(reverse("admin:usage_report_file"), {"format": "xlsx"})
    assert newest()[:2] == ("usage.exported", "root")


def test_what_is_done_from_the_command_line(world: World, tmp_path: Path) -> None:
    def done(*words: str) -> tuple[str, str, str]:
        call_command(*words, stdout=StringIO(), stderr=StringIO())
        return newest()[:3]

    assert done("backup", str(tmp_path / "site.tar")) == ("site.backed_up", "manage.py", "")
    new = ("provider", "New", "--url", "wss://voice.example.org/v1")
    assert done(*new) == ("provider.added", "manage.py", "New")
    assert done(*new, "--no-enabled") == ("provider.changed", "manage.py", "New")
    assert done("provider", "New", "--remove") == ("provider.deleted", "manage.py", "New")


@pytest.mark.parametrize("label", ["conversation", "message", "recording", "attachment"])
def test_who_looks_at_what_others_said(label: str, world: World) -> None:
    row, client = world.rows[f"chats.{label}"], browser(world.people["admin"])
    client.get(reverse(f"admin:chats_{label}_change", args=[row.pk]))
    assert newest() == (f"{label}.viewed", "root", str(row.pk), "192.0.2.7")
    client.get(reverse(f"admin:chats_{label}_changelist"), {"q": "hello"})
    event = AuditEvent.objects.order_by("-pk")[0]
    assert (event.action, event.detail) == (f"{label}.listed", {"search": "hello"})
    # Who may not look leaves no trace of having looked.
    count = AuditEvent.objects.filter(action__startswith=label).count()
    browser(world.people["staff"]).get(reverse(f"admin:chats_{label}_change", args=[row.pk]))
    assert AuditEvent.objects.filter(action__startswith=label).count() == count


@pytest.mark.parametrize("label", ["realtime.provider", "realtime.apitoken", "chats.user"])
def test_the_admin_shows_no_secret(label: str, world: World) -> None:
    row, client = world.rows[label], browser(world.people["admin"])
    app = label.replace(".", "_")
    pages = [
        client.get(reverse(f"admin:{app}_{page}", args=args)).content.decode()
        for page, args in (("changelist", []), ("change", [row.pk]), ("history", [row.pk]))
    ]
    secrets = ["sk-canary", world.provider.sealed_key, world.token.digest, world.keys["owner"]]
    assert [each for each in secrets if any(each in page for page in pages)] == []


@pytest.mark.parametrize("way", ["update", "delete", "sql"])
def test_the_database_lets_nobody_change_it(way: str, world: World) -> None:
    audit.record("thing.done", actor=world.people["owner"])
    count = AuditEvent.objects.count()
    events: Any = AuditEvent.objects.filter(action="thing.done")
    with pytest.raises(DatabaseError, match="the audit trail is append-only"), transaction.atomic():
        if way == "update":
            events.update(action="nothing.happened")
        elif way == "delete":
            events.delete()
        else:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM chats_auditevent")
    assert AuditEvent.objects.count() == count
