"""Test connection, for the admin, for own keys and for the command line."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError
from django.utils.translation import gettext

from chats.models import User
from realtime.bridge.dialects import Target
from realtime.bridge.faults import FAULTS
from realtime.bridge.probe import STEPS, Step, probe
from realtime.calls.opening import base_session
from realtime.db import in_database
from realtime.models import Provider, Usage, VoiceModel
from realtime.money.ledger import Entry, Payer, record
from realtime.providers.targets import Refused, target_for

log = logging.getLogger(__name__)

PER_MINUTE = 10
"""Tests per person, over all providers: each one costs a little, and knocks at somebody's door."""


class TooOften(Exception):
    """The person has tested `PER_MINUTE` times within the last minute."""


@dataclass(frozen=True, slots=True)
class Test:
    """A model's connection as it is set up now, ready to be tested; or why it cannot be."""

    __test__ = False  # for pytest

    model: VoiceModel | None
    target: Target | None = field(repr=False)
    session: dict[str, Any] = field(default_factory=dict, repr=False)
    problem: Step | None = None

    async def steps(self, *, candid: bool, user: User | None) -> AsyncIterator[Step]:
        """Each step as it ends; `candid` as in `probe`. What the answer used is written into the
        ledger for `user`."""
        if self.target is None:
            assert self.problem is not None
            yield self.problem
            return
        async for step in probe(self.target, self.session, candid=candid):
            if step.done is not None:
                await self._charge(step, user)
            yield step

    async def _charge(self, step: Step, user: User | None) -> None:
        assert self.model is not None and step.done is not None
        entry = await in_database(_entry, self.model, step, user)
        try:
            await in_database(record, entry)
        except DatabaseError as problem:
            log.error("what a connection test used is not in the ledger: %s", problem)


def prepare(model: VoiceModel | None) -> Test:
    """Read what a call with this model would use. Blocks."""
    if model is None:
        return Test(None, None, problem=_not_set_up(gettext("No model is named yet.")))
    try:
        return Test(model, target_for(model), base_session(model))
    except Refused as refused:
        return Test(model, None, problem=_not_set_up(str(refused)))


def model_of(provider: Provider, **wanted: Any) -> VoiceModel | None:
    """The provider's first model among those with these values."""
    models = provider.models.select_related("provider__account")
    return models.filter(**wanted).order_by("-default", "-enabled", "name").first()


def count_for(user: User) -> None:
    """Count a test of this person. Raises TooOften."""
    name = f"connection-test:{user.pk}"
    cache.add(name, 0, 60)
    try:
        count = cache.incr(name)
    except ValueError:  # it expired in between
        return
    if count > PER_MINUTE:
        raise TooOften


def told(step: Step) -> dict[str, Any]:
    """A step in the reader's language, for a page, JSON or the terminal."""
    return {
        "name": step.name,
        "label": gettext(STEPS[step.name]),
        "ok": step.ok,
        "ms": step.ms,
        "detail": step.detail,
        "said": step.said,
        "message": gettext(step.message) if step.message else "",
        "remedy": gettext(step.remedy) if step.remedy else "",
    }


def verdict(ok: bool) -> str:
    """The result in a sentence."""
    return gettext("Everything works.") if ok else gettext("The connection does not work yet.")


def _entry(model: VoiceModel, step: Step, user: User | None) -> Entry:
    provider, done = model.provider, step.done or {}
    account = provider.account or (user.own_account if user is not None else None)
    response = done["response"]
    return Entry(
        payer=Payer(
            account_id=account.pk if account is not None else 0,
            account_name=account.name if account is not None else "",
            user_id=user.pk if user is not None else 0,
            user_name=user.get_username() if user is not None else "",
            provider_id=provider.pk,
            provider_name=provider.name,
            dialect=provider.dialect,
            own=provider.of_account,
        ),
        model=model.name,
        # Some services leave the session or the answer without an id.
        upstream_session=step.session_id or f"test {uuid.uuid4()}",
        key=str(response.get("id") or "answer"),
        kind=Usage.Kind.PROBE,
        status=str(response.get("status") or ""),
        raw=done.get("raw_usage") or response.get("usage"),
    )


def _not_set_up(detail: str) -> Step:
    fault = FAULTS["not_set_up"]
    return Step("setup", False, None, detail, "not_set_up", fault.message, fault.remedy)
