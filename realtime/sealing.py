"""Secrets at rest: sealed with the key ring and bound to the row they belong to."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """The text was sealed with a key that is gone, or for another row."""


def seal(secret: str, owner: str) -> str:
    """Return `secret` encrypted for `owner` (such as a row's id); '' stays ''."""
    if not secret:
        return ""
    return _ring().encrypt(json.dumps([owner, secret]).encode()).decode()


def unseal(sealed: str, owner: str) -> str:
    """Return the secret in `sealed`. Raises SealBroken, whose text holds nothing secret."""
    if not sealed:
        return ""
    try:
        bound_to, secret = json.loads(_ring().decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        raise SealBroken("no key in KEY_RING opens it") from None
    if bound_to != owner:
        raise SealBroken("it was sealed for another row")
    return str(secret)


def reseal(sealed: str, owner: str) -> str | None:
    """Return the text sealed with the newest key, or None when it is already.

    Raises SealBroken when no key of the ring opens it or it belongs to another row.
    """
    secret = unseal(sealed, owner)
    try:
        Fernet(settings.KEY_RING[0]).decrypt(sealed.encode())
    except InvalidToken:
        return seal(secret, owner)
    return None


def _ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.KEY_RING])
