"""Has calls and watchers check at once whether they may go on, when something they depend on has
changed: their person, a session, a membership, the conversation, the token, the provider.

It is a hint across the channel layer. Those who miss it check every few seconds all the same
(`lookout.BEAT_SECONDS`), so nothing relies on it, nor on every change being seen here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from chats.models import Conversation, Membership, User
from realtime.calls.audience import ask_to_look, person_of, provider_of
from realtime.models import ApiToken, Provider, VoiceModel


def changed(group: str) -> None:
    """Have the calls of this group check, once the change is committed."""
    transaction.on_commit(partial(ask_to_look, group), robust=True)


def _person_of_session(session: Session) -> str | None:
    # Expired sessions are cleared by thousands; calls noticed long ago.
    if session.expire_date < timezone.now():
        return None
    person: str | None = session.get_decoded().get(SESSION_KEY)
    return person


GROUPS: dict[type[Model], Callable[[Any], str | None]] = {
    User: lambda user: person_of(user.pk),
    Membership: lambda membership: person_of(membership.user_id),
    Conversation: lambda thread: person_of(thread.owner_id) if thread.deleted else None,
    ApiToken: lambda token: person_of(token.user_id) if token.revoked else None,
    Provider: lambda provider: provider_of(provider.pk),
    VoiceModel: lambda model: provider_of(model.provider_id),
}
"""The groups of calls that a saved row concerns."""
GONE: dict[type[Model], Callable[[Any], str | None]] = {
    **GROUPS,
    Conversation: lambda thread: person_of(thread.owner_id),
    ApiToken: lambda token: person_of(token.user_id),
    Session: lambda session: person_of(person) if (person := _person_of_session(session)) else None,
}
"""The same for a row that was deleted."""


def _saved(sender: type[Model], instance: Model, created: bool, raw: bool, **rest: object) -> None:
    # No call depends on something that was just created.
    if not created and not raw and (group := GROUPS[sender](instance)) is not None:
        changed(group)


def _deleted(sender: type[Model], instance: Model, **rest: object) -> None:
    if (group := GONE[sender](instance)) is not None:
        changed(group)


def _shared(instance: Model, action: str, **rest: object) -> None:
    """A provider was restricted to other accounts."""
    if action.startswith("post_") and isinstance(instance, Provider):
        changed(provider_of(instance.pk))


for _model in GROUPS:
    post_save.connect(_saved, sender=_model)
for _model in GONE:
    post_delete.connect(_deleted, sender=_model)
m2m_changed.connect(_shared, sender=Provider.accounts.through)
