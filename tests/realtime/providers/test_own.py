"""Keys that people and teams bring: who sees, who manages, and what the site's admins forbid."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chats.models import Account, Membership, User
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.providers.targets import Refused, target_for
from realtime.providers.tidy import KEPT

pytestmark = pytest.mark.django_db

KEY = "sk-canary-0123456789abcdef"
MODELS = {
    "models-TOTAL_FORMS": "1",
    "models-INITIAL_FORMS": "0",
    "models-0-turn_detection": ["server_vad", "none"],
    "models-0-abilities": ["text", "instructions"],
    "models-0-enabled": "on",
}


@pytest.fixture
def team(bob: User) -> Account:
    """Ann manages it, Bob is a member, Eve was one."""
    account = Account.objects.get(slug="team")
    account.memberships.filter(user__username="ann").update(role=Membership.Role.MANAGER)
    return account


def site_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Mine",
        "dialect": "openai_ga",
        "url": "https://api.example.org/v1",
        "new_key": KEY,
        "enabled": "on",
        **MODELS,
        **fields,
    }


def own(account: Account, name: str = "Mine", **fields: Any) -> Provider:
    provider = Provider(account=account, own=True, name=name, url="wss://api.example.org", **fields)
    provider.set_key(KEY)
    provider.save()
    VoiceModel.objects.create(provider=provider, name="m")
    return provider


def available(user: User) -> list[str]:
    return [model.provider.name for model in VoiceModel.objects.available_to(user)]


def test_a_person_adds_a_service_by_its_preset_and_a_key(ann: User) -> None:
    client = site_of(ann)
    add = reverse("provider-add", args=[ann.own_account.slug])
    page = client.get(add, {"preset": "openai"})
    assert page.context["form"]["url"].value() == "wss://api.openai.com/v1/realtime"
    chosen = page.context["form"]["models_of_preset"].value()
    assert chosen == ["openai/gpt-realtime-2.1", "openai/gpt-realtime-2.1-mini"]
    saved = client.post(
        add,
        form(preset="openai", url="wss://api.openai.com/v1/realtime", models_of_preset=chosen),
    )
    assert (saved.status_code, saved["Location"]) == (302, reverse("providers"))
    provider = Provider.objects.get()
    assert (provider.account, provider.own, provider.key()) == (ann.own_account, True, KEY)
    assert [model.name for model in VoiceModel.objects.available_to(ann)] == [
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
    ]
    model = provider.models.get(name="gpt-realtime-2.1")
    assert (model.voices[0], model.context_tokens, model.ends) == ("marin", 128_000, None)
    assert target_for(model).key == KEY


def test_a_model_of_one_s_own_is_written_with_the_provider(ann: User) -> None:
    add = reverse("provider-add", args=[ann.own_account.slug])
    fields = {"models-0-name": " my-model ", "models-0-voices": "[“a”， b,\n'c']"}
    site_of(ann).post(add, form(**fields))
    model = VoiceModel.objects.get()
    assert (model.name, model.voices) == ("my-model", ["a", "b", "c"])
    assert model.features == {
        "turn_detection": ["server_vad", "none"],
        "text": True,
        "instructions": True,
    }


def test_what_is_wrong_is_said_and_nothing_is_saved_or_shown(ann: User) -> None:
    add = reverse("provider-add", args=[ann.own_account.slug])
    page = site_of(ann).post(
        add, form(url="wss://ann:secret@example.org", **{"models-0-name": "a b"})
    )
    assert page.context["form"].errors["url"] == [
        "Leave out the user name and password before the @; keys have a field of their own."
    ]
    assert list(page.context["models"].forms[0].errors) == ["name"]
    assert (Provider.objects.count(), KEY in page.content.decode()) == (0, False)


@pytest.mark.parametrize(
    "url",
    [
        "ws://api.example.org/v1",
        "wss://api.example.org:8443/v1",
        "wss://127.0.0.1/v1",
        "wss://10.0.0.5/v1",
        "wss://[::1]/v1",
        "wss://[::ffff:127.0.0.1]/v1",
        "wss://169.254.169.254/latest",
        "wss://localhost/v1",
        "embedded:",
        "wss://HOST/v1/realtime",
    ],
)
def test_an_own_key_is_for_public_addresses_whatever_is_posted(ann: User, url: str) -> None:
    add = reverse("provider-add", args=[ann.own_account.slug])
    fields = form(
        url=url, allow_private="on", own="", account="", accounts="", **{"models-0-name": "m"}
    )
    page = site_of(ann).post(add, fields)
    assert (list(page.context["form"].errors), Provider.objects.count()) == (["url"], 0)


def test_what_is_for_admins_is_not_taken_from_a_post(ann: User, team: Account) -> None:
    site_of(ann).post(
        reverse("provider-add", args=[ann.own_account.slug]),
        form(allow_private="on", own="", account=str(team.pk), accounts=str(team.pk)),
    )
    provider = Provider.objects.get()
    assert (provider.account, provider.own, provider.allow_private) == (
        ann.own_account,
        True,
        False,
    )
    assert list(provider.accounts.all()) == []


def test_an_own_row_that_was_made_private_reaches_nothing_private(ann: User) -> None:
    provider = own(ann.own_account, allow_private=True)
    model = provider.models.get()
    assert target_for(model).allow_private is False
    site_of(ann).post(reverse("provider-change", args=[provider.pk]), form(new_key=""))
    provider.refresh_from_db()
    assert provider.allow_private is False
    Provider.objects.update(url="embedded:")
    with pytest.raises(Refused):
        target_for(VoiceModel.objects.get())


def test_changing_keeps_key_and_headers_that_are_left_as_they_are(ann: User) -> None:
    provider = own(ann.own_account)
    provider.set_headers({"X-A": "secret-a", "X-B": "secret-b"})
    provider.save()
    client = site_of(ann)
    change = reverse("provider-change", args=[provider.pk])
    page = client.get(change).content.decode()
    assert ("secret-a" in page, KEY in page, "…" + KEY[-4:] in page) == (False, False, False)
    assert f"X-A: {KEPT}" in page and f"ends in {KEY[-4:]}" in page
    client.post(change, form(new_key="", extra_headers=f"X-A: {KEPT}\nX-C: new", name="Renamed"))
    provider.refresh_from_db()
    assert (provider.name, provider.key()) == ("Renamed", KEY)
    assert provider.headers() == {"X-A": "secret-a", "X-C": "new"}


def test_a_kept_key_is_not_sent_to_another_server(ann: User) -> None:
    provider = own(ann.own_account)
    provider.set_headers({"X-A": "secret-a"})
    provider.save()
    client, change = site_of(ann), reverse("provider-change", args=[provider.pk])
    away = {"url": "wss://api.example.net/v1", "new_key": ""}
    page = client.post(change, form(**away, extra_headers=f"X-A: {KEPT}"))
    assert set(page.context["form"].errors) == {"new_key", "extra_headers"}
    provider.refresh_from_db()
    assert provider.url == "wss://api.example.org"
    # Written anew, or taken away, they are nobody's secret any more.
    client.post(change, form(**away | {"new_key": "sk-another-0123456789"}, extra_headers="X-A: b"))
    provider.refresh_from_db()
    assert (provider.url, provider.key()) == ("wss://api.example.net/v1", "sk-another-0123456789")
    client.post(change, form(new_key="", remove_key="on"))
    provider.refresh_from_db()
    assert (provider.url, provider.key()) == ("wss://api.example.org/v1", "")


def test_a_name_is_taken_once_in_an_account(ann: User) -> None:
    own(ann.own_account)
    add = reverse("provider-add", args=[ann.own_account.slug])
    page = site_of(ann).post(add, form())
    assert (list(page.context["form"].errors), Provider.objects.count()) == (["name"], 1)


def test_deleting_asks_first(ann: User) -> None:
    provider = own(ann.own_account)
    client = site_of(ann)
    delete = reverse("provider-delete", args=[provider.pk])
    assert (client.get(delete).status_code, Provider.objects.count()) == (200, 1)
    assert (client.post(delete).status_code, Provider.objects.count()) == (302, 0)


def test_switched_off_nobody_can_use_it_until_it_is_on_again(ann: User) -> None:
    provider = own(ann.own_account)
    client = site_of(ann)
    switch = reverse("provider-enable", args=[provider.pk])
    client.post(switch)
    assert available(ann) == []
    client.post(switch, {"enabled": "1"})
    assert available(ann) == ["Mine"]


def pages_of(provider: Provider) -> list[tuple[str, str]]:
    slug = provider.account.slug if provider.account else "none"
    return [
        ("get", reverse("provider-change", args=[provider.pk])),
        ("post", reverse("provider-change", args=[provider.pk])),
        ("get", reverse("provider-delete", args=[provider.pk])),
        ("post", reverse("provider-delete", args=[provider.pk])),
        ("post", reverse("provider-enable", args=[provider.pk])),
        ("get", reverse("provider-add", args=[slug])),
        ("post", reverse("provider-add", args=[slug])),
        ("post", reverse("provider-default", args=[slug])),
    ]


@pytest.mark.parametrize("who", ["member", "stranger", "ex-member", "staff", "inactive"])
def test_only_managers_reach_the_pages_of_a_team_s_key(
    team: Account, bob: User, eve: User, who: str
) -> None:
    provider = own(team)
    person = {"member": bob, "stranger": eve, "ex-member": eve, "staff": eve, "inactive": eve}[who]
    if who in ("ex-member", "inactive"):
        Membership.objects.create(account=team, user=eve, role=Membership.Role.MANAGER)
    client = site_of(person)
    if who == "ex-member":
        team.memberships.filter(user=eve).delete()
    if who == "staff":
        User.objects.filter(pk=eve.pk).update(is_staff=True)
    if who == "inactive":
        User.objects.filter(pk=eve.pk).update(is_active=False)
    expected = 302 if who == "inactive" else 404  # signed out: to the sign-in page
    for verb, url in pages_of(provider):
        answer = getattr(client, verb)(url, form() if verb == "post" else {})
        assert (verb, url, answer.status_code) == (verb, url, expected)
        if who == "inactive":
            assert answer["Location"].startswith(reverse("account_login"))
    provider.refresh_from_db()
    assert (provider.enabled, Provider.objects.count()) == (True, 1)


def test_a_manager_reaches_them(team: Account, ann: User) -> None:
    provider = own(team)
    client = site_of(ann)
    for verb, url in [page for page in pages_of(provider) if page[0] == "get"]:
        assert (url, getattr(client, verb)(url).status_code) == (url, 200)


def test_nobody_is_signed_in(client: Client, ann: User) -> None:
    provider = own(ann.own_account)
    for verb, url in [*pages_of(provider), ("get", reverse("providers"))]:
        assert getattr(client, verb)(url)["Location"].startswith(reverse("account_login"))


def test_a_member_sees_models_but_no_settings(
    team: Account, ann: User, bob: User, eve: User
) -> None:
    own(team, "Team key")
    seen = {
        person: site_of(person).get(reverse("providers")).content.decode()
        for person in (ann, bob, eve)
    }
    end = KEY[-4:]
    assert ["Team key" in seen[person] for person in (ann, bob, eve)] == [True, True, False]
    assert [end in seen[person] for person in (ann, bob, eve)] == [True, False, False]
    assert ["api.example.org" in seen[person] for person in (ann, bob, eve)] == [True, False, False]
    assert KEY not in "".join(seen.values())


def test_what_an_admin_set_up_for_a_team_is_not_its_managers_to_change(
    team: Account, ann: User
) -> None:
    provider = own(team, "Given")
    Provider.objects.update(own=False)
    client = site_of(ann)
    assert client.get(reverse("provider-change", args=[provider.pk])).status_code == 404
    assert client.post(reverse("provider-delete", args=[provider.pk])).status_code == 404
    page = client.get(reverse("providers")).content.decode()
    assert ("Given" in page, KEY[-4:] in page) == (True, False)


@pytest.mark.parametrize(
    ("allowed", "usable"),
    [
        ("all", ["Ann's", "Given", "Team's"]),
        ("personal", ["Ann's", "Given"]),
        ("accounts", ["Given", "Team's"]),
        ("off", ["Given"]),
    ],
)
def test_admins_decide_whose_own_keys_count(
    team: Account, ann: User, settings: Any, allowed: str, usable: list[str]
) -> None:
    rows = {"Ann's": own(ann.own_account, "Ann's"), "Team's": own(team, "Team's")}
    given = own(team, "Given")
    given.own = False
    given.save()
    settings.OWN_PROVIDERS = allowed
    assert available(ann) == usable
    client = site_of(ann)
    for name, row in rows.items():
        expected = 200 if name in usable else 404
        for page in ("provider-change", "provider-add"):
            argument = row.pk if page == "provider-change" else row.account.slug  # type: ignore[union-attr]
            assert client.get(reverse(page, args=[argument])).status_code == expected
        enabled = client.post(reverse("provider-enable", args=[row.pk])).status_code
        assert enabled == (302 if name in usable else 404)
        # What is forbidden can still be taken away.
        assert client.get(reverse("provider-delete", args=[row.pk])).status_code == 200
    said = "do not allow people" in client.get(reverse("providers")).content.decode()
    assert said is (allowed != "all")


def test_admins_can_forbid_own_keys_of_one_account(team: Account, ann: User) -> None:
    own(ann.own_account, "Ann's")
    own(team, "Team's")
    AccountSettings.objects.create(account=team, own_providers=False)
    AccountSettings.objects.create(account=ann.own_account)
    assert available(ann) == ["Ann's"]
    assert site_of(ann).get(reverse("provider-add", args=[team.slug])).status_code == 404


def test_a_site_s_provider_can_be_for_some_accounts(team: Account, ann: User, eve: User) -> None:
    everybody = Provider.objects.create(name="All", url="wss://a.example.org")
    some = Provider.objects.create(name="Some", url="wss://b.example.org")
    some.accounts.add(team, ann.own_account)
    for provider in (everybody, some):
        VoiceModel.objects.create(provider=provider, name="m")
    assert available(ann) == ["All", "Some"]
    assert available(eve) == ["All"]


def test_a_manager_chooses_what_a_team_s_calls_take(
    team: Account, ann: User, bob: User, eve: User
) -> None:
    other = own(eve.own_account, "Eve's").models.get()
    mine = own(ann.own_account, "Ann's").models.get()
    model = own(team, "Team's").models.get()
    client = site_of(ann)
    url = reverse("provider-default", args=[team.slug])
    for wrong in (other.pk, mine.pk, "x", "²", "-1", 10**30, "9" * 5000):
        assert (wrong, client.post(url, {"model": wrong}).status_code) == (wrong, 404)
    assert client.post(url, {"model": model.pk}).status_code == 302
    assert AccountSettings.objects.get().default_model == model
    client.post(url, {"model": ""})
    assert AccountSettings.objects.get().default_model is None
