"""Keeps keys out of everything that is shown, kept or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable

KEY_LIKE = re.compile(
    r"\b(?:sk|ek|rk|nv|xai|gsk|AIza)[-_][A-Za-z0-9_\-]{8,}|\bAIza[A-Za-z0-9_\-]{20,}"
)
HIDDEN = "[key]"
MAX_MESSAGE = 500


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def shown_message(text: str, secrets: Iterable[str]) -> str:
    """A provider's words, fit for a person and a log: no secrets, nothing like a key, one line."""
    text = KEY_LIKE.sub(HIDDEN, hide(text, secrets))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_MESSAGE]
