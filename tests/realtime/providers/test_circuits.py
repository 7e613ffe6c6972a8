"""A provider that cannot be had, and how long it is left alone."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from chats.models import AuditEvent, Conversation, User
from realtime.bridge import UpstreamFailed
from realtime.calls.provider_health import note_key
from realtime.db import in_database
from realtime.models import Provider
from realtime.providers.circuits import FAILURES, MOST_SECONDS, OPEN_SECONDS, Circuit
from tests.realtime.test_consumer import answer, opened, provider_of, sign_in
from tests.scripted import Refuse
from tests.site import Caller


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def unreachable(retry_after: float | None = None) -> UpstreamFailed:
    return UpstreamFailed("tcp", "provider_unreachable", "refused", retry_after=retry_after)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock)


def test_a_few_failures_in_a_row_keep_calls_away_for_a_while(
    circuit: Circuit, clock: Clock
) -> None:
    for _ in range(FAILURES):
        assert circuit.admit() == 0
        circuit.failed(unreachable())
    assert circuit.admit() == OPEN_SECONDS
    clock.now += OPEN_SECONDS
    # One tries for all.
    assert [circuit.admit(), circuit.admit()] == [0, OPEN_SECONDS]
    circuit.failed(unreachable())
    assert circuit.admit() == OPEN_SECONDS
    clock.now += OPEN_SECONDS
    assert circuit.admit() == 0
    circuit.worked()
    assert [circuit.admit(), circuit.admit()] == [0, 0]


def test_a_session_between_failures_begins_the_count_anew(circuit: Circuit) -> None:
    for _ in range(FAILURES):
        circuit.failed(unreachable())
        circuit.worked()
    assert circuit.admit() == 0


def test_what_is_no_outage_keeps_nobody_away(circuit: Circuit) -> None:
    for _ in range(FAILURES):
        circuit.failed(UpstreamFailed("handshake", "provider_refused_key", "HTTP 401"))
    assert circuit.admit() == 0


@pytest.mark.parametrize(("asked", "waits"), [(12.0, 12.0), (90_000.0, MOST_SECONDS)])
def test_a_provider_says_how_long_it_wants_to_be_left_alone(
    circuit: Circuit, asked: float, waits: float
) -> None:
    circuit.failed(UpstreamFailed("handshake", "provider_quota", "HTTP 429", retry_after=asked))
    assert circuit.admit() == waits


async def ends(here: str, conversation: Conversation, cookie: str) -> dict[str, object]:
    """How a call ended that could not begin."""
    async with Caller.dial(here, str(conversation.pk), cookie) as call:
        await call.start()
        await call.ended()
    told = call.of("nextvoice.ended")[0]
    return {"reason": told["reason"], "remedy": told["remedy"]}


@pytest.mark.django_db(transaction=True)
async def test_a_call_is_told_at_once_while_its_provider_is_left_alone(
    here: str, ann: User, conversation: Conversation
) -> None:
    refusal = Refuse(503, headers={"Retry-After": "20"})
    async with provider_of([refusal], opened(answer(bytes(4800)))) as provider:
        cookie = await in_database(sign_in, ann)
        first = await ends(here, conversation, cookie)
        second = await ends(here, conversation, cookie)
        assert (first["reason"], second["reason"]) == ("provider_unreachable",) * 2
        assert second["remedy"] in [f"The next try is in {n} seconds." for n in (18, 19, 20)]
        assert (len(provider.refused), provider.visits) == (1, [])


@pytest.mark.django_db(transaction=True)
async def test_a_refused_key_is_flagged_once_until_it_is_taken_again(
    here: str, ann: User, conversation: Conversation
) -> None:
    scripts = [[Refuse(401)], [Refuse(403)], opened(answer(bytes(4800)))]
    async with provider_of(*scripts) as provider:
        cookie = await in_database(sign_in, ann)
        for tries in (1, 2):
            assert (await ends(here, conversation, cookie))["reason"] == "provider_refused_key"
            # A key that is refused is not tried again by itself.
            assert len(provider.refused) + len(provider.visits) == tries
            await flagged(True)
        events = AuditEvent.objects.filter(action="provider.key_refused")
        assert await in_database(lambda: [each.target for each in events]) == ["Scripted"]
        async with Caller.dial(here, str(conversation.pk), cookie) as call:
            await call.start()
            await call.event("response.done")
            await flagged(False)
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended()


async def flagged(wanted: bool) -> None:
    """Wait until the provider is flagged, or is not."""
    async with asyncio.timeout(20):
        while True:
            found = await in_database(Provider.objects.get)
            if (found.key_refused_at is not None) == wanted:
                return
            await asyncio.sleep(0.02)


def test_a_new_key_is_not_refused_yet(db: None) -> None:
    provider = Provider(name="Other", key_refused_at=timezone.now())
    provider.set_key("sk-another-0123456789")
    assert provider.key_refused_at is None


def test_the_provider_that_refused_its_key_is_flagged_and_no_other(db: None) -> None:
    url = "wss://voice.example.org"
    both = [Provider.objects.create(name=name, url=url) for name in ("First", "Second")]
    for provider, other in (both, both[::-1]):
        for refused in (True, False):
            note_key(provider.pk, refused=refused)
            provider.refresh_from_db()
            other.refresh_from_db()
            assert (provider.key_refused_at is not None, other.key_refused_at) == (refused, None)
    events = AuditEvent.objects.filter(action="provider.key_refused").order_by("pk")
    assert [event.target for event in events] == ["First", "Second"]
