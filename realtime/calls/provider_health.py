"""What a call shows about its provider: that it works, cannot be reached, or refuses its key."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from chats import audit
from realtime import metrics
from realtime.bridge import Tap, UpstreamFailed
from realtime.calls.opening import Opening
from realtime.db import in_database
from realtime.logs import why
from realtime.models import Provider
from realtime.providers.circuits import circuit_of
from realtime.unawaited import begin

outage = logging.getLogger("nextvoice.outage")


class ProviderHealth(Tap):
    """Shares what one call sees with all calls of the provider. `connected()` is called the first
    time a session opens."""

    def __init__(self, opening: Opening, connected: Callable[[], None]) -> None:
        self._provider = opening.pays.provider_id
        self._url = opening.target.url
        self._key_was_refused = opening.key_was_refused
        self._connected: Callable[[], None] | None = connected

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "session.created":
            return
        if self._provider is not None:
            circuit_of(self._provider, self._url).worked()
            if self._key_was_refused:
                begin(_noted(self._provider, refused=False))
        if self._connected is not None:
            self._connected()
            self._connected = None

    def failed(self, failed: UpstreamFailed) -> None:
        """A session of it could not be opened."""
        metrics.upstream_failed.labels(failed.reason).inc()
        if self._provider is not None:
            circuit_of(self._provider, self._url).failed(failed)
            if failed.reason == "provider_refused_key":
                begin(_noted(self._provider, refused=True))


async def _noted(provider: uuid.UUID, *, refused: bool) -> None:
    try:
        await in_database(note_key, provider, refused=refused)
    except Exception as problem:
        outage.warning("a refused key cannot be noted: %s", why(problem))


def note_key(provider_id: uuid.UUID, *, refused: bool) -> None:
    """Flag the provider whose key was refused, from the first time on, or remove the flag."""
    provider = Provider.objects.select_related("account").filter(pk=provider_id).first()
    if provider is None or (provider.key_refused_at is not None) == refused:
        return
    provider.key_refused_at = timezone.now() if refused else None
    provider.save(update_fields=["key_refused_at"])
    if refused:
        audit.record("provider.key_refused", account=provider.account, target=provider)
