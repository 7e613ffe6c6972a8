"""Whose key a request brings, and what happens to those who bring wrong ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.cache import cache

from realtime.api.shapes import BAD_KEY, NO_KEY, TOO_MANY_BAD
from realtime.models import ApiToken, ClientSecret
from realtime.models.tokens import SECRET_START, TOKEN_START

log = logging.getLogger(__name__)

SUBPROTOCOL = "openai-insecure-api-key."
"""A browser cannot set headers; it names its key as a subprotocol."""
MAX_KEY = 256
BAD_PER_MINUTE = 30
"""Wrong keys of one address within a minute; right keys are let in all the same."""
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Key:
    """A valid key. `session`: the checked session that a call made with it starts from."""

    token: ApiToken
    session: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model: str | None = None
    """The model a client secret was made for."""
    secret: bool = False
    """Whether it is a client secret, which can make calls and nothing else."""


def presented(headers: Mapping[str, str], subprotocols: Iterable[str] = ()) -> str:
    """The key that a request brings; empty if it brings none. Header names are lower case."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    if headers.get("api-key", "").strip():
        return headers["api-key"].strip()
    named = (name for name in subprotocols if name.startswith(SUBPROTOCOL))
    return next(named, SUBPROTOCOL).removeprefix(SUBPROTOCOL)


def check_key(raw: str, address: str) -> Key:
    """The key with this text. Queries the database. Raises `ApiError`."""
    if not raw:
        raise NO_KEY
    key = _find(raw)
    if key is not None:
        key.token.used()
        return key
    if _bad_ones(address) > BAD_PER_MINUTE:
        raise TOO_MANY_BAD
    log.info("a wrong API key from %s", address)
    raise BAD_KEY


def _find(raw: str) -> Key | None:
    if len(raw) > MAX_KEY:
        return None
    if raw.startswith(TOKEN_START):
        token = ApiToken.objects.find(raw)
        return Key(token) if token else None
    if raw.startswith(SECRET_START) and (secret := ClientSecret.find(raw)) is not None:
        session = dict(secret.session)
        return Key(secret.token, session, session.pop("model", None), secret=True)
    return None


def _bad_ones(address: str) -> int:
    """Count one more wrong key of an address; returns how many it has brought in this minute."""
    place = f"bad-api-keys:{address}"
    try:
        cache.add(place, 0, MINUTE)
        return int(cache.incr(place))
    except Exception as problem:
        # The cache is away, or has just dropped the count; the answer is "no" anyway.
        log.warning("wrong API keys are not counted: %s", type(problem).__name__)
        return 0


def address_of(client: str, forwarded: str) -> str:
    """The client's address: the nearest one that our own proxies vouch for."""
    proxies = int(settings.ALLAUTH_TRUSTED_PROXY_COUNT)
    hops = [each.strip() for each in forwarded.split(",") if each.strip()]
    if proxies and len(hops) >= proxies:
        return hops[-proxies]
    return client
