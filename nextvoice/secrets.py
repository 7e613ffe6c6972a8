"""Secrets that a fresh install creates for itself, kept in private files."""

import os
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def made_once(path: Path, make: Callable[[], str]) -> str:
    """Return the text of `path`, creating the file (mode 0600) with `make()` when it is absent.
    Raises ImproperlyConfigured when that fails."""
    try:
        return _read_or_made(path, make)
    except OSError as problem:
        told = f"{path} can be neither read nor made: {problem.strerror}"
        raise ImproperlyConfigured(f"DATA_DIR: {told}.") from None


def _read_or_made(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written to another name and linked into place: processes that start together agree on one
    # value.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(make())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text().strip()


def given(name: str) -> str:
    """A secret of the environment, as it is; "" when there is none. `environ` would take a value
    that begins with "$" for the name of another variable."""
    return os.environ.get(name, "")


def new_secret_key() -> str:
    """Return a new Django SECRET_KEY."""
    from django.core.management.utils import get_random_secret_key

    return get_random_secret_key()


def new_fernet_key() -> str:
    """Return a new Fernet key, 32 random bytes in URL-safe base64."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
