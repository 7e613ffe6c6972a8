"""Opening a program's call: which model, on what terms, and where its words go."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chats.models import Conversation
from realtime.api.keys import Key
from realtime.api.models import model_of
from realtime.bridge.events import Problem
from realtime.bridge.sdk import Terms, checked_session, formats_of, merged
from realtime.bridge.start import Start
from realtime.models import ApiToken, CallRecord
from realtime.opening import Opening, find_conversation, open_call


def open_session(key: Key, model_name: str | None) -> tuple[Opening, Terms]:
    """Choose the model, make the conversation and write the call's row.

    Raises `ApiError` for a model that is not there, and `Refused`.
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


def token_may_go_on(token_pk: int, conversation_pk: str | None) -> bool:
    """Whether a program's call may: its token works, its person is active and keeps the
    conversation."""
    token = ApiToken.objects.valid().select_related("user").filter(pk=token_pk).first()
    if token is None:
        return False
    if conversation_pk is None:
        return True
    return find_conversation(token.user, UUID(conversation_pk)) is not None


def tidy_up(conversation_pk: str | None) -> None:
    """Leave no conversation in which nothing was said."""
    if conversation_pk is not None:
        Conversation.objects.filter(pk=conversation_pk, messages__isnull=True).delete()
