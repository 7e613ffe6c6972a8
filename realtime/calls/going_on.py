"""Whether calls may go on: checked for all calls of a process at once, in a fixed number of
queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import CharField, DateTimeField, Max, Q, UUIDField
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chats.models import Conversation, User
from realtime.calls.opening import tariff_of
from realtime.models import CallRecord
from realtime.money.allowance import Tariff
from realtime.prepared import Given, Prepared
from realtime.providers.availability import models_by_id, who_may_use

STATE = CallRecord.State

_kept = Prepared(
    lambda: (
        Conversation.objects.visible()
        .filter(pk__in=Given("pks", UUIDField(), many=True))
        .select_related("owner")
        .order_by()
    )
)
_sessions = Prepared(
    lambda: Session.objects.filter(
        pk__in=Given("keys", CharField(), many=True), expire_date__gt=Given("now", DateTimeField())
    )
)
_calls = Prepared(
    lambda: (
        CallRecord.objects.filter(pk__in=Given("pks", UUIDField(), many=True))
        .values_list("pk", "conversation", "started", "end_asked", "conversation__deleted")
        .order_by()
    )
)
_newest = Prepared(
    lambda: (
        CallRecord.objects.filter(conversation__in=Given("pks", UUIDField(), many=True))
        .exclude(state=STATE.ENDED)
        .values_list("conversation")
        .annotate(Max("started"))
        .order_by()
    )
)


class Pass(Protocol):
    """What permits a call to go on. Passes of one class are checked together."""

    def __hash__(self) -> int: ...

    @classmethod
    def valid(cls, passes: Collection[Self]) -> set[Self]:
        """Those that are still valid. Queries the database."""


@dataclass(frozen=True, slots=True)
class PagePass:
    """A page's pass: the conversation's owner is active, may see it and is signed in, with a
    session that was not ended by a new password."""

    conversation_pk: uuid.UUID
    session_key: str

    @classmethod
    def valid(cls, passes: Collection[PagePass]) -> set[PagePass]:
        """As of `Pass`."""
        owners = owners_of({each.conversation_pk for each in passes})
        sessions = session_data({each.session_key for each in passes})
        return {each for each in passes if each._holds(owners, sessions)}

    def _holds(self, owners: Mapping[uuid.UUID, User], sessions: Mapping[str, Any]) -> bool:
        owner = owners.get(self.conversation_pk)
        return owner is not None and is_of(owner, sessions.get(self.session_key, {}))


def owners_of(conversations: Collection[uuid.UUID]) -> dict[uuid.UUID, User]:
    """The owners of these conversations, as far as they may see them."""
    return {each.pk: each.owner for each in _kept.all(pks=conversations)}


def session_data(keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """The data of these sessions, of those that are valid, by their keys."""
    found = _sessions.all(keys=keys, now=timezone.now())
    return {each.session_key: each.get_decoded() for each in found}


def is_of(user: User, session: Mapping[str, Any]) -> bool:
    """Whether the session is this person's, and was not ended by a new password."""
    if session.get(SESSION_KEY) != str(user.pk):
        return False
    given = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(given, each) for each in hashes)


def may_go_on(person_pass: Pass) -> bool:
    """Whether a single pass is still valid."""
    return bool(type(person_pass).valid([person_pass]))


@dataclass(frozen=True, slots=True)
class Question:
    """A call whose right to go on is to be checked."""

    call_id: uuid.UUID
    user_pk: int
    model_pk: int
    person_pass: Pass


@dataclass(frozen=True, slots=True)
class Answer:
    """`allowed`: the pass is valid. `tariff`: what the model costs now; None when the person may
    not use it any more. `asked`: why the call is to end, "" if nobody wants it to."""

    allowed: bool
    tariff: Tariff | None
    asked: str


def look(questions: Collection[Question]) -> dict[uuid.UUID, Answer]:
    """How these calls may go on, by their ids."""
    # Before the people: somebody who is signed out should be told that, not about the model.
    tariffs = _tariffs(questions, timezone.now())
    by_class: dict[type[Pass], set[Pass]] = defaultdict(set)
    for each in questions:
        by_class[type(each.person_pass)].add(each.person_pass)
    valid = {one for kind, passes in by_class.items() for one in kind.valid(passes)}
    asked = asked_to_end([each.call_id for each in questions])
    return {
        each.call_id: Answer(
            each.person_pass in valid,
            tariffs.get((each.user_pk, each.model_pk)),
            asked.get(each.call_id, ""),
        )
        for each in questions
    }


def _tariffs(questions: Iterable[Question], now: datetime) -> dict[tuple[int, int], Tariff]:
    """What models cost, for the people who may use them. One query per model."""
    people: dict[int, set[int]] = defaultdict(set)
    for each in questions:
        people[each.model_pk].add(each.user_pk)
    tariffs: dict[tuple[int, int], Tariff] = {}
    for pk, model in models_by_id(people).items():
        tariff = tariff_of(model, now)
        tariffs |= {(user_pk, pk): tariff for user_pk in who_may_use(pk, people[pk])}
    return tariffs


def asked_to_end(call_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Why calls should end according to the database: somebody asked for it, the conversation was
    deleted, or a later call of it is open. A call that may go on has no entry, or an empty one."""
    calls = _calls.all(pks=call_ids)
    newest = dict(_newest.all(pks={place for _, place, *_ in calls if place is not None}))
    return {
        pk: asked
        or ("not_found" if deleted else "")
        or ("taken_over" if place in newest and newest[place] > started else "")
        for pk, place, started, asked, deleted in calls
    }


def show_alive(call_ids: Collection[uuid.UUID]) -> None:
    """Write heartbeats. A call that has ended stays ended, unless it was only taken for dead."""
    over = Q(state=STATE.ENDED) & ~Q(end_reason="process_died")
    calls = CallRecord.objects.filter(pk__in=call_ids).exclude(over)
    calls.update(state=STATE.LIVE, heartbeat=timezone.now())
