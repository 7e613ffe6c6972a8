"""The connection of a dialect: the provider's URL and our headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .target import Target


class Endpoint:
    """The part of a dialect that is about the connection: OpenAI's way, unless overridden."""

    path: ClassVar[tuple[str, str]] = ("/v1", "/realtime")
    """The endpoint's usual path, as base and rest. An address without a path gets both, one that
    ends in the base gets the rest."""

    def __init__(self) -> None:
        self._model = ""
        self._authorizations: Mapping[str, str] = {}

    def succeed(self, handle: str | None, told: bool) -> None:
        """Ignored: none of these providers can go on from an earlier session."""

    def handle(self) -> str | None:
        """None, since no session can go on from this one."""
        return None

    def url(self, target: Target) -> str:
        """The WebSocket URL with its query."""
        self._model, self._authorizations = target.model, target.authorizations
        parts = urlsplit(target.url)
        scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
        query = {**dict(parse_qsl(parts.query)), **self.query(target), **target.query}
        path = self._whole_path(parts.path.rstrip("/"))
        return urlunsplit((scheme, parts.netloc, path, urlencode(query), parts.fragment))

    def query(self, target: Target) -> Mapping[str, str]:
        """The query that names the model."""
        return {"model": target.model}

    def headers(self, target: Target) -> Mapping[str, str]:
        """The handshake's headers, the key among them."""
        return self.identity(target) | dict(target.headers)

    def identity(self, target: Target) -> dict[str, str]:
        """The headers that identify us to the provider."""
        return {"Authorization": f"Bearer {target.key}"} if target.key else {}

    def _whole_path(self, path: str) -> str:
        base, rest = self.path
        if not path:
            return base + rest
        return path + rest if path.endswith(base) else path
