"""What a call takes when nothing was chosen, who pays, and how long there is a model."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Account, Conversation, User
from realtime.bridge.start import Start
from realtime.calls.opening import open_call
from realtime.models import AccountSettings, CallRecord, Price, Provider, VoiceModel
from realtime.providers.availability import default_model, payer
from realtime.providers.describe import Costs, cards

pytestmark = pytest.mark.django_db


def model(name: str, account: Account | None = None, **fields: Any) -> VoiceModel:
    provider = Provider.objects.create(name=name, url="wss://a.example.org", account=account)
    return VoiceModel.objects.create(provider=provider, name=name, **fields)


@pytest.fixture
def team(bob: User) -> Account:
    return Account.objects.get(slug="team")


def test_the_person_s_choice_stands_over_the_account_s_and_that_over_the_site_s(
    ann: User, team: Account
) -> None:
    site, usual, mine = model("a", default=True), model("b", team), model("c", ann.own_account)
    assert default_model(ann, team) == site
    AccountSettings.objects.create(account=team, default_model=usual)
    assert (default_model(ann, team), default_model(ann, ann.own_account)) == (usual, site)
    ann.call_settings = {"model": str(mine.pk)}
    assert default_model(ann, team) == mine
    mine.provider.enabled = False
    mine.provider.save()
    assert default_model(ann, team) == usual


def test_an_account_s_choice_is_for_those_who_may_use_it(ann: User, eve: User) -> None:
    secret = model("secret", eve.own_account)
    AccountSettings.objects.create(account=ann.own_account, default_model=secret)
    assert default_model(ann, ann.own_account) is None


def test_a_call_takes_the_account_s_choice(conversation: Conversation) -> None:
    model("a", default=True)
    usual = model("b")
    AccountSettings.objects.create(account=conversation.account, default_model=usual)
    assert open_call(conversation.owner, conversation, Start()).target.model == "b"


def test_who_owns_the_key_pays_and_else_the_conversation_s_account(
    conversation: Conversation, team: Account
) -> None:
    site, of_team = model("a"), model("b", team)
    assert payer(site, conversation.account) == conversation.account
    assert payer(of_team, conversation.account) == team
    open_call(conversation.owner, conversation, Start(model=str(of_team.pk)))
    assert CallRecord.objects.get().account == team


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (None, ""),
        (date(2027, 3, 2), ""),
        (date(2027, 3, 1), "ending"),
        (date(2027, 1, 1), "ending"),
        (date(2026, 12, 31), "ended"),
        (date(2026, 1, 1), "ended"),
    ],
)
def test_a_model_is_flagged_from_60_days_before_its_end(ends: date | None, state: str) -> None:
    assert VoiceModel(ends=ends).end_state(today=date(2026, 12, 31)) == state


def test_a_minute_s_cost_is_told_in_words() -> None:
    free, priced, unpriced = model("free"), model("priced"), model("unpriced")
    Price.objects.all().delete()
    Price.objects.create(model="free", text_in=0, text_out=0)
    Price.objects.create(model="priced", per_minute=Decimal("0.0514"), currency="EUR")
    Price.objects.create(model="unpriced", kind=Price.Kind.TRANSCRIPTION, per_minute=1)
    assert [card.cost for card in cards([free, priced, unpriced])] == [
        "free",
        "about 0.051 EUR a minute",
        "not priced yet",
    ]
    assert Costs().per_minute(priced) == (Decimal("0.0514"), "EUR")


def test_what_a_model_offers_is_told_in_a_few_words() -> None:
    rich = model(
        "rich",
        voices=["a", "b", "c", "d"],
        context_tokens=128_000,
        features={"text": True, "images": True, "tools": True, "languages": ["en", "de"]},
    )
    plain = model("plain", voices=["a"], features={})
    assert [card.chips for card in cards([rich, plain])] == [
        [
            "4 voices",
            "speaks and writes",
            "sees pictures",
            "uses tools",
            "2 languages",
            "remembers 128k tokens",
        ],
        ["a", "speaks"],
    ]


def begun(user: User, **fields: str) -> Conversation | None:
    client = Client()
    client.force_login(user)
    opened = client.post(reverse("conversation-new"), fields).status_code == 302
    return Conversation.objects.latest("updated") if opened else None


def test_a_new_conversation_keeps_who_answers_and_who_pays(ann: User, team: Account) -> None:
    model("a", default=True)
    other = model("b")
    ann.call_settings = {"session": {"instructions": "Be brief."}}
    ann.save()
    made = begun(ann, model=str(other.pk), account="team")
    assert made is not None
    assert (made.account, made.call_settings) == (
        team,
        {"session": {"instructions": "Be brief."}, "model": str(other.pk)},
    )


def test_what_would_be_taken_anyway_or_cannot_be_is_not_kept(
    ann: User, eve: User, team: Account
) -> None:
    usual, secret = model("a", default=True), model("e", eve.own_account)
    for wanted in (str(usual.pk), str(secret.pk), "x", "²", "9" * 30):
        made = begun(ann, model=wanted)
        assert made is not None
        assert (made.account, made.call_settings) == (ann.own_account, {})


@pytest.mark.parametrize("state", ["live", "ended"])
def test_where_there_was_a_call_a_new_conversation_is_another_one(ann: User, state: str) -> None:
    first, now = begun(ann), timezone.now()
    assert begun(ann) == first
    CallRecord.objects.create(conversation=first, state=state, started=now, heartbeat=now)
    assert begun(ann) != first


def test_a_conversation_cannot_be_begun_for_somebody_else_s_account(ann: User, eve: User) -> None:
    assert begun(ann, account=eve.own_account.slug) is None


def test_the_front_page_lets_one_choose_where_there_is_a_choice(ann: User, client: Client) -> None:
    client.force_login(ann)
    model("a", default=True)
    assert client.get(reverse("home")).context["picker"] is None
    model("b", ends=date(2026, 1, 1))
    picker = client.get(reverse("home")).context["picker"]
    assert [(each.name, each.ends) for each in picker["models"]] == [("a", ""), ("b", "ended")]
    assert picker["chosen"].name == "a"


def test_the_options_of_a_call_say_what_each_model_offers(
    client: Client, conversation: Conversation
) -> None:
    model("a", voices=["marin"], ends=date(2026, 1, 1))
    client.force_login(conversation.owner)
    shown = client.get(conversation.get_absolute_url()).context["call_config"]["models"][0]
    assert (shown["offers"], shown["cost"]) == (["marin", "speaks and writes"], "not priced yet")
    assert shown["end"] == "switched off by the provider on Jan. 1, 2026"
