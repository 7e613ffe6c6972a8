"""Opening a program's call: which model, on what terms, and in which conversation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import BigIntegerField, DateTimeField
from django.utils import timezone

from chats.models import Conversation, User
from realtime.api.keys import Key
from realtime.api.models import model_of
from realtime.bridge.events import Problem
from realtime.bridge.sdk import Terms, checked_session, formats_of, merged
from realtime.bridge.start import Start
from realtime.calls.going_on import owners_of
from realtime.calls.opening import Opening, open_call
from realtime.models import ApiToken, CallRecord
from realtime.prepared import Given, Prepared

_tokens = Prepared(
    lambda: ApiToken.objects.valid(Given("now", DateTimeField())).filter(
        pk__in=Given("pks", BigIntegerField(), many=True)
    )
)


def open_session(key: Key, model_name: str | None) -> tuple[Opening, Terms]:
    """Choose the model, create the conversation and write the call's row.

    Raises `ApiError` for a model that does not exist, and `Refused`.
    """
    name, model = model_of(key, key.model or model_name)
    user = key.token.user
    terms = Terms(
        model=name,
        transcription=tuple(model.transcription_models),
        instructions=model.instructions,
    )
    conversation = None
    if key.token.record:
        conversation = Conversation.objects.create(
            owner=user, account=user.own_account, via=key.token.name
        )
    try:
        opening = open_call(user, conversation, Start(model=str(model.pk)))
    except BaseException:
        if conversation is not None:
            conversation.delete()
        raise
    CallRecord.objects.filter(pk=opening.call_id).update(token=key.token)
    session = opening.session
    if key.session:
        try:
            wanted = checked_session(key.session)
            session = merged(session, wanted, terms)
            terms = replace(terms, formats=formats_of(wanted))
        except Problem:
            # It was checked when the secret was made; rules may have changed since.
            session = opening.session
    return replace(opening, session=session), terms


@dataclass(frozen=True, slots=True)
class TokenPass:
    """Valid while a program's token is, and its person is active and keeps the conversation, if
    any."""

    token_pk: int
    conversation_pk: str | None

    @classmethod
    def valid(cls, passes: Collection[TokenPass]) -> set[TokenPass]:
        """As of `Pass`."""
        pks = {each.token_pk for each in passes}
        tokens = {each.pk: each for each in _tokens.all(pks=pks, now=timezone.now())}
        owners = owners_of({UUID(each.conversation_pk) for each in passes if each.conversation_pk})
        return {each for each in passes if each._holds(tokens, owners)}

    def _holds(self, tokens: Mapping[int, ApiToken], owners: Mapping[UUID, User]) -> bool:
        token = tokens.get(self.token_pk)
        if token is None or self.conversation_pk is None:
            return token is not None
        owner = owners.get(UUID(self.conversation_pk))
        return owner is not None and owner.pk == token.user_id


def tidy_up(conversation_pk: str | None) -> None:
    """Delete a conversation in which nothing was said."""
    if conversation_pk is not None:
        Conversation.objects.filter(pk=conversation_pk, messages__isnull=True).delete()
