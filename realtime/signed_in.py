"""Who opened a socket, by the session cookie that came with it.

Channels has middleware for this, but it queries in Django's one thread-sensitive thread, where any
page may be busy, and compiles its SQL each time. Every call begins with this query.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.db.models import BigIntegerField
from django.http import parse_cookie

from chats.models import User
from realtime.calls.going_on import is_of, session_data
from realtime.db import in_database
from realtime.prepared import Given, Prepared

_people = Prepared(lambda: User.objects.filter(pk=Given("pk", BigIntegerField()), is_active=True))

Scope = dict[str, Any]


class SignedIn:
    """Adds `user`, perhaps an AnonymousUser, and `session_key` to the scope of a socket."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        key = _session_key(scope)
        user = await in_database(person_of, key) if key else None
        known = {"user": user or AnonymousUser(), "session_key": key if user else None}
        await self._inner(scope | known, receive, send)


def person_of(session_key: str) -> User | None:
    """Whose session it is, while it is valid. Queries the database."""
    session = session_data([session_key]).get(session_key, {})
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = _people.first(pk=session.get(SESSION_KEY))
    return user if user is not None and is_of(user, session) else None


def _session_key(scope: Scope) -> str:
    """The session key of the cookie; empty when there is none that could be valid."""
    cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    key = parse_cookie("; ".join(cookies)).get(settings.SESSION_COOKIE_NAME, "")
    return key if key.isascii() and key.isalnum() else ""
