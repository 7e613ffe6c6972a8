"""Which calls may go on, asked about many at once."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats.models import Account, Conversation, Membership, User
from realtime.api.opening import TokenPass
from realtime.calls.going_on import PagePass, Question, asked_to_end, look, may_go_on, show_alive
from realtime.models import AccountSettings, ApiToken, CallRecord, Provider, VoiceModel
from realtime.providers.availability import who_may_use

pytestmark = pytest.mark.django_db


def person(name: str) -> User:
    made: User = get_user_model().objects.create_user(name)
    return made


def call(conversation: Conversation, **fields: Any) -> CallRecord:
    now = timezone.now()
    return CallRecord.objects.create(
        **{"conversation": conversation, "started": now, "heartbeat": now, **fields}
    )


def model(provider: Provider) -> VoiceModel:
    return VoiceModel.objects.create(provider=provider, name="m")


def signed_in(user: User) -> str:
    client = Client()
    client.force_login(user)
    key: str = client.session.session_key
    return key


def calls_of(count: int, models: list[VoiceModel]) -> list[Question]:
    """Each of another person, in a conversation and with a session of their own."""
    questions = []
    for number in range(count):
        user = person(f"p{number}")
        talk = Conversation.objects.create(owner=user, account=user.own_account)
        person_pass = PagePass(talk.pk, signed_in(user))
        voice = models[number % len(models)].pk
        questions.append(Question(call(talk, user=user).pk, user.pk, voice, person_pass))
    return questions


def test_many_calls_take_as_many_queries_as_one() -> None:
    voice = model(Provider.objects.create(name="P", url="wss://voice.example.org"))
    questions = calls_of(20, [voice])
    taken = []
    for some in (questions[:1], questions):
        with CaptureQueriesContext(connection) as queries:
            show_alive([each.call_id for each in some])
            answers = look(some)
        taken.append(len(queries))
        assert len(answers) == len(some)
        assert {(each.allowed, each.tariff is None, each.asked) for each in answers.values()} == {
            (True, False, "")
        }
    assert taken == [8, 8]


def test_each_call_has_an_answer_of_its_own() -> None:
    first, second = (Provider.objects.create(name=name, url="wss://v.example.org") for name in "PQ")
    fine, shut_out, withdrawn, asked, signed_out = calls_of(5, [model(first)])
    for_nobody = model(second)
    User.objects.filter(pk=shut_out.user_pk).update(is_active=False)
    second.accounts.add(Account.objects.create(name="Team", slug="team"))
    withdrawn = Question(withdrawn.call_id, withdrawn.user_pk, for_nobody.pk, withdrawn.person_pass)
    CallRecord.objects.filter(pk=asked.call_id).update(end_asked="admin_ended")
    person_pass = signed_out.person_pass
    assert isinstance(person_pass, PagePass)
    SessionStore(person_pass.session_key).delete()
    answers = look([fine, shut_out, withdrawn, asked, signed_out])
    told = [
        (each.allowed, each.tariff is not None, each.asked)
        for each in (answers[one.call_id] for one in (fine, shut_out, withdrawn, asked, signed_out))
    ]
    assert told == [
        (True, True, ""),
        (False, False, ""),
        (True, False, ""),
        (True, True, "admin_ended"),
        (False, True, ""),
    ]


def test_a_session_of_somebody_else_or_before_a_new_password_does_not_count(
    conversation: Conversation, eve: User
) -> None:
    ann = conversation.owner
    keys = {"mine": signed_in(ann), "eve's": signed_in(eve), "none": "0" * 32}
    passes = {name: PagePass(conversation.pk, key) for name, key in keys.items()}
    assert [may_go_on(each) for each in passes.values()] == [True, False, False]
    ann.set_password("another")
    ann.save()
    assert not may_go_on(passes["mine"])
    # As of people who were brought from elsewhere, and have none.
    User.objects.update(password="")
    as_eve = PagePass(conversation.pk, signed_in(User.objects.get(pk=eve.pk)))
    assert not may_go_on(as_eve)


def test_a_person_may_go_on_while_active_and_a_member(conversation: Conversation) -> None:
    ann = conversation.owner
    mine = PagePass(conversation.pk, signed_in(ann))
    assert may_go_on(mine)
    User.objects.update(is_active=False)
    assert not may_go_on(mine)
    User.objects.update(is_active=True)
    ann.memberships.all().delete()
    assert not may_go_on(mine)


def test_visible_is_what_each_owner_sees(conversation: Conversation, bob: User) -> None:
    ann, team = conversation.owner, Account.objects.get(slug="team")
    left, gone = person("left"), person("gone")
    Membership.objects.create(account=team, user=left)
    for owner, account, deleted in product((ann, bob, left, gone), ("own", team), (False, True)):
        Conversation.objects.create(
            owner=owner,
            account=owner.own_account if account == "own" else team,
            deleted=timezone.now() if deleted else None,
        )
    left.memberships.filter(account=team).delete()
    User.objects.filter(pk=gone.pk).update(is_active=False)
    seen = [Conversation.objects.visible_to(each) for each in User.objects.all()]
    each_sees = {pk for one in seen for pk in one.values_list("pk", flat=True)}
    assert set(Conversation.objects.visible().values_list("pk", flat=True)) == each_sees
    assert len(each_sees) == 6  # Rome; two of ann and bob each; one of whoever has left the team


@pytest.mark.parametrize("own_providers", ["off", "personal", "accounts", "all"])
def test_who_may_use_a_model_is_who_finds_it(
    settings: Any, ann: User, bob: User, eve: User, own_providers: str
) -> None:
    settings.OWN_PROVIDERS = own_providers
    team = Account.objects.get(slug="team")
    AccountSettings.objects.create(account=bob.own_account, own_providers=False)
    owners = (None, team, ann.own_account, bob.own_account)
    for number, (owner, own, enabled) in enumerate(product(owners, (False, True), (False, True))):
        if owner is None and own:
            continue
        url = "wss://v.example.org"
        fields = {"account": owner, "own": own, "enabled": enabled}
        model(Provider.objects.create(name=f"P{number}", url=url, **fields))
    some = Provider.objects.create(name="Some", url="wss://v.example.org")
    some.accounts.add(team, ann.own_account)
    model(some)
    off = person("off")
    User.objects.filter(pk=off.pk).update(is_active=False)
    people = list(User.objects.all())
    pks = [each.pk for each in people]
    finds = {each.pk: {*VoiceModel.objects.available_to(each)} for each in people}
    for each in VoiceModel.objects.all():
        assert who_may_use(each.pk, pks) == {pk for pk in pks if each in finds[pk]}
    assert who_may_use(VoiceModel.objects.get(provider=some).pk, [eve.pk, bob.pk]) == {bob.pk}


def test_a_later_call_of_the_conversation_ends_the_earlier_one(conversation: Conversation) -> None:
    now = timezone.now()
    first = call(conversation, started=now - timedelta(seconds=3))
    second = call(conversation, started=now)
    elsewhere = Conversation.objects.create(owner=conversation.owner, account=conversation.account)
    other = call(elsewhere)
    unkept = CallRecord.objects.create(started=now, heartbeat=now)
    pks = [first.pk, second.pk, other.pk, unkept.pk, uuid.uuid4()]
    assert {pk: why for pk, why in asked_to_end(pks).items() if why} == {first.pk: "taken_over"}
    CallRecord.objects.filter(pk=second.pk).update(state="ended")
    assert not any(asked_to_end(pks).values())


def test_a_call_that_ended_is_not_brought_back_unless_it_was_taken_for_dead(
    conversation: Conversation,
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    ends = {"": "connecting", "hang_up": "ended", "process_died": "ended"}
    calls = [
        call(conversation, state=state, end_reason=why, heartbeat=long_ago)
        for why, state in ends.items()
    ]
    another = call(conversation, state="connecting", heartbeat=long_ago)
    show_alive([each.pk for each in calls])
    for each in (*calls, another):
        each.refresh_from_db()
    assert [each.state for each in calls] == ["live", "ended", "live"]
    assert [each.heartbeat > long_ago for each in calls] == [True, False, True]
    assert (another.state, another.heartbeat) == ("connecting", long_ago)


def test_tokens_are_looked_at_together(conversation: Conversation, eve: User) -> None:
    ann = conversation.owner
    tokens = [ApiToken.objects.make(ann, str(n))[0] for n in range(3)]
    others, _raw = ApiToken.objects.make(eve, "eve")
    ApiToken.objects.filter(pk=tokens[1].pk).update(revoked=timezone.now())
    ApiToken.objects.filter(pk=tokens[2].pk).update(expires=timezone.now())
    place = str(conversation.pk)
    passes = [TokenPass(each.pk, where) for each in (*tokens, others) for where in (None, place)]
    with CaptureQueriesContext(connection) as queries:
        valid = TokenPass.valid(passes)
    assert len(queries) == 2
    assert valid == {passes[0], passes[1], TokenPass(others.pk, None)}
    Conversation.objects.update(deleted=timezone.now())
    assert TokenPass.valid(passes) == {passes[0], TokenPass(others.pk, None)}
