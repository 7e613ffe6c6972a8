"""Quotas at work in calls: the real application, the scripted provider, a cent a second.

The clock that is read is the call's own; how often quotas are looked at is turned up where a test
would wait for it.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from chats.models import Account, Conversation, Membership, User
from realtime.calls import janitor, lookout
from realtime.db import in_database
from realtime.models import Lease, Price, Provider, Quota, Usage, VoiceModel
from realtime.money import keeper, spending
from realtime.money.books import DEAD_AFTER
from tests.api.help import opened as opened_sdk
from tests.api.help import session_of, token_of
from tests.realtime.calls.test_resume import page_of
from tests.realtime.money.test_meter import until
from tests.realtime.test_consumer import opened, provider_of, sign_in
from tests.scripted import Expect, Send, Until, audio_delta, response_created, response_done
from tests.site import Caller

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = 48_000  # bytes of audio
HALF = bytes(SECOND // 2)
CENT = Decimal("0.01")


@pytest.fixture
def cookie(ann: User) -> str:
    return sign_in(ann)


@pytest.fixture(autouse=True)
def price(db: None) -> Price:
    """A second of speech is 20 tokens and costs a cent; all else is free."""
    return set_price(500)


def set_price(audio_out: int, **fields: Any) -> Price:
    given = {"since": timezone.now() - timedelta(days=1)} | fields
    free = {"text_in": 0, "text_out": 0, "audio_in": 0}
    return Price.objects.create(model="scripted-1", audio_out=audio_out, **free, **given)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SECONDS", 0.05)
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.05)


def speech(seconds: float, name: str = "1") -> Send:
    """So much of an answer, in halves of a second, as fast as the line takes it."""
    place = {"item_id": f"item_{name}", "response_id": f"resp_{name}"}
    return Send(*[audio_delta(HALF, **place)] * int(seconds * 2))


def usage(audio_tokens: int) -> dict[str, Any]:
    """What a provider says of an answer."""
    details = {"audio_tokens": audio_tokens}
    return {"input_tokens": 0, "output_tokens": audio_tokens, "output_token_details": details}


def whole(seconds: int, name: str = "1") -> Send:
    """A whole answer, with its usage."""
    began = response_created(f"resp_{name}")
    ended = response_done(f"resp_{name}", usage=usage(audio_tokens=20 * seconds))
    return Send(began, *speech(seconds, name).events, ended)


async def make(**limits: Any) -> Quota:
    return await in_database(lambda: Quota.objects.create(**limits))


async def used() -> Decimal:
    rows = await in_database(lambda: list(Usage.objects.values_list("cost", flat=True)))
    return sum((cost for cost in rows if cost is not None), Decimal(0))


def heard(call: Caller) -> int:
    return sum(map(len, call.audio.values()))


async def test_an_answer_ends_within_a_second_of_what_may_be_used(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await make(money_per_day=5 * CENT)
    tomorrow = (timezone.now() + timedelta(days=1)).date()
    cut = response_done("resp_1", "cancelled", usage=usage(audio_tokens=115))
    began = Send(response_created("resp_1"))
    steps = opened(began, speech(60), Expect("response.cancel"), Send(cut))
    async with provider_of(steps):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            assert await call.ended() == ("quota_used_up", 4402)
    assert 5 * SECOND <= heard(call) <= 6 * SECOND
    ended = call.of("nextvoice.ended")[0]
    assert ended["message"] == "This site's budget for today (0.05 USD) is used up."
    assert ended["remedy"] == (
        f"It resets on {tomorrow} at midnight UTC. Ask your administrator if you need more."
    )
    over = [event["over"] for event in call.of("nextvoice.quota") if event["over"]]
    assert [(each["scope"], each["what"]) for each in over] == [("site", "money_day")]
    # What it cost is in the ledger, and soon nobody keeps a place.
    assert await used() == Decimal("0.0575")
    async with asyncio.timeout(15):
        while await in_database(Lease.objects.count):  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)


async def test_a_call_over_an_own_provider_is_not_stopped_by_the_site_s_money(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await make(money_per_day=CENT)

    def theirs() -> None:
        Provider.objects.update(account=conversation.account)

    async with provider_of(opened(whole(5), Until(asyncio.Event()))):
        await in_database(theirs)
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.cost")
            lease = await in_database(Lease.objects.get)
            assert (lease.own, await used()) == (True, 5 * CENT)
            assert (await call.event("nextvoice.quota"))["limits"] == []
            assert all(not event["limits"] for event in call.of("nextvoice.quota"))
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended() == ("hang_up", 1000)
    today = timezone.now().date()
    assert (await in_database(lambda: spending.spent(spending.Scope(), today))).amount == 0


@pytest.mark.parametrize("told", [True, False])
async def test_answers_aside_end_within_a_second_of_what_may_be_used(
    here: str, ann: User, told: bool
) -> None:
    await make(money_per_day=5 * CENT)
    aside = {"conversation": "none", "output_modalities": ["audio"]}
    cut = [response_done("resp_1", "cancelled", usage=usage(audio_tokens=115))] if told else []
    began = Send(response_created("resp_1"))
    script = opened_sdk(Expect("response.create"), began, speech(60), Send(*cut))
    async with provider_of(script):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.response.create(response=aside)  # type: ignore[arg-type]
            await session.event("response.output_audio.delta")
            await session.ended()
    sound = [len(b64decode(each.delta)) for each in session.of("response.output_audio.delta")]
    assert 5 * SECOND <= sum(sound) <= 6 * SECOND
    (row,) = await until(bool)
    assert row.cost is not None and row.cost >= 5 * CENT


async def test_a_provider_that_answers_by_itself_is_not_let_go_on(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await make(money_per_day=5 * CENT)
    again = Send(response_created("resp_2"), *speech(60, "2").events)
    async with provider_of(opened(whole(5), again)):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            assert await call.ended() == ("quota_used_up", 4402)
    assert len(call.audio["item_1"]) == 5 * SECOND
    assert len(call.audio.get("item_2", b"")) <= SECOND
    # Neither this conversation nor another one is let in now.
    async with Caller.dial(here, str(conversation.pk), cookie) as call:
        refused = await call.start()
        assert (refused["type"], refused["reason"]) == ("nextvoice.ended", "quota_used_up")


@pytest.mark.usefixtures("often")
async def test_four_fifths_are_warned_of_once(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await make(money_per_day=10 * CENT)
    more = asyncio.Event()
    async with provider_of(opened(whole(8), Until(more), whole(1, "2"))):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            notice = await call.event("nextvoice.notice", code="quota_nearly_used_up")
            more.set()
            await call.until(
                lambda: any(e["limits"][0]["left"] == "0.01" for e in call.of("nextvoice.quota"))
            )
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert notice["message"] == (
        "This site's budget for today (0.10 USD) is nearly used up: 0.02 USD left."
    )
    assert [event["code"] for event in call.of("nextvoice.notice")] == ["quota_nearly_used_up"]


async def test_a_changed_quota_holds_for_calls_that_run(
    here: str, conversation: Conversation, cookie: str
) -> None:
    quota = await make(money_per_day=Decimal(100))
    async with provider_of(opened(whole(2))):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.cost")
            quota.money_per_day = CENT
            await in_database(quota.save)
            assert await call.ended(seconds=5) == ("quota_used_up", 4402)


def deactivate(ann: User) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)


def put_out_of_the_team(ann: User) -> None:
    Membership.objects.filter(user=ann, account__slug="team").delete()


def disable_the_provider(ann: User) -> None:
    Provider.objects.update(enabled=False)


def disable_the_model(ann: User) -> None:
    VoiceModel.objects.update(enabled=False)


@pytest.mark.usefixtures("often", "bob")
@pytest.mark.parametrize(
    ("whose", "change", "reason"),
    [
        ("own", deactivate, "signed_out"),
        ("own", disable_the_provider, "provider_unknown_model"),
        ("own", disable_the_model, "provider_unknown_model"),
        ("team", put_out_of_the_team, "signed_out"),
        ("own over the team's provider", put_out_of_the_team, "provider_unknown_model"),
    ],
)
async def test_who_or_what_is_taken_out_leaves_calls_that_run(
    here: str, ann: User, cookie: str, whose: str, change: Callable[[User], None], reason: str
) -> None:
    def prepare() -> str:
        team = Account.objects.get(slug="team")
        if "provider" in whose:
            Provider.objects.update(account=team)
        account = team if whose == "team" else ann.own_account
        return str(Conversation.objects.create(owner=ann, account=account).pk)

    async with provider_of(opened()):
        place = await in_database(prepare)
        async with Caller.dial(here, place, cookie) as call:
            assert (await call.start())["type"] == "nextvoice.ready"
            await in_database(change, ann)
            assert (await call.ended(seconds=5))[0] == reason


@pytest.mark.usefixtures("often")
async def test_a_program_loses_a_model_that_is_taken_from_its_person(here: str, ann: User) -> None:
    async with provider_of(opened_sdk()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
            await in_database(disable_the_model, ann)
            error = await session.event("error", seconds=5)
    assert error.error.code == "model_not_found"


async def test_one_place_is_enough_to_reload_and_take_over_and_call_again(
    here: str, ann: User, conversation: Conversation, cookie: str
) -> None:
    await make(calls_at_once=1)
    place = str(conversation.pk)
    other = await in_database(
        lambda: str(Conversation.objects.create(owner=ann, account=ann.own_account).pk)
    )
    asked = [Send(response_created("resp_1")), speech(1)]
    async with provider_of(opened(*asked)):
        async with Caller.dial(here, place, cookie) as first:
            assert (await first.start())["type"] == "nextvoice.ready"
            async with Caller.dial(here, other, cookie) as elsewhere:
                refused = await elsewhere.start()
                assert refused["reason"] == "too_many_calls"
                assert await elsewhere.ended() == ("too_many_calls", 4402)
            async with Caller.dial(here, place, cookie) as second:
                assert (await second.start())["type"] == "nextvoice.ready"
                assert (await first.ended())[0] == "taken_over"
                # A reload: the page leaves, and is back at once. Its answer is still going on.
                await second.event("response.created")
        async with Caller.dial(here, place, cookie) as third:
            assert (await third.start())["type"] == "nextvoice.ready"
            await third.event("response.created")
            await third.send({"type": "nextvoice.hang_up"})
            async with Caller.dial(here, other, cookie) as fourth:
                assert (await fourth.start())["type"] == "nextvoice.ready"


@pytest.mark.usefixtures("often")
async def test_without_the_database_calls_go_on_to_the_limit_last_known(
    here: str, conversation: Conversation, cookie: str
) -> None:
    def rename(old: str, new: str) -> None:
        with connection.schema_editor() as editor:
            editor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    await make(money_per_day=5 * CENT)
    more, most = asyncio.Event(), asyncio.Event()
    began = Send(response_created("resp_1"))
    async with provider_of(opened(Until(more), began, speech(4), Until(most), speech(30))):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.quota")
            await in_database(rename, "realtime_quota", "realtime_quota_away")
            try:
                more.set()
                await call.until(lambda: heard(call) == 4 * SECOND)
                most.set()
                assert await call.ended() == ("quota_used_up", 4402)
            finally:
                await in_database(rename, "realtime_quota_away", "realtime_quota")
    assert heard(call) <= 6 * SECOND


async def test_programs_are_told_of_an_insufficient_quota(here: str, ann: User) -> None:
    await make(money_per_day=5 * CENT)
    asked = [Expect("response.create"), Send(response_created("resp_1")), speech(60)]
    async with provider_of(opened_sdk(*asked)):
        key = await token_of(ann)
        async with session_of(here, key) as session:
            await session.event("session.created")
            await session.connection.response.create()
            error = await session.event("error")
        async with session_of(here, key) as session:
            refused = await session.event("error")
    assert (error.error.type, error.error.code) == ("invalid_request_error", "insufficient_quota")
    assert refused.error.code == "insufficient_quota"
    assert "This site's budget for today" in refused.error.message


@pytest.mark.usefixtures("often")
async def test_a_call_is_as_long_as_it_may_be_and_says_so_a_minute_before(
    here: str, conversation: Conversation, cookie: str
) -> None:
    await make(call_minutes=30)

    def age(minutes: float) -> None:
        Lease.objects.update(began=timezone.now() - timedelta(minutes=minutes))

    async with provider_of(opened()):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.quota")
            await in_database(age, 29.5)
            await call.event("nextvoice.notice", code="call_ends_soon")
            await in_database(age, 30)
            assert await call.ended() == ("call_too_long", 4408)
    assert len(call.of("nextvoice.notice")) == 1


async def test_what_is_used_costs_what_it_costs_at_that_time(
    here: str, conversation: Conversation, cookie: str
) -> None:
    more = asyncio.Event()
    async with provider_of(opened(whole(1), Until(more), whole(1, "2"))):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("nextvoice.cost", response_id="resp_1")
            await in_database(lambda: set_price(1000, since=timezone.now()))
            more.set()
            second = await call.event("nextvoice.cost", response_id="resp_2")
            first = call.of("nextvoice.cost")[0]
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert (first["cost"], second["cost"]) == ("0.01", "0.02")
    assert (first["totals"], second["totals"]) == ({"USD": "0.01"}, {"USD": "0.03"})
    assert await used() == 3 * CENT


async def test_the_page_is_told_how_long_the_conversation_is_and_what_goes_on_to_cost(
    here: str, conversation: Conversation, cookie: str
) -> None:
    async with provider_of(opened(whole(3))):
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            told = await call.event("nextvoice.cost")
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()
    assert told["context"] == {"tokens": 60, "next": "0.03", "currency": "USD"}
    assert (told["unpriced"], told["text"]) == (0, "All of it is for speech spoken.")


def test_the_janitor_takes_the_places_of_the_dead(db: None) -> None:
    now = timezone.now()
    for number, age in enumerate([timedelta(0), DEAD_AFTER + timedelta(seconds=1)], 1):
        Lease.objects.create(
            call_id=f"{number:032x}", account_id=1, user_id=1, began=now, heartbeat=now - age
        )
    janitor.sweep()
    assert [lease.call_id.int for lease in Lease.objects.all()] == [1]


async def test_what_an_answer_cost_while_nobody_was_there_is_told_when_the_page_is_back(
    here: str, conversation: Conversation, cookie: str
) -> None:
    away = asyncio.Event()
    async with provider_of(opened(Until(away), whole(2))):
        async with page_of(here, conversation, cookie) as page:
            await page.start()
            page.vanish()
            away.set()
            async with asyncio.timeout(5):
                while not await used():  # noqa: ASYNC110 (a test may poll)
                    await asyncio.sleep(0.01)
            await page.resume()
            await page.until(lambda: "nextvoice.cost" in page.types)
            told = [f for f in page.frames if isinstance(f, dict) and f["type"] == "nextvoice.cost"]
            assert [event["totals"] for event in told] == [{"USD": "0.02"}]
            await page.say({"type": "nextvoice.hang_up"})
            await page.ended()
