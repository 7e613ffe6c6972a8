"""The calls of a process are looked after together, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from chats.models import Conversation, User
from realtime.calls import lookout
from realtime.calls.going_on import Answer, PagePass, Question
from realtime.calls.lookout import Lookout
from realtime.models import CallRecord, Provider, VoiceModel
from tests.realtime.calls.test_going_on import signed_in
from tests.realtime.test_consumer import database_blocked

pytestmark = pytest.mark.django_db(transaction=True)


class Unreadable(PagePass):
    """A pass that nobody can look at."""

    @classmethod
    def valid(cls, passes: Any) -> Any:
        raise ArithmeticError


class Member:
    """A call; `broken` in one of its methods."""

    def __init__(self, question: Question, broken: str = "") -> None:
        self.question = question
        self.broken = broken
        self.beats = 0
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()

    def beat(self) -> None:
        self.beats += 1
        if self.broken == "beat":
            raise ArithmeticError

    def told(self, answer: Answer) -> None:
        self.answers.put_nowait(answer)
        if self.broken == "told":
            raise ArithmeticError


@pytest.fixture
def ask(conversation: Conversation) -> Callable[..., Question]:
    provider = Provider.objects.create(name="P", url="wss://voice.example.org")
    model = VoiceModel.objects.create(provider=provider, name="m")

    def question(kind: type[PagePass] = PagePass) -> Question:
        long_ago = timezone.now() - timezone.timedelta(hours=1)
        call = CallRecord.objects.create(started=long_ago, heartbeat=long_ago)
        person_pass = kind(conversation.pk, signed_in(conversation.owner))
        return Question(call.pk, conversation.owner_id, model.pk, person_pass)

    return question


@pytest.mark.parametrize("broken", ["beat", "told", "pass"])
async def test_one_call_that_fails_lets_no_other_go_unseen(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Question], broken: str
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.01)
    kind = Unreadable if broken == "pass" else PagePass
    questions = await asyncio.to_thread(lambda: [ask(kind), ask()])
    ours, members = Lookout(), [Member(questions[0], broken), Member(questions[1])]
    for member in members:
        ours.join(member.question.call_id, member)
    try:
        for _time in range(2):
            answer = await asyncio.wait_for(members[1].answers.get(), 10)
            assert (answer.allowed, answer.asked) == (True, "")
    finally:
        for member in members:
            ours.leave(member.question.call_id)
    heartbeats = CallRecord.objects.values_list("heartbeat", flat=True)
    assert [(timezone.now() - each).seconds < 60 async for each in heartbeats] == [True, True]


async def test_only_who_is_asked_about_is_looked_at_before_the_time(
    ask: Callable[..., Question], conversation: Conversation
) -> None:
    questions = await asyncio.to_thread(lambda: [ask(), ask()])
    ours, members = Lookout(), [Member(each) for each in questions]
    for member in members:
        ours.join(member.question.call_id, member)
    await asyncio.to_thread(User.objects.update, is_active=False)
    ours.ask(uuid.uuid4())  # one that has left
    ours.ask(questions[0].call_id)
    answer = await asyncio.wait_for(members[0].answers.get(), 5)
    assert (answer.allowed, members[1].answers.empty()) == (False, True)
    assert [each.beats for each in members] == [0, 0]
    for member in members:
        ours.leave(member.question.call_id)
    assert ours._task is not None
    await asyncio.wait_for(ours._task, 5)


async def test_a_write_that_waits_holds_up_no_look(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Question]
) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("its writers hold no reader up, and the block of tests does")
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.01)
    ours, member = Lookout(), Member(await asyncio.to_thread(ask))
    with database_blocked():
        ours.join(member.question.call_id, member)
        for _time in range(3):
            assert (await asyncio.wait_for(member.answers.get(), 10)).allowed
        assert ours._showing is not None
        assert not ours._showing.done()
    await asyncio.wait_for(ours._showing, 10)
    ours.leave(member.question.call_id)
    call = await CallRecord.objects.aget()
    assert (timezone.now() - call.heartbeat).seconds < 60
