"""The admin: every list opens and searches, and keys go in but never come out."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import nextvoice.urls  # noqa: F401  (the admin is filled there)
from chats import audit
from chats.models import Attachment, Conversation, DoomedFile, Message, Recording, User
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
    ToolFunction,
    ToolService,
    VoiceModel,
)
from realtime.money.ledger import Entry, Payer, record

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789abcdef"
INSIDE = [ToolFunction]
"""What is edited on another's page only: a service's."""
OURS = [m for app in ("chats", "realtime") for m in apps.get_app_config(app).get_models()]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="boss-password"))
    return client


def provider_form(**fields: str) -> dict[str, str]:
    management = {f"models-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    return {
        "name": "OpenAI",
        "dialect": "openai_ga",
        "url": " wss://api.example.org/v1/realtime ",
        "enabled": "on",
        **management,
        **fields,
    }


def test_every_model_is_in_the_admin() -> None:
    assert [m for m in OURS if not admin.site.is_registered(m)] == INSIDE
    # `manage.py check` may come before they are.
    assert admin.site.check(None) == []


def test_every_list_opens_and_searches(boss: Client, conversation: Conversation) -> None:
    message = Message.objects.create(conversation=conversation, position=1, role="user", text="hi")
    Recording.objects.create(message=message, duration_ms=1500)
    Attachment.objects.create(
        conversation=conversation, owner=conversation.owner, name="a.pdf", file="attachments/a"
    )
    provider = Provider.objects.create(name="P", url="wss://example.org")
    VoiceModel.objects.create(provider=provider, name="m")
    AccountSettings.objects.create(account=conversation.account)
    token, _ = ApiToken.objects.make(conversation.owner, "phone")
    ClientSecret.make(token, {}, 600)
    CallRecord.objects.create(
        conversation=conversation,
        user=conversation.owner,
        account=conversation.account,
        provider=provider,
        provider_name="P",
        model_name="m",
        started=conversation.created,
        heartbeat=conversation.created,
        duration_ms=61_000,
    )
    AllowedEndpoint.objects.create(host="voice.internal", port=8000, note="ann's")
    put_money(conversation)
    audit.record("conversation.opened", actor="ann", target=conversation)
    DoomedFile.objects.create(name="recordings/ab/cd.mp3", next_try=conversation.created)
    service = ToolService.objects.create(name="Pets", prefix="pets")
    ToolFunction.objects.create(service=service, name="feed")
    for model in OURS:
        if model in INSIDE:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for query in ({}, {"q": "ann"}):
            assert boss.get(reverse(f"{name}_changelist"), query).status_code == 200, name
        row = model._default_manager.first()
        assert row is not None, name
        assert boss.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, name


def put_money(conversation: Conversation) -> None:
    """A row of everything that counts money and places."""
    account, user = conversation.account, conversation.owner
    payer = Payer(account.pk, account.name, user.pk, user.username, uuid.uuid4(), "P", "openai_ga")
    made = conversation.created
    alert = BudgetAlert.objects.create(user=user, amount=1, levels="1")
    BudgetNotice.objects.create(
        alert=alert,
        channel="email",
        level=1,
        period_began=made.date(),
        spent=1,
        budget=1,
        currency="USD",
        next_try=made,
        created=made,
    )
    Price.objects.create(model="m", text_in=Decimal(4), since=made)
    ExchangeRate.objects.create(currency="USD", into="EUR", since=made.date(), rate=Decimal("0.9"))
    raw = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
    entry = Entry(payer=payer, model="m", upstream_session="call/1", key="resp_1", raw=raw)
    assert record(entry) is not None
    Quota.objects.create(account=account, calls_at_once=2)
    Lease.objects.create(
        call_id=uuid.uuid4(), account_id=account.pk, user_id=user.pk, began=made, heartbeat=made
    )


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("usage_changelist", {"source": "a\0b", "q": "\0"}),
        ("usage_report", {"model": "\0ab"}),
        ("usage_report_file", {"model": "ab\0"}),
    ],
)
def test_no_list_or_report_looks_for_a_null_character(
    boss: Client, name: str, given: dict[str, str]
) -> None:
    """PostgreSQL would refuse to, and with it the page."""
    found = boss.get(reverse(f"admin:{'realtime_' * ('list' in name)}{name}"), given)
    assert found.status_code == 200
    assert found.request["QUERY_STRING"].count("%00") == len(given)
    read = found.wsgi_request.GET.values()
    assert "ab" in read and "\0" not in "".join(read)
    assert boss.get("/admin/chats/doomedfile/a%00/change/").status_code == 404


def test_a_quota_is_set_for_one_of_three(boss: Client, ann: User) -> None:
    add = reverse("admin:realtime_quota_add")
    limits = {"money_per_day": "0.50", "calls_at_once": "2"}
    for whose in ({}, {"user": ann.pk}, {"account": ann.own_account.pk}):
        assert boss.post(add, {**whose, **limits}).status_code == 302
    both = boss.post(add, {"user": ann.pk, "account": ann.own_account.pk, **limits})
    assert both.context["errors"] == [["Choose an account or a person, not both."]]
    for whose in ({}, {"user": ann.pk}, {"account": ann.own_account.pk}):
        again = boss.post(add, {**whose, **limits})
        assert again.context["errors"] == [["There is already a quota for this: change that one."]]
    mine = reverse("admin:realtime_quota_change", args=[Quota.objects.get(user=ann).pk])
    assert boss.post(mine, {"user": ann.pk, **limits}).status_code == 302
    assert sorted(quota.scope for quota in Quota.objects.all()) == ["account", "person", "site"]


@pytest.mark.parametrize(
    ("page", "field", "most"),
    [
        ("chats_account", "keep_text_days", 32767),
        ("realtime_quota", "call_minutes", 2147483647),
        ("realtime_voicemodel", "context_tokens", 2147483647),
    ],
)
def test_a_number_that_postgresql_would_not_hold_is_refused_by_sqlite_too(
    boss: Client, page: str, field: str, most: int
) -> None:
    add = reverse(f"admin:{page}_add")
    words = f"Ensure this value is less than or equal to {most}."
    for number, said in ((most, None), (most + 1, [words])):
        answer = boss.post(add, {field: number})
        errors = answer.context["adminform"].form.errors if answer.status_code == 200 else {}
        assert errors.get(field) == said


def test_an_alert_is_of_an_account_or_a_person(boss: Client, ann: User) -> None:
    form = {"period": "day", "levels": "50", "user": ann.pk, "account": ann.own_account.pk}
    management = {f"notices-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    page = boss.post(reverse("admin:realtime_budgetalert_add"), form | management)
    assert page.context["errors"] == [["Choose an account or a person, not both."]]


def test_places_are_looked_at_only(boss: Client, conversation: Conversation) -> None:
    put_money(conversation)
    lease = Lease.objects.get()
    delete = reverse("admin:realtime_lease_delete", args=[lease.pk])
    assert boss.post(delete, {"post": "yes"}).status_code == 403
    assert boss.get(reverse("admin:realtime_lease_add")).status_code == 403


def call_of(conversation: Conversation) -> CallRecord:
    """A running call."""
    now = timezone.now()
    return CallRecord.objects.create(
        conversation=conversation,
        user=conversation.owner,
        account=conversation.account,
        started=now,
        heartbeat=now,
    )


def test_calls_are_looked_at_only(boss: Client, conversation: Conversation) -> None:
    call = call_of(conversation)
    delete = reverse("admin:realtime_callrecord_delete", args=[call.pk])
    assert boss.post(delete, {"post": "yes"}).status_code == 403
    calls = reverse("admin:realtime_callrecord_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [call.pk], "post": "yes"}
    boss.post(calls, chosen)
    assert list(CallRecord.objects.all()) == [call]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("browser_gone", "The page was closed or lost its connection."),
        ("signed_out", "The person was signed out."),
        ("process_died", "The process that it ran in died."),
        ("of_old", "of_old"),
    ],
)
def test_what_ended_a_call_is_said_in_words(
    boss: Client, conversation: Conversation, reason: str, words: str
) -> None:
    call = call_of(conversation)
    CallRecord.objects.filter(pk=call.pk).update(state="ended", end_reason=reason)
    calls = reverse("admin:realtime_callrecord_changelist")
    page = boss.get(reverse("admin:realtime_callrecord_change", args=[call.pk])).content.decode()
    listed = boss.get(calls, {"state__exact": "ended"}).content.decode()
    for text in (page, listed):
        assert f">{words}<" in text
        assert f">{reason}<" not in text or words == reason
    if reason != words:
        assert boss.get(calls, {"end_reason": reason}).context["cl"].result_count == 1
        assert boss.get(calls, {"end_reason": "idle"}).context["cl"].result_count == 0


@pytest.mark.parametrize("kind", ["conversation", "account", "user"])
def test_a_call_outlives_whom_and_what_it_was_of(
    boss: Client, conversation: Conversation, kind: str
) -> None:
    call, person = call_of(conversation), conversation.owner
    of = {"conversation": conversation, "account": conversation.account, "user": person}[kind]
    assert boss.post(f"/admin/chats/{kind}/{of.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not type(of)._default_manager.filter(pk=of.pk).exists()
    assert list(CallRecord.objects.all()) == [call]


@pytest.mark.parametrize("kind", ["account", "user"])
def test_who_deletes_a_person_or_account_is_told_what_of_calls_goes_along(
    boss: Client, ann: User, kind: str
) -> None:
    theirs = {"account": ann.own_account, "user": ann}[kind]
    provider = Provider.objects.create(name="Own", own=True, account=ann.own_account, url="wss://x")
    model = VoiceModel.objects.create(provider=provider, name="m")
    ApiToken.objects.make(ann, "robot", model=model)
    ApiToken.objects.make(ann, "any model's")
    ToolService.objects.create(name="Pets", prefix="pets", account=ann.own_account)
    for name in ("Site's", "Another's"):
        Provider.objects.create(name=name, url="wss://x")
    tokens = {"account": 1, "user": 2}[kind]
    asked = boss.get(f"/admin/chats/{kind}/{theirs.pk}/delete/").content.decode()
    chosen = {"action": "delete_selected", "_selected_action": theirs.pk}
    listed = boss.post(f"/admin/chats/{kind}/", chosen).content.decode()
    for page in (asked, listed):
        for words in (f"Tokens: {tokens}", "Providers: 1", "Tool services: 1"):
            assert f"<li>{words}</li>" in page
    boss.post(f"/admin/chats/{kind}/{theirs.pk}/delete/", {"post": "yes"})
    assert (ApiToken.objects.count(), Provider.objects.count()) == (2 - tokens, 2)
    assert not ToolService.objects.exists()


def test_a_person_can_be_made(boss: Client) -> None:
    boss.post(
        reverse("admin:chats_user_add"),
        {
            "username": "carol",
            "email": "carol@example.org",
            "usable_password": "true",
            "password1": "a-long-password-1",
            "password2": "a-long-password-1",
        },
    )
    assert User.objects.get(username="carol").own_account.name == "carol"


def test_a_key_is_kept_sealed_and_never_shown(boss: Client) -> None:
    boss.post(reverse("admin:realtime_provider_add"), provider_form(new_key=f" {KEY} "))
    provider = Provider.objects.get()
    assert (provider.key(), provider.url) == (KEY, "wss://api.example.org/v1/realtime")
    assert KEY not in provider.sealed_key
    change = reverse("admin:realtime_provider_change", args=[provider.pk])
    pages = [boss.get(change), boss.get(reverse("admin:realtime_provider_changelist"))]
    pages.append(boss.post(change, provider_form(url="no address", new_key=KEY)))
    for page in pages:
        assert KEY not in page.content.decode()
        assert provider.sealed_key not in page.content.decode()
    assert "…cdef" in pages[0].content.decode()


def test_a_key_opens_when_models_are_added_with_it(boss: Client) -> None:
    rows = {"models-TOTAL_FORMS": "1", "models-0-name": "m", "models-0-enabled": "on"}
    boss.post(
        reverse("admin:realtime_provider_add"),
        provider_form(new_key=KEY, extra_headers="X-Team: blue", **rows),
    )
    provider = Provider.objects.get()
    assert (provider.key(), provider.headers()) == (KEY, {"X-Team": "blue"})
    assert [model.name for model in provider.models.all()] == ["m"]


def test_an_empty_key_field_keeps_the_key_and_a_tick_removes_it(boss: Client) -> None:
    provider = Provider(name="P", url="wss://api.example.org/v1/realtime")
    provider.set_key(KEY)
    provider.save()
    change = reverse("admin:realtime_provider_change", args=[provider.pk])
    boss.post(change, provider_form(name="Renamed"))
    provider.refresh_from_db()
    assert (provider.name, provider.key()) == ("Renamed", KEY)
    boss.post(change, provider_form(remove_key="on"))
    provider.refresh_from_db()
    assert (provider.sealed_key, provider.key_end) == ("", "")


@pytest.mark.parametrize("key", ["sk-a b", "sk-\r\nX: y", "sk-é"])
def test_a_key_that_does_not_fit_a_header_is_refused(boss: Client, key: str) -> None:
    page = boss.post(reverse("admin:realtime_provider_add"), provider_form(new_key=key))
    assert (Provider.objects.count(), "accented" in page.content.decode()) == (0, True)


def test_the_admin_is_closed_to_people_who_are_not_staff(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert client.get(reverse("admin:index")).status_code in (302, 403)
    assert client.get(reverse("admin:realtime_provider_changelist")).status_code in (302, 403)


def test_what_people_said_cannot_be_altered(boss: Client, conversation: Conversation) -> None:
    message = Message.objects.create(conversation=conversation, position=1, role="user", text="hi")
    boss.post(reverse("admin:chats_message_change", args=[message.pk]), {"text": "no"})
    message.refresh_from_db()
    assert message.text == "hi"
