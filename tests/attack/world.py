"""Everybody who may come to the site, and one of each thing they may come for.

Ann owns it: a conversation with all that can be in one, a key and a token; and she manages the
team it is all for. Fred has left that team, and what he began there stayed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.db.models import Model

from chats import audit
from chats.models import (
    Account,
    Attachment,
    AuditEvent,
    Conversation,
    DoomedFile,
    Membership,
    Message,
    Recording,
    User,
)
from realtime.models import (
    AccountSettings,
    AllowedEndpoint,
    ApiToken,
    BudgetAlert,
    BudgetNotice,
    CallRecord,
    ClientSecret,
    ExchangeRate,
    Lease,
    Price,
    Provider,
    Quota,
    ToolService,
    UsageDay,
    VoiceModel,
)
from tests.realtime.money.spending import used

ACTORS = ("visitor", "stranger", "other", "former", "teammate", "staff", "owner", "admin")
WHEN = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class World:
    """`people` by what they are to the things; a visitor is not signed in. `keys`: their tokens."""

    people: dict[str, User]
    keys: dict[str, str]
    team: Account
    thread: Conversation
    left: Conversation
    recordings: dict[Conversation, Recording]
    attachments: dict[Conversation, Attachment]
    provider: Provider
    model: VoiceModel
    token: ApiToken
    rows: dict[str, Model]
    """One row of each model of the admin, by its label."""

    def thread_of(self, actor: str) -> Conversation:
        """The conversation that this one tries: who has left goes for what was theirs."""
        return self.left if actor == "former" else self.thread


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def make_world() -> World:
    """All of it, in the database."""
    people = {
        "stranger": _person("eve"),
        "other": _person("olga"),
        "former": _person("fred"),
        "teammate": _person("tom"),
        "staff": _person("sam", is_staff=True),
        "owner": _person("ann"),
        "admin": _person("root", is_staff=True, is_superuser=True),
    }
    ann, fred, manager = people["owner"], people["former"], Membership.Role.MANAGER
    team = Account.objects.create(name="Team", slug="team")
    place = Membership.objects.create(account=team, user=ann, role=manager)
    Membership.objects.create(account=team, user=people["teammate"])
    others = Account.objects.create(name="Others", slug="others")
    Membership.objects.create(account=others, user=people["other"], role=manager)

    gone = Membership.objects.create(account=team, user=fred, role=manager)
    threads = [Conversation.objects.create(owner=who, account=team) for who in (ann, fred)]
    recordings = {thread: _recorded(thread) for thread in threads}
    attachments = {thread: _attached(thread) for thread in threads}
    gone.delete()

    provider = Provider(name="Key", account=team, own=True, url="wss://voice.example.org/v1")
    provider.set_key("sk-canary-0123456789abcdefghij")
    provider.save()
    model = VoiceModel.objects.create(provider=provider, name="voice-1")
    tokens = {name: ApiToken.objects.make(who, "robot") for name, who in people.items()}
    token = tokens["owner"][0]
    thread = threads[0]
    return World(
        people,
        {name: raw for name, (_, raw) in tokens.items()},
        team,
        *threads,
        recordings,
        attachments,
        provider,
        model,
        token,
        {
            row._meta.label_lower: row
            for row in [
                ann,
                team,
                place,
                thread,
                recordings[thread],
                recordings[thread].message,
                attachments[thread],
                provider,
                model,
                token,
                *_others(ann, team, token),
            ]
        },
    )


def _person(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, f"{name}@example.org", f"{name}-password", **fields)


def _recorded(thread: Conversation) -> Recording:
    message = Message.objects.create(conversation=thread, position=1, role="user", text="Hello")
    recording = Recording(message=message, state="ready", size=4)
    recording.file.save("hello.mp3", ContentFile(b"mp3!"), save=False)
    recording.save()
    return recording


def _attached(thread: Conversation) -> Attachment:
    picture = Attachment(conversation=thread, owner=thread.owner, kind="image", name="a.webp")
    picture.content_type = "image/webp"
    picture.file.save("a.webp", ContentFile(b"webp"), save=False)
    picture.thumbnail.save("b.webp", ContentFile(b"webp"), save=False)
    picture.save()
    return picture


def _others(ann: User, team: Account, token: ApiToken) -> list[Model]:
    audit.record("thing.done", actor=ann)
    alert = BudgetAlert.objects.create(account=team)
    call = CallRecord.objects.create(user=ann, account=team, started=WHEN, heartbeat=WHEN)
    lease = {"call_id": uuid.uuid4(), "account_id": team.pk, "user_id": ann.pk}
    return [
        AuditEvent.objects.get(action="thing.done"),
        DoomedFile.objects.create(name="recordings/ab/cd.mp3", next_try=WHEN),
        alert,
        BudgetNotice.objects.create(
            alert=alert,
            channel="email",
            level=50,
            period_began=WHEN.date(),
            spent=Decimal(1),
            budget=Decimal(2),
            currency="USD",
            next_try=WHEN,
            created=WHEN,
        ),
        call,
        used(ann, team, WHEN, 1000),
        UsageDay.objects.get(),
        Price.objects.create(model="voice-1", text_in=Decimal(1), since=WHEN),
        ExchangeRate.objects.create(currency="EUR", into="USD", since=WHEN.date(), rate=1),
        Quota.objects.create(account=team),
        Lease.objects.create(**lease, began=WHEN, heartbeat=WHEN),
        AccountSettings.objects.create(account=team),
        AllowedEndpoint.objects.create(host="voice.example.org"),
        ToolService.objects.create(name="Pets", prefix="pets"),
        ClientSecret.make(token, {}, 3600)[0],
        EmailAddress.objects.create(user=ann, email=ann.email),
        Group.objects.create(name="Group"),
    ]
