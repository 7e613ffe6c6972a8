"""Who opened a socket is whoever Django would say has signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from chats.models import User
from realtime.signed_in import SignedIn, person_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(ann: User) -> str:
    client = Client()
    client.force_login(ann)
    found: str = client.session.session_key
    return found


async def opened_by(*cookies: str) -> tuple[Any, str | None]:
    """`user` and `session_key` of a socket with these headers."""
    scopes: list[dict[str, Any]] = []

    async def inner(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    headers = [(b"cookie", each.encode("latin-1")) for each in cookies]
    await SignedIn(inner)({"type": "websocket", "headers": headers}, None, None)
    return scopes[0]["user"], scopes[0]["session_key"]


async def test_a_cookie_names_its_person(ann: User, key: str) -> None:
    assert await opened_by(f"theme=dark; sessionid={key}") == (ann, key)
    assert await opened_by("theme=dark", f"sessionid={key}") == (ann, key)


@pytest.mark.parametrize(
    "cookie", ["", "sessionid=", "sessionid=" + "x" * 32, "sessionid=a\0b", "sessionid=ß' OR 1=1"]
)
async def test_no_other_cookie_names_anybody(ann: User, key: str, cookie: str) -> None:
    user, session_key = await opened_by(cookie)
    assert (user.is_authenticated, session_key) == (False, None)


def test_a_session_that_does_not_hold_is_nobody_s(ann: User, key: str, settings: Any) -> None:
    assert person_of(key) == ann
    User.objects.update(is_active=False)
    assert person_of(key) is None
    User.objects.update(is_active=True)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert person_of(key) is None
    Session.objects.update(expire_date=timezone.now() + timedelta(hours=1))
    backends, settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS, []
    assert person_of(key) is None
    settings.AUTHENTICATION_BACKENDS = backends
    assert person_of(key) == ann
    ann.set_password("another")
    ann.save()
    assert person_of(key) is None


def test_a_session_without_anybody_is_nobody_s(client: Client, ann: User, key: str) -> None:
    session = client.session
    session["seen"] = True
    session.save()
    assert person_of(session.session_key) is None
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session.save()
    assert person_of(session.session_key) is None
