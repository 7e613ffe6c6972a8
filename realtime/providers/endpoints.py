"""Hosts and ports of our own network that the site's admins and operators vouch for."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import CharField, IntegerField

from realtime.bridge.dialects import Target, dialect_for
from realtime.bridge.guard import Forbidden, check_url, plain_host
from realtime.bridge.guard import is_allowed as is_public
from realtime.models import AllowedEndpoint
from realtime.outbound import origin_of
from realtime.prepared import Given, Prepared

_allowed = Prepared(
    lambda: AllowedEndpoint.objects.filter(
        host=Given("host", CharField()), port=Given("port", IntegerField())
    )
)


def is_allowed(target: Target) -> bool:
    """Whether exactly this host and port were allowed, by a row or by
    NEXTVOICE_ALLOWED_ENDPOINTS."""
    try:
        host, port, _tls = check_url(dialect_for(target).url(target), allow_private=True)
    except (Forbidden, KeyError):
        return False
    return vouched(plain_host(host), port)


def vouched(host: str, port: int) -> bool:
    """Whether this host (as `plain_host` spells it) and port were allowed."""
    if (host, port) in of_operator():
        return True
    return _allowed.first(host=host, port=port) is not None


def vouched_url(url: str) -> bool:
    """Whether exactly the host and port of this http: or https: address were allowed."""
    try:
        _scheme, host, port = origin_of(url)
    except Forbidden:
        return False
    return vouched(plain_host(host), port)


def check_outside(url: str, schemes: tuple[str, str] = ("ws", "wss")) -> None:
    """Raise Forbidden for an address that is visibly not public: another port, no TLS, this
    machine's name, an internal IP address. What a name resolves to is checked when it is used.
    `schemes`: without TLS and with it."""
    host, _port, _tls = check_url(url, False, schemes)
    host = plain_host(host)
    numeric = host.replace(".", "").isdigit() or ":" in host
    if f".{host}".endswith(".localhost") or (numeric and not is_public(host, False)):
        raise Forbidden("an address of an own network", "url_not_public")


def of_operator() -> set[tuple[str, int]]:
    """Host and port pairs of NEXTVOICE_ALLOWED_ENDPOINTS; malformed entries are left out."""
    pairs = [_pair(each) for each in settings.ALLOWED_ENDPOINTS]
    return {pair for pair in pairs if pair is not None}


def unread_words() -> list[str]:
    """Malformed entries of NEXTVOICE_ALLOWED_ENDPOINTS."""
    return [each for each in settings.ALLOWED_ENDPOINTS if _pair(each) is None]


def _pair(text: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return (plain_host(host), port) if host and port and bare else None
