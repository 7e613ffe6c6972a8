"""Provider keys at rest."""

import pytest
from cryptography.fernet import Fernet

from realtime.models import Provider
from realtime.sealing import SealBroken, seal, unseal

KEY = "sk-canary-0123456789abcdef"


def test_what_was_sealed_opens_for_its_row_only() -> None:
    sealed = seal(KEY, "row 1")
    assert unseal(sealed, "row 1") == KEY
    with pytest.raises(SealBroken) as broken:
        unseal(sealed, "row 2")
    assert KEY not in str(broken.value) + sealed


def test_no_secret_stays_no_secret() -> None:
    assert (seal("", "row"), unseal("", "row")) == ("", "")


def test_an_older_key_of_the_ring_still_opens(settings: object) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.KEY_RING = [old]  # type: ignore[attr-defined]
    sealed = seal(KEY, "row")
    settings.KEY_RING = [new, old]  # type: ignore[attr-defined]
    assert unseal(sealed, "row") == KEY
    settings.KEY_RING = [new]  # type: ignore[attr-defined]
    with pytest.raises(SealBroken):
        unseal(sealed, "row")


@pytest.mark.parametrize("broken", ["x", "é", "gAAAAA", "\0"])
def test_what_was_never_sealed_does_not_open(broken: str) -> None:
    with pytest.raises(SealBroken):
        unseal(broken, "row")


def test_only_the_end_of_a_long_key_stays_readable() -> None:
    provider = Provider(name="P", url="wss://example.org")
    provider.set_key(f"  {KEY}\n")
    assert (provider.key(), provider.key_end) == (KEY, "cdef")
    provider.set_key("short")
    assert (provider.key(), provider.key_end) == ("short", "")
