"""Keeps keys out of everything that is shown, stored or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable

KEY_LIKE = re.compile(
    r"\b(?:sk|ek|rk|nv|xai|gsk|AIza)[-_][A-Za-z0-9_\-]{8,}|\bAIza[A-Za-z0-9_\-]{20,}"
)
# Places that hold secrets: headers, as text or as Python shows them, URL parameters, and the user
# names and passwords in URLs. The name of the place is kept.
PLACES = re.compile(
    r"""
    ( \bBearer\s+
    | \b(?:authorization|proxy-authorization|api-key|x-goog-api-key|cookie|set-cookie)
      (?:\\?["'])?\s*[:=,]\s*(?:b(?=["']))?(?:\\?["'])?(?:(?:Basic|Bearer|Token)\s+)?
    | [?&](?:key|api[-_]?key|token|access[-_]token|secret|password|sig(?:nature)?|x-amz-signature
      |x-amz-credential|x-amz-security-token)=
    )
    [^\s"'&,;\\<>()]+
    | (?<=://)[^\s/@:"']*:[^\s/@"']+(?=@)
    """,
    re.IGNORECASE | re.VERBOSE,
)
HIDDEN = "[key]"
MAX_MESSAGE = 500


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def hide_in_frame(frame: str | bytes, secrets: Iterable[str]) -> str | bytes:
    """A message without these secrets. Some providers send their JSON as binary messages."""
    if isinstance(frame, str):
        return hide(frame, secrets)
    for secret in secrets:
        frame = frame.replace(secret.encode(), HIDDEN.encode())
    return frame


def without_secrets(text: str) -> str:
    """The text without anything that looks like a key, or stands in a place that holds secrets."""
    text = PLACES.sub(lambda found: f"{found[1] or ''}{HIDDEN}", text)
    return KEY_LIKE.sub(HIDDEN, text)


def shown_message(text: str, secrets: Iterable[str]) -> str:
    """A provider's words, fit for a person and a log: no secrets, nothing like a key, one line."""
    text = KEY_LIKE.sub(HIDDEN, hide(text, secrets))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_MESSAGE]
