"""Providers and models in the admin: filled by services, switched off, flagged at their end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Account, User
from realtime.models import AccountSettings, Provider, VoiceModel

pytestmark = pytest.mark.django_db

ADD = "admin:realtime_provider_add"
NO_MODELS = {"models-TOTAL_FORMS": "0", "models-INITIAL_FORMS": "0"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="boss-password"))
    return client


def model(name: str, days: int | None = None) -> VoiceModel:
    provider = Provider.objects.create(name=f"P {name}", url="wss://a.example.org")
    ends = None if days is None else timezone.localdate() + timedelta(days)
    return VoiceModel.objects.create(provider=provider, name=name, ends=ends)


def text_of(client: Client, name: str, *args: object, **query: str) -> str:
    page = client.get(reverse(f"admin:{name}", args=args), query)
    assert page.status_code == 200
    return page.content.decode()


def test_a_service_fills_the_form_and_its_ticked_models_are_added(boss: Client) -> None:
    form = boss.get(reverse(ADD), {"preset": "gemini"}).context["adminform"].form
    assert form["dialect"].value() == "gemini"
    assert form["models_of_preset"].value() == ["gemini/gemini-3.8-live"]
    fields = {"preset": "gemini", "name": "G", "dialect": "gemini", "url": form["url"].value()}
    ticked = {"models_of_preset": ["gemini/gemini-3.8-live", "openai/gpt-realtime"]}
    answer = boss.post(
        reverse(ADD), {**fields, **ticked, **NO_MODELS, "new_key": "AIza-0123456789"}
    )
    assert answer.status_code == 302
    provider = Provider.objects.get()
    # Of the service that was chosen only.
    assert [each.name for each in provider.models.all()] == ["gemini-3.8-live"]
    assert (provider.own, provider.key()) == (False, "AIza-0123456789")


def test_a_provider_without_a_model_is_said_to_be_of_no_use(boss: Client) -> None:
    fields = {"name": "P", "dialect": "openai_ga", "url": "wss://a.example.org/v1", **NO_MODELS}
    page = boss.post(reverse(ADD), fields, follow=True)
    assert "has no model yet" in page.content.decode()


def test_a_site_s_provider_is_given_to_some_accounts(boss: Client, ann: User) -> None:
    fields = {"name": "P", "dialect": "openai_ga", "url": "wss://a.example.org/v1", **NO_MODELS}
    boss.post(reverse(ADD), {**fields, "accounts": [ann.own_account.pk]})
    assert list(Provider.objects.get().accounts.all()) == [ann.own_account]


@pytest.mark.parametrize("page", ["provider", "voicemodel"])
@pytest.mark.parametrize("for_all", [True, False])
def test_what_is_made_the_default_takes_the_place_of_the_one_before(
    boss: Client, ann: User, page: str, for_all: bool
) -> None:
    before, made, theirs = model("a"), model("b"), model("c")
    VoiceModel.objects.filter(pk__in=[before.pk, theirs.pk]).update(default=True)
    theirs.provider.accounts.add(ann.own_account)
    if not for_all:
        made.provider.accounts.add(ann.own_account)
    ticked = {"name": "b", "default": "on", "enabled": "on"}
    if page == "provider":
        ticked = {f"models-0-{name}": value for name, value in ticked.items()}
        ticked |= {"models-0-id": str(made.pk), "models-0-provider": str(made.provider.pk)}
        ticked |= {"models-TOTAL_FORMS": "1", "models-INITIAL_FORMS": "1", "enabled": "on"}
        ticked |= {"name": "P b", "dialect": "openai_ga", "url": "wss://a.example.org"}
        if not for_all:
            ticked["accounts"] = str(ann.own_account.pk)
    pk = {"provider": made.provider.pk, "voicemodel": made.pk}[page]
    fields = ticked if page == "provider" else ticked | {"provider": str(made.provider.pk)}
    answer = boss.post(reverse(f"admin:realtime_{page}_change", args=[pk]), fields, follow=True)
    defaults = VoiceModel.objects.filter(default=True).order_by("name")
    assert list(defaults) == ([made, theirs] if for_all else [before, made, theirs])
    words = "Calls now use “b” by default, no longer “a”."
    assert (words in answer.content.decode()) == for_all


@pytest.mark.parametrize("kind", ["provider", "voicemodel"])
def test_rows_are_switched_off_and_on_together(boss: Client, kind: str) -> None:
    rows = [model("a"), model("b")]
    chosen = [row.provider.pk if kind == "provider" else row.pk for row in rows]
    url = reverse(f"admin:realtime_{kind}_changelist")
    rows_of = Provider.objects if kind == "provider" else VoiceModel.objects
    for action, enabled in (("disable", False), ("enable", True)):
        boss.post(url, {"action": action, "_selected_action": chosen})
        assert set(rows_of.values_list("enabled", flat=True)) == {enabled}


def test_only_those_who_may_change_are_offered_to_switch(client: Client) -> None:
    viewer = User.objects.create_user("viewer", password="viewer-password", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_provider"))
    client.force_login(viewer)
    provider = model("a").provider
    url = reverse("admin:realtime_provider_changelist")
    assert client.get(url).status_code == 200
    client.post(url, {"action": "disable", "_selected_action": [provider.pk]})
    provider.refresh_from_db()
    assert provider.enabled is True


def test_models_near_their_end_are_flagged_everywhere(boss: Client) -> None:
    ended, near, later = model("old", -1), model("soon", 60), model("late", 61)
    index = text_of(boss, "index")
    models = text_of(boss, "realtime_voicemodel_changelist")
    for page in (index, models):
        assert "switched off by the provider on" in page and "will be switched off on" in page
    links = [
        reverse("admin:realtime_voicemodel_change", args=[each.pk]) for each in (ended, near, later)
    ]
    assert [link in index for link in links] == [True, True, False]
    providers = text_of(boss, "realtime_provider_changelist")
    assert "1, 1 switched off" in providers and "1, 1 ending soon" in providers
    pages = [text_of(boss, "realtime_voicemodel_change", each.pk) for each in (ended, near, later)]
    assert ["witched off" in page for page in pages] == [True, True, False]
    pages = [
        text_of(boss, "realtime_provider_change", each.provider.pk) for each in (ended, near, later)
    ]
    assert ["witched off" in page for page in pages] == [True, True, False]


def test_what_is_not_in_use_or_somebody_s_own_is_not_flagged_on_the_index(
    boss: Client, ann: User
) -> None:
    unused, own = model("unused", -1), model("mine", -1)
    VoiceModel.objects.filter(pk=unused.pk).update(enabled=False)
    Provider.objects.filter(pk=own.provider_id).update(own=True, account=ann.own_account)
    assert "switched off" not in text_of(boss, "index")


@pytest.mark.parametrize(
    ("end", "names"),
    [("ended", ["old"]), ("ending", ["soon"]), ("later", ["late"]), ("none", ["open"])],
)
def test_models_are_listed_by_their_end(boss: Client, end: str, names: list[str]) -> None:
    for name, days in (("old", 0), ("soon", 1), ("late", 61), ("open", None)):
        model(name, days)
    page = boss.get(reverse("admin:realtime_voicemodel_changelist"), {"end": end})
    assert [row.name for row in page.context["cl"].result_list] == names


def test_an_account_s_page_holds_what_its_calls_may(boss: Client, ann: User) -> None:
    account = Account.objects.get(owner=ann)
    page = text_of(boss, "chats_account_change", account.pk)
    assert "May bring own keys" in page
    AccountSettings.objects.create(account=account, own_providers=False)
    assert text_of(boss, "realtime_accountsettings_changelist")
