"""Test connection: who may run it, what it shows, and what it keeps to itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils.html import escape

from chats.models import Account, Membership, User
from realtime.models import AllowedEndpoint, Provider, VoiceModel
from realtime.models.money import Usage
from realtime.providers.connection_test import PER_MINUTE
from tests.scripted import (
    Expect,
    Refuse,
    ScriptedProvider,
    Send,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-canary-0123456789abcdef"
OK = {
    "type": "response.output_text.delta",
    "response_id": "resp_1",
    "item_id": "item_a",
    "output_index": 0,
    "content_index": 0,
    "delta": "OK.",
}
FINE = [
    Send(session_created()),
    Expect("session.update"),
    Send({"type": "session.updated", "session": {"type": "realtime"}}),
    Expect("response.create"),
    Send(response_created(), OK, response_done()),
]
LINES = {"accept": "application/x-ndjson"}


@pytest.fixture(autouse=True)
def nobody_has_tested_yet() -> None:
    cache.clear()


def make(url: str, **fields: Any) -> Provider:
    provider = Provider(**{"name": "P", "url": url, "allow_private": True, **fields})
    provider.set_key(KEY)
    provider.save()
    VoiceModel.objects.create(provider=provider, name="scripted-1", voices=["marin"])
    return provider


def admin_url(provider: Provider) -> str:
    return reverse("admin:realtime_provider_test", args=[provider.pk])


async def signed_in(user: User) -> AsyncClient:
    client = AsyncClient()
    await client.aforce_login(user)
    return client


async def lines_of(response: Any) -> list[dict[str, Any]]:
    body = b"".join([part async for part in response.streaming_content])
    return [json.loads(line) for line in body.splitlines()]


@sync_to_async
def boss() -> User:
    return User.objects.create_superuser("boss", password="boss-password")


@sync_to_async
def own(owner: User, url: str, **fields: Any) -> Provider:
    return make(url, own=True, account=owner.own_account, **fields)


async def test_the_steps_come_as_lines_of_json() -> None:
    client = await signed_in(await boss())
    async with ScriptedProvider(FINE) as service:
        provider = await sync_to_async(make)(service.url)
        response = await client.post(admin_url(provider), headers=LINES)
        lines = await lines_of(response)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert "no-store" in response.headers["Cache-Control"].split(", ")
    names = ["dns", "tcp", "handshake", "session", "update", "answer"]
    assert [(line["name"], line["ok"]) for line in lines[:-1]] == [(name, True) for name in names]
    assert lines[-1] == {"works": True, "verdict": "Everything works."}
    assert lines[-2]["detail"] == "OK."
    assert service.visits[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_without_javascript_the_finished_page_shows_the_same() -> None:
    client = await signed_in(await boss())
    body = json.dumps({"error": {"code": "invalid_api_key", "message": f"No <b>: {KEY}"}})
    async with ScriptedProvider([Refuse(401, body.encode())]) as service:
        provider = await sync_to_async(make)(service.url)
        response = await client.post(admin_url(provider), headers={"accept": "text/html,*/*"})
    page = response.content.decode()
    assert response.status_code == 200
    for text in ("The service refused the key.", "Paste the key again", "does not work yet"):
        assert text in page
    assert escape("No <b>: [key]") in page
    assert KEY not in page


async def test_the_chosen_model_is_the_one_tested() -> None:
    client = await signed_in(await boss())
    async with ScriptedProvider(FINE) as service:
        provider = await sync_to_async(make)(service.url)
        other = await VoiceModel.objects.acreate(provider=provider, name="other-1")
        response = await client.post(admin_url(provider), {"model": other.pk}, headers=LINES)
        await lines_of(response)
    assert service.visits[0].path.endswith("model=other-1")


async def test_an_owner_tests_an_own_key_and_learns_no_address(ann: User) -> None:
    client = await signed_in(ann)
    async with ScriptedProvider(FINE) as service:
        await AllowedEndpoint.objects.acreate(host="localhost", port=service.port)
        provider = await own(ann, service.url, allow_private=False)
        url = reverse("provider-test", args=[provider.pk])
        lines = await lines_of(await client.post(url, headers=LINES))
    assert lines[-1]["works"] is True
    assert [line["detail"] for line in lines[:-1] if line["name"] in ("dns", "tcp")] == ["", ""]


async def test_what_the_answer_used_is_in_the_ledger(ann: User) -> None:
    client = await signed_in(ann)
    usage = {"total_tokens": 12, "input_tokens": 10, "output_tokens": 2}
    answer = Send(response_created(), OK, response_done(usage=usage))
    async with ScriptedProvider([*FINE[:-1], answer]) as service:
        await AllowedEndpoint.objects.acreate(host="localhost", port=service.port)
        provider = await own(ann, service.url)
        url = reverse("provider-test", args=[provider.pk])
        await lines_of(await client.post(url, headers=LINES))
    row = await Usage.objects.aget()
    names = (row.account_name, row.user_name, row.provider_id, row.model)
    assert names == ("ann", "ann", provider.pk, "scripted-1")
    assert (row.upstream_session, row.key, row.raw) == ("sess_1", "resp_1", usage)


async def test_what_an_own_key_may_not_reach_looks_like_a_closed_port(ann: User) -> None:
    client = await signed_in(ann)
    async with ScriptedProvider(FINE) as service:
        url = service.url.replace("ws:", "wss:").replace(f":{service.port}", "")
        provider = await own(ann, url)
        test = reverse("provider-test", args=[provider.pk])
        lines = await lines_of(await client.post(test, headers=LINES))
    assert service.visits == []
    assert [(line["name"], line["ok"], line["message"]) for line in lines[:-1]] == [
        ("dns", True, ""),
        ("tcp", False, "Nothing can be reached at this address."),
    ]


async def test_a_key_that_cannot_be_opened_is_said(settings: Any) -> None:
    client = await signed_in(await boss())
    provider = await sync_to_async(make)("wss://api.example.org/v1")
    settings.KEY_RING = ["A" * 43 + "="]
    lines = await lines_of(await client.post(admin_url(provider), headers=LINES))
    assert [(line.get("name"), line.get("ok")) for line in lines[:-1]] == [("setup", False)]
    assert lines[0]["detail"] == "the key cannot be opened: no key in KEY_RING opens it"


async def test_a_provider_without_a_model_cannot_be_tested() -> None:
    client = await signed_in(await boss())
    provider = await Provider.objects.acreate(name="Empty", url="wss://example.org/v1")
    lines = await lines_of(await client.post(admin_url(provider), headers=LINES))
    assert (lines[0]["name"], lines[0]["detail"]) == ("setup", "No model is named yet.")
    page = await client.get(admin_url(provider))
    assert "Add a model and save" in page.content.decode()


async def test_a_person_tests_only_so_often_a_minute() -> None:
    client = await signed_in(await boss())
    provider = await Provider.objects.acreate(name="Empty", url="wss://example.org/v1")
    for _ in range(PER_MINUTE):
        assert (await client.post(admin_url(provider), headers=LINES)).status_code == 200
    refused = await client.post(admin_url(provider), headers=LINES)
    page = await client.post(admin_url(provider), headers={"accept": "text/html"})
    assert (refused.status_code, page.status_code) == (429, 429)
    assert refused.json()["message"] in page.content.decode()


# Who may


def test_strangers_find_no_test_of_an_own_key(ann: User, bob: User, eve: User) -> None:
    team = Account.objects.get(slug="team")
    mine = make("wss://example.org/v1", own=True, account=ann.own_account)
    ours = make("wss://example.org/v1", own=True, account=team)
    given = make("wss://example.org/v1", account=team, name="Given by the site")
    site = make("wss://example.org/v1", name="The site's")
    manager = Membership.objects.filter(account=team, user=ann)
    manager.update(role=Membership.Role.MANAGER)
    seen = {
        user.username: [_status(user, provider) for provider in (mine, ours, given, site)]
        for user in (ann, bob, eve)
    }
    assert seen == {
        "ann": [200, 200, 404, 404],
        "bob": [404, 404, 404, 404],
        "eve": [404, 404, 404, 404],
    }


def test_an_own_key_that_is_forbidden_is_not_tested(ann: User, settings: Any) -> None:
    mine = make("wss://example.org/v1", own=True, account=ann.own_account)
    settings.OWN_PROVIDERS = "accounts"
    assert _status(ann, mine) == 404


def test_nobody_signed_out_tests_anything(client: Client, ann: User) -> None:
    mine = make("wss://example.org/v1", own=True, account=ann.own_account)
    answer = client.post(reverse("provider-test", args=[mine.pk]))
    assert (answer.status_code, "/accounts/login/" in answer.headers["Location"]) == (302, True)
    assert client.post(admin_url(mine)).status_code == 302


def test_staff_need_the_permission_to_change_providers(client: Client) -> None:
    provider = make("wss://example.org/v1")
    staff = User.objects.create_user("staff", password="staff-password", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_provider"))
    client.force_login(staff)
    assert client.post(admin_url(provider)).status_code == 403
    change = reverse("admin:realtime_provider_change", args=[provider.pk])
    assert "data-connection-test" not in client.get(change).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="change_provider"))
    assert client.get(admin_url(provider)).status_code == 200
    assert "data-connection-test" in client.get(change).content.decode()


def _status(user: User, provider: Provider) -> int:
    client = Client()
    client.force_login(user)
    return client.get(reverse("provider-test", args=[provider.pk])).status_code
