"""Marks strings a person will read, so that `makemessages` finds them without Django here."""

from __future__ import annotations

from collections.abc import Callable

Translate = Callable[[str], str]
"""Turns a marked English string into the reader's language; the site passes `gettext`."""


def gettext_noop(message: str) -> str:
    """Return `message` as it is; only marks it for translation."""
    return message


def untranslated(message: str) -> str:
    """The default `Translate`: English stays English."""
    return message
