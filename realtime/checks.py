"""System checks for calls: `manage.py check`; `--database default` checks rows too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError

from realtime import rotation
from realtime.providers import endpoints


@register(Tags.security)
def allowed_endpoints(**options: Any) -> list[CheckMessage]:
    """Each entry of NEXTVOICE_ALLOWED_ENDPOINTS must be a host and a port."""
    return [
        Error(
            f"NEXTVOICE_ALLOWED_ENDPOINTS: {each!r} is no host:port.",
            hint="Write it as voice.example.org:8443, 10.0.0.5:8000 or [fd12::1]:8000.",
            id="realtime.E001",
        )
        for each in endpoints.unread_words()
    ]


@register(Tags.database)
def sealed_rows(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Each sealed column must open with a key of KEY_RING."""
    if "default" not in (databases or ()):
        return []
    try:
        broken = list(rotation.broken())
    except DatabaseError:
        return []  # no tables yet, or no database: other checks say so
    return [
        Error(
            f"{what} cannot be opened with any key of KEY_RING.",
            hint="Put back the key that sealed it, or enter the secret again.",
            id="realtime.E002",
        )
        for what in broken
    ]
