"""Which price holds, where prices come from, and what the past would have cost at others."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import User
from realtime.models import ExchangeRate, Price, Provider, ToolService, Usage, VoiceModel
from realtime.money import seeds
from realtime.money.allowance import Tariff, tariff_at
from realtime.money.ledger import Entry, Payer, record
from realtime.money.prices import Begun, price_for, without_price
from realtime.money.pricing import Prices
from realtime.money.repricing import what_if

pytestmark = pytest.mark.django_db

D = Decimal
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def provider() -> Provider:
    return Provider.objects.create(name="OpenAI", url="wss://api.openai.com/v1/realtime")


def price(model: str = "gpt-x", rate: int = 1, **fields: Any) -> Price:
    given: dict[str, Any] = {"model": model, "text_in": D(rate), "since": JANUARY}
    return Price.objects.create(**(given | fields))


def chosen(provider: Provider, model: str = "gpt-x", at: datetime = NOW) -> Decimal | None:
    found = price_for(provider.pk, provider.dialect, model, "realtime", at)
    return None if found is None else found.text_in


# Which price holds


def test_an_own_price_wins_over_what_came_along(provider: Provider) -> None:
    price(rate=2, source="seed", dialect="openai_ga")
    assert chosen(provider) == 2
    price(rate=3)
    assert chosen(provider) == 3


def test_the_provider_s_price_wins_over_a_general_one(provider: Provider) -> None:
    price(rate=2, dialect="openai_ga")
    price(rate=3, provider=provider, model="*")
    other = Provider.objects.create(name="Other", url="wss://other.example/v1")
    price(rate=9, provider=other)
    assert chosen(provider) == 3


def test_a_price_that_would_never_hold_is_refused(provider: Provider) -> None:
    row = Price(provider=provider, dialect="gemini", model="gpt-x", since=JANUARY, text_in=D(1))
    with pytest.raises(ValidationError) as raised:
        row.full_clean()
    assert list(raised.value.message_dict) == ["dialect"]
    for dialect in ("", "openai_ga"):
        row.dialect = dialect
        row.full_clean()


def test_a_name_wins_over_a_pattern_and_a_longer_pattern_over_a_shorter(provider: Provider) -> None:
    price("gpt-*", 1)
    assert chosen(provider, "gpt-x-2025-12-15") == 1
    price("gpt-x-*", 2)
    assert chosen(provider, "gpt-x-2025-12-15") == 2
    price("gpt-x-2025-12-15", 3)
    assert chosen(provider, "gpt-x-2025-12-15") == 3
    assert chosen(provider, "gpt-y") == 1
    assert chosen(provider, "other") is None


def test_brackets_in_a_name_are_only_brackets(provider: Provider) -> None:
    price("gpt[x]*")
    assert chosen(provider, "gptx") is None
    assert chosen(provider, "gpt[x]-1") == 1


def test_a_price_holds_from_its_date_on(provider: Provider) -> None:
    price(rate=1)
    price(rate=2, since=NOW)
    price(rate=3, since=NOW + timedelta(days=1))
    assert chosen(provider, at=NOW - timedelta(seconds=1)) == 1
    assert chosen(provider, at=NOW) == 2
    assert chosen(provider, at=NOW + timedelta(days=2)) == 3
    assert chosen(provider, at=JANUARY - timedelta(days=1)) is None


def test_without_an_exchange_rate_nobody_knows_what_a_call_costs(settings: Any) -> None:
    settings.REPORTING_CURRENCY = "EUR"
    assert tariff_at(None, NOW) == Tariff(currency="EUR")
    timed = price(per_minute=D(1), currency="CNY")
    assert tariff_at(timed, NOW) == Tariff(currency="EUR", by_time=True)
    ExchangeRate.objects.create(currency="CNY", into="EUR", rate=D("0.12"), since=NOW.date())
    assert tariff_at(timed, NOW) == Tariff(timed.prices(), D("0.12"), "EUR", by_time=True)
    assert tariff_at(price("other", currency="EUR"), NOW).by_time is False


def test_another_dialect_s_price_is_another_model_s(provider: Provider) -> None:
    price(dialect="gemini")
    price(kind="transcription")
    assert chosen(provider) is None


# What comes along


def test_what_comes_along_has_the_prices_of_the_services() -> None:
    assert seeds.seed(seeds.load()) > 20
    at = timezone.now()
    found = price_for(None, "openai_ga", "gpt-realtime-2.1", "realtime", at)
    assert found is not None
    assert found.prices() == Prices(
        D(4), D("0.4"), D(24), D(32), D("0.4"), D(64), D(5), D("0.5"), currency="USD"
    )
    grok = price_for(None, "xai", "grok-voice-latest", "realtime", at)
    assert grok is not None
    assert (grok.per_minute, grok.per_message) == (D("0.08"), D("0.004"))
    before = price_for(
        None, "xai", "grok-voice-latest", "realtime", datetime(2026, 8, 4, tzinfo=UTC)
    )
    assert before is not None and before.per_minute == D("0.05")
    whisper = price_for(None, "openai_ga", "whisper-1", "transcription", at)
    assert whisper is not None and whisper.per_minute == D("0.006")


def test_what_is_shipped_is_what_the_data_set_says() -> None:
    pytest.importorskip("genai_prices")
    assert json.loads(seeds.SHIPPED.read_text()) == seeds.from_genai()


def test_bringing_prices_in_again_adds_only_what_changed(tmp_path: Path) -> None:
    seeds.seed(seeds.load())
    assert seeds.seed(seeds.load()) == 0
    told = json.loads(seeds.SHIPPED.read_text())
    changed = next(each for each in told["prices"] if each["models"] == ["gpt-live-1"])
    changed["rates"]["per_minute"] = "0.07"
    (tmp_path / "new.json").write_text(json.dumps(told))
    new = seeds.load(tmp_path / "new.json")
    assert seeds.seed(new) == 3  # one for each dialect
    assert seeds.seed(seeds.load(tmp_path / "new.json")) == 0
    rates = Price.objects.filter(model="gpt-live-1", dialect="openai_ga").order_by("since")
    assert [each.per_minute for each in rates] == [D("0.05"), D("0.07")]


def test_a_fresh_site_s_own_provider_is_free_and_not_without_a_price() -> None:
    call_command("setup", stdout=io.StringIO())
    assert without_price() == []
    own = Provider.objects.get()
    (row,) = record(
        Entry(
            payer=Payer(provider_id=own.pk, dialect=own.dialect),
            model="nextvoice-demo",
            upstream_session="s",
            key="r",
            raw={"input_tokens": 9, "output_token_details": {"audio_tokens": 7}, "seconds": 1},
        )
    )
    assert (row.cost, row.source) == (0, "reported")


def test_a_model_without_a_price_is_told_of(provider: Provider) -> None:
    VoiceModel.objects.create(provider=provider, name="gpt-x", transcription_model="t")
    VoiceModel.objects.create(provider=provider, name="off", enabled=False)
    entry = {"payer": Payer(provider_id=provider.pk), "model": "gpt-x", "upstream_session": "s"}
    record(Entry(**entry, key="r", raw={"input_tokens": 1}))
    found = [(each.model, each.kind, each.rows) for each in without_price()]
    assert found == [("gpt-x", "realtime", 1), ("t", "transcription", 0)]
    price()
    assert [each.model for each in without_price()] == ["t"]


def test_many_models_are_looked_up_with_as_many_queries_as_one(
    provider: Provider, django_assert_num_queries: Any
) -> None:
    price("gpt-1*")
    price("gpt-2", provider=provider)
    price("gpt-3", dialect="gemini")
    price("gpt-4", since=timezone.now() + timedelta(days=1))
    for number in range(6):
        VoiceModel.objects.create(provider=provider, name=f"gpt-{number}")
    with django_assert_num_queries(3):  # models, prices, and what was used
        missing = [each.model for each in without_price()]
    assert missing == ["gpt-0", "gpt-3", "gpt-4", "gpt-5"]
    now = timezone.now()
    begun = Begun(now)
    for name in [*missing, "gpt-1", "gpt-2", "gpt-10"]:
        place = (provider.pk, provider.dialect, name, "realtime")
        assert begun.price_for(*place) == price_for(*place, now)


# The command


def prices(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("prices", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_sets_a_price_of_one_s_own(provider: Provider) -> None:
    prices("--set", "gpt-x", "text_in=2.5", "audio_out=20", "--provider", "OpenAI")
    row = Price.objects.get()
    assert (row.provider, row.source, row.text_in, row.audio_out, row.audio_in) == (
        provider,
        "admin",
        D("2.5"),
        D(20),
        None,
    )
    assert prices() == [
        f"gpt-x\trealtime\tOpenAI\tadmin\t{row.since:%Y-%m-%d}\tUSD\ttext_in=2.50 audio_out=20.00"
    ]


def test_the_command_says_which_rate_answers_will_lack(provider: Provider) -> None:
    for name in ("gpt-x", "gpt-y", "gpt-z"):
        VoiceModel.objects.create(provider=provider, name=name, transcription_model="w")
    lacking = "Ordinary answers would have no price. Missing: text_out."
    rates = ["text_in=2", "audio_in=10", "audio_out=40"]
    assert prices("--set", "gpt-x", *rates)[1:] == [lacking]
    assert prices("--set", "gpt-y", *rates, "text_out=8")[1:] == []
    assert prices("--set", "gpt-z", "per_minute=1")[1:] == []
    assert prices("--set", "w", "audio_in=1", "--kind", "transcription")[1:] == []


def test_the_command_says_of_a_name_that_no_model_has_what_is_close(provider: Provider) -> None:
    """The price is kept all the same: it may be set before the model is."""
    qwen = Provider.objects.create(name="Qwen", url="wss://qwen.example.org", dialect="qwen")
    VoiceModel.objects.create(provider=provider, name="gpt-realtime-2.1", transcription_model="w-1")
    VoiceModel.objects.create(provider=qwen, name="qwen-omni")
    used(provider, "a", model="gpt-old")
    ToolService.objects.create(kind="images", name="Drawings", prefix="d", model="gpt-image")
    ToolService.objects.create(kind="images", name="Pictures", prefix="p")
    unknown = "No model “%s” is known here: the price is kept for when there is one."
    close = " Close to it: gpt-realtime-2.1."

    def said(model: str, *more: str) -> list[str]:
        return prices("--set", model, "text_in=1", "text_out=2", *more)[1:]

    assert said("gpt-realtime-21") == [unknown % "gpt-realtime-21" + close]
    assert said("zzz") == [unknown % "zzz"]
    assert said("zzz-*") == [unknown % "zzz-*"]
    assert said("qwen-omni", "--provider", "OpenAI") == [unknown % "qwen-omni"]
    assert said("w-1") == ["“w-1” is known here, but not for Talking: it is for Transcription."]
    assert Price.objects.filter(model="gpt-realtime-21").exists()
    for known in ("gpt-realtime-2.1", "gpt-*", "qwen-omni", "gpt-old", "gpt-image", "Pictures"):
        assert said(known) == []
    assert said("w-1", "--kind", "transcription") == []
    assert said("qwen-omni", "--provider", "Qwen") == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--since", "yesterday"], "'yesterday' is no day: write YYYY-MM-DD"),
        (["--set", "x", "text_in"], "Write text_in=AMOUNT: '' is no number"),
        (["--what-if", "--from", "2026-11-30", "--to", "2026-11-01"], "--to 2026-11-01 is before"),
    ],
)
def test_the_command_says_what_to_write(wrong: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        prices(*wrong)


@pytest.mark.parametrize("text", ["[]", "{}", '{"prices": [{}]}', '{"prices": 3}'])
def test_a_file_that_is_no_list_of_prices_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(CommandError, match="cannot be read: it is no list of prices") as raised:
        prices("--import", str(path))
    assert "Error" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        ["gpt-x"],
        [" ", "text_in=1"],
        ["gpt-x", "text=1"],
        ["gpt-x", "text_in=much"],
        ["gpt-x", "text_in=-1"],
        ["gpt-x", "text_in=NaN"],
        ["gpt-x", "text_in=0.0000001"],
        ["gpt-x", f"text_in={'9' * 13}"],
        ["gpt-x", f"text_in={'9' * 24}"],
        ["gpt-x", f"per_minute={'9' * 7}"],
        ["gpt-x", "text_in=1", "--provider", "Nobody"],
        ["gpt-x", "text_in=1", "--currency", "dollars"],
    ],
)
def test_the_command_says_what_is_wrong(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        prices("--set", *wrong)
    assert not Price.objects.exists()


def test_the_command_lists_models_without_a_price(provider: Provider) -> None:
    VoiceModel.objects.create(provider=provider, name="gpt-x")
    assert prices() == ["gpt-x\trealtime\tOpenAI\tWITHOUT A PRICE"]


# What if


def used(provider: Provider, key: str, when: datetime = NOW, **fields: Any) -> None:
    payer = Payer(provider_id=provider.pk, provider_name=provider.name, dialect=provider.dialect)
    given: dict[str, Any] = {"payer": payer, "model": "gpt-x", "raw": {"input_tokens": 1_000_000}}
    record(Entry(upstream_session="s", key=key, created=when, **(given | fields)))


def test_what_if_prices_the_past_anew_and_changes_nothing(provider: Provider) -> None:
    price(rate=2)
    used(provider, "a")
    used(provider, "b", NOW - timedelta(days=40))
    used(provider, "c", model="gpt-new")
    before = list(Usage.objects.order_by("key").values())
    price(rate=5, since=NOW + timedelta(seconds=1))
    price("gpt-new", 1, since=NOW + timedelta(seconds=1))
    now = {each.model: each for each in what_if()}
    assert (now["gpt-x"].was, now["gpt-x"].would, now["gpt-x"].difference) == (4, 10, 6)
    assert (now["gpt-new"].unpriced, now["gpt-new"].was, now["gpt-new"].would) == (1, 0, 1)
    (given,) = [
        each for each in what_if(prices={"gpt-x": Prices(text_in=D(3))}) if each.would is not None
    ]
    assert (given.model, given.would) == ("gpt-x", 6)
    (november,) = [each for each in what_if(date(2026, 11, 1)) if each.model == "gpt-x"]
    assert (november.rows, november.was) == (1, 2)
    assert list(Usage.objects.order_by("key").values()) == before


def test_what_if_at_a_price_without_the_rate_says_so(provider: Provider) -> None:
    price(rate=2)
    used(provider, "a")
    (group,) = what_if(prices={"gpt-x": Prices(per_minute=D(1))})
    assert (group.would, group.difference) == (None, None)


def test_the_command_answers_what_if(provider: Provider) -> None:
    price(rate=2)
    used(provider, "a")
    table = [line.split("\t") for line in prices("--what-if", "gpt-x", "text_in=3")]
    assert table[1] == ["OpenAI", "gpt-x", "realtime", "1", "0", "2.00 USD", "3.00 USD", "1.00"]


def test_what_if_says_of_a_model_that_was_not_used_which_were(provider: Provider) -> None:
    def said(*words: str) -> str:
        out = io.StringIO()
        call_command("prices", "--what-if", *words, stdout=io.StringIO(), stderr=out)
        return out.getvalue()

    assert said() == said("gpt-x", "text_in=3") == "Nothing was used in this period.\n"
    used(provider, "a")
    used(provider, "b", model="gpt-1")
    assert said("gpt-y", "text_in=3") == "gpt-y was not used in this time, but gpt-1, gpt-x.\n"
    assert said() == said("gpt-x", "text_in=3") == ""


# The admin


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def test_admins_are_told_of_models_without_a_price(admin: Client, provider: Provider) -> None:
    VoiceModel.objects.create(provider=provider, name="gpt-x")
    for page in ("admin:index", "admin:realtime_price_changelist"):
        told = admin.get(reverse(page)).content.decode()
        assert "gpt-x of OpenAI (talking) has no price" in " ".join(told.split())
    price()
    assert "has no price" not in admin.get(reverse("admin:index")).content.decode()


def test_admins_set_prices_exactly(admin: Client) -> None:
    form = {
        "model": "gpt-x",
        "kind": "realtime",
        "since_0": "2026-11-22",
        "since_1": "12:00:00",
        "currency": "USD",
        "text_in": "0.123456",
    }
    answer = admin.post(reverse("admin:realtime_price_add"), form)
    assert answer.status_code == 302
    told = [each.message for each in get_messages(answer.wsgi_request)]
    assert told[0] == "Ordinary answers would have no price. Missing: text_out, audio_out."
    assert told[1] == "No model “gpt-x” is known here: the price is kept for when there is one."
    row = Price.objects.get()
    assert (row.text_in, row.source) == (D("0.123456"), "admin")
    page = admin.get(reverse("admin:realtime_price_change", args=[row.pk])).content.decode()
    assert 'value="0.123456"' in page
    form["text_in"] = ""
    answer = admin.post(reverse("admin:realtime_price_change", args=[row.pk]), form)
    assert "at least one rate" in answer.content.decode()


def price_form(**fields: str) -> dict[str, str]:
    """A price's page as an admin fills it in."""
    since = {"since_0": "2026-11-22", "since_1": "12:00:00"}
    return (
        {"model": "gpt-x", "kind": "realtime", "currency": "USD", "text_in": "1"} | since | fields
    )


def test_a_rate_has_as_many_digits_as_every_database_keeps(admin: Client) -> None:
    add = reverse("admin:realtime_price_add")
    for rate in ("9" * 24, "9" * 13):
        page = admin.post(add, price_form(text_in=rate))
        assert "no more than 1" in page.content.decode()
    assert admin.post(add, price_form(text_in="9" * 12 + ".999999")).status_code == 302
    assert Price.objects.get().text_in == D("9" * 12 + ".999999")


def test_a_second_price_from_the_same_time_on_is_refused_in_words(
    admin: Client, provider: Provider
) -> None:
    add, words = reverse("admin:realtime_price_add"), "already has a price from then on"
    for whose in ({}, {"provider": str(provider.pk)}, {"dialect": "openai_ga"}):
        form = price_form(**whose)
        assert admin.post(add, form).status_code == 302
        again = admin.post(add, form | {"text_in": "2"})
        assert (again.status_code, words in again.content.decode()) == (200, True)
    row = Price.objects.order_by("pk")[0]
    url = reverse("admin:realtime_price_change", args=[row.pk])
    assert admin.post(url, price_form(text_in="3")).status_code == 302
    assert Price.objects.count() == 3
    arguments = ("--set", "gpt-y", "text_in=1", "--since", "2026-11-22")
    prices(*arguments)
    with pytest.raises(CommandError, match=rf"^[^;]*{words}[^;]*$"):
        prices(*arguments)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-30", "9999-12-31"])
def test_a_day_that_nobody_means_is_refused(
    admin: Client, settings: Any, zone: str, day: str
) -> None:
    settings.TIME_ZONE = zone
    page = admin.post(reverse("admin:realtime_price_add"), price_form(since_0=day))
    assert "Enter a day of the years 2000 to 2199." in page.content.decode()
    rate = {"currency": "EUR", "into": "USD", "since": day, "rate": "1.1"}
    page = admin.post(reverse("admin:realtime_exchangerate_add"), rate)
    assert "Enter a day of the years 2000 to 2199." in page.content.decode()
    with pytest.raises(CommandError, match="Enter a day"):
        prices("--set", "gpt-x", "text_in=1", "--since", day)
    assert not Price.objects.exists()
    assert admin.get(reverse("admin:realtime_price_changelist")).status_code == 200


def test_an_exchange_rate_that_makes_no_sense_is_refused(admin: Client) -> None:
    add = reverse("admin:realtime_exchangerate_add")
    rate = {"currency": "EUR", "into": "USD", "since": "2026-11-22", "rate": "1.1"}
    for wrong in ({"rate": "0"}, {"rate": "-1"}, {"currency": "USD"}):
        assert admin.post(add, rate | wrong).status_code == 200
    assert admin.post(add, rate).status_code == 302


def test_what_came_along_can_be_looked_at_only(admin: Client) -> None:
    row = price(source="seed")
    url = reverse("admin:realtime_price_change", args=[row.pk])
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"model": "other"}).status_code == 403


@pytest.mark.parametrize("model", ["usage", "usageday"])
def test_the_ledger_can_be_looked_at_only(admin: Client, provider: Provider, model: str) -> None:
    price(rate=2)
    used(provider, "a")
    listed = admin.get(reverse(f"admin:realtime_{model}_changelist"))
    assert "2.00 USD" in listed.content.decode()
    assert admin.get(reverse(f"admin:realtime_{model}_add")).status_code == 403
    assert admin.post(reverse(f"admin:realtime_{model}_changelist"), {}).status_code in (200, 302)
    assert Usage.objects.count() == 1


def test_the_what_if_page(admin: Client, provider: Provider) -> None:
    price(rate=2)
    used(provider, "a")
    price(rate=5, since=NOW + timedelta(seconds=1))
    page = admin.get(reverse("admin:realtime_price_what_if"), {"from": "nonsense"})
    told = page.content.decode()
    assert ("2.00 USD" in told, "5.00 USD" in told, "3.00" in told) == (True, True, True)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ({"from": "2026-11-31"}, "“2026-11-31” is not a day: write it as 2026-11-30."),
        ({"to": "<b>"}, "“&lt;b&gt;” is not a day: write it as 2026-11-30."),
        ({"from": "2026-11-30", "to": "2026-11-01"}, "The last day is before the first one."),
        ({"from": "2026-11-01", "to": ""}, None),
    ],
)
def test_the_what_if_page_says_which_day_it_does_not_understand(
    admin: Client, span: dict[str, str], told: str | None
) -> None:
    page = admin.get(reverse("admin:realtime_price_what_if"), span).content.decode()
    assert re.findall(r'<li class="error">(.*?)</li>', page) == [each for each in [told] if each]


def test_strangers_see_no_what_if() -> None:
    client = Client()
    url = reverse("admin:realtime_price_what_if")
    assert client.get(url).status_code == 302
    client.force_login(User.objects.create_user("staff", password="x", is_staff=True))
    assert client.get(url).status_code == 403
