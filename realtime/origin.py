"""Who may open a socket: only pages of the site itself, by exact origin."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

Scope = dict[str, Any]


class SameOrigin:
    """Refuses a WebSocket whose Origin is not the site's own, before anything else sees it.

    Channels' own validators compare hosts only, so another port or plain http on the same host
    would pass.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if not allowed(scope):
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        await self._inner(scope, receive, send)


def allowed(scope: Scope) -> bool:
    """Whether the handshake's Origin is the page's own address or one that the settings trust."""
    origins = _header(scope, b"origin")
    hosts = _header(scope, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    origin, host = origins[0], hosts[0]
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if not validate_host(f"[{name}]" if ":" in name else name, settings.ALLOWED_HOSTS):
        return False
    scheme = "https" if _secure(scope) else "http"
    return origin == f"{scheme}://{host}"


def _secure(scope: Scope) -> bool:
    if scope.get("scheme") == "wss":
        return True
    proxied = settings.SECURE_PROXY_SSL_HEADER is not None
    return proxied and _header(scope, b"x-forwarded-proto") == ["https"]


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope.get("headers", []) if key == name]
