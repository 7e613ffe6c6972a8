"""Which provider, model and key an upstream session uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HEADER_NAME = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
)


IN_THE_HANDSHAKE = (
    "key",
    "organization",
    "project",
    "workspace",
    "deployment",
    "api_version",
    "url",
    "model",
)

SECRET_LENGTH = 6
"""Shorter values are no secrets worth hiding, and would blank out ordinary words."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `total` bounds everything from the name look-up to the session."""

    dns: float = 5.0
    tcp: float = 5.0
    total: float = 10.0
    close: float = 1.0
    ping_every: float = 2.0
    """When nothing has come for so long, the provider is pinged."""
    ping_wait: float = 10.0
    """How long it may take to answer; longer for good reasons, see `pulse`. A server that runs its
    own models may answer nobody while it transcribes."""


@dataclass(frozen=True, slots=True)
class Target:
    """One way to reach one model.

    `url`: the endpoint, `wss://host/v1/realtime`; `https:` and a base ending in `/v1` are
    understood too. `key`, `headers` and `query` are kept out of `repr`, since any may be secret.
    `authorizations`: secrets for MCP servers that the provider calls, by their `server_label`; no
    session's configuration holds them, so that none is shown. `organization` to `api_version` are
    used if a dialect's traits ask for them. `allow_private` admits loopback and private addresses,
    `ws:` and any port.

    Raises `ValueError`, without the value, on characters that do not belong in an HTTP header.
    """

    name: str
    url: str
    model: str
    key: str = field(default="", repr=False)
    dialect: str = "openai_ga"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    organization: str = ""
    project: str = ""
    workspace: str = ""
    deployment: str = ""
    api_version: str = ""
    authorizations: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_private: bool = False
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        for what in IN_THE_HANDSHAKE:
            if not _fits_header(getattr(self, what)):
                raise ValueError(f"the {what} has characters that do not belong in it")
        for name, value in self.headers.items():
            if not name or not HEADER_NAME.issuperset(name) or not _fits_header(value):
                raise ValueError("a header has characters that do not belong in it")

    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown: the key, and headers and query values named as such."""
        extra = [*self.headers.items(), *self.query.items()]
        named = [value.removeprefix("Bearer ") for name, value in extra if _is_secret(name)]
        all_of_them = (self.key, *named, *self.authorizations.values())
        return tuple(value for value in all_of_them if len(value) >= SECRET_LENGTH)


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("key", "auth", "token", "secret"))


def _fits_header(value: str) -> bool:
    return value.isascii() and (not value or value.isprintable()) and value == value.strip()
