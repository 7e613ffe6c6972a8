"""Reads settings from the environment. A bad value is reported in one line: which variable, what is
wrong with it, and what is allowed.

Each function takes the name of a variable and its default, and raises `ImproperlyConfigured`. An
empty variable counts as absent, since that is what a line `NAME=` of a `.env` file leaves. Values
that are or may contain secrets, such as addresses and keys, are not repeated.
"""

from __future__ import annotations

import os
import re
import warnings
import zoneinfo
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# A name, and its value without the comment after it.
LINE = re.compile(
    r"""(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:\\.|[^"\\])*"|'[^']*'|.*?)(?:\s*(?<=\s)\#.*)?"""
)
HOST = re.compile(r"\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9A-Fa-f:.]+\]|\*.*")
ORIGIN = re.compile(r"https?://[^/?#\s]+")
YES, NO = ("true", "yes", "on", "1", "y", "ok"), ("false", "no", "off", "0", "n")
DATABASES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")


def read_file(name: str, base: Path, default: str) -> set[str]:
    """Add the variables of a `.env` file; the environment takes precedence. Returns the names of
    the variables that were added.

    A file that the variable `name` gives must exist, the default one need not. Lines mean what they
    mean to Compose, which may read the same file. Of a malformed line only the number is reported:
    it may contain a secret.
    """
    path = base / text(name, default)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as problem:
        if isinstance(problem, FileNotFoundError) and not text(name):
            return set()
        raise ImproperlyConfigured(f"{path} cannot be read ({_why(problem)}).") from None
    before = {*os.environ}
    environ.Env.read_env(StringIO("\n".join(_lines(path, lines))))
    return os.environ.keys() - before


def _lines(path: Path, given: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(given, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (found := LINE.fullmatch(line.strip())) is None:
            raise ImproperlyConfigured(f"{path}, line {number}: write it as NAME=value.")
        yield "{}={}".format(*found.groups())


def _why(problem: Exception) -> str:
    return problem.strerror or "" if isinstance(problem, OSError) else "it is no text in UTF-8"


def text(name: str, default: str = "") -> str:
    """Any text, stripped."""
    return os.environ.get(name, "").strip() or default


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """Texts separated by commas."""
    found = [each.strip() for each in text(name).split(",")]
    return [each for each in found if each] or list(default)


def hosts(name: str, default: Sequence[str]) -> list[str]:
    """Names and addresses as they stand between `https://` and a port, without duplicates. "*" is
    left to the deploy check."""
    given = list(dict.fromkeys(words(name, default)))
    return _all(name, given, HOST, "names or addresses alone, such as a.example.org")


def origins(name: str) -> list[str]:
    """Full origins: scheme, host and perhaps a port, and no path."""
    return _all(name, words(name), ORIGIN, "origins, such as https://a.example.org")


def _all(name: str, given: list[str], shape: re.Pattern[str], told: str) -> list[str]:
    for each in given:
        if not shape.fullmatch(each):
            raise wrong(name, f"must be {told}, separated by commas", each)
    return given


def number(name: str, default: int, *, least: int = 0) -> int:
    """A whole number, at least `least`."""
    given = text(name, str(default))
    try:
        if (found := int(given)) >= least:
            return found
    except ValueError:
        pass
    raise wrong(name, f"must be a whole number, {least} or more", given)


def yes_no(name: str, default: bool = False) -> bool:
    """True or false."""
    given = text(name, str(default))
    if given.lower() not in (*YES, *NO):
        raise wrong(name, "must be true or false", given)
    return given.lower() in YES


def one_of(name: str, allowed: Sequence[str], default: str) -> str:
    """One of `allowed`, spelled as it is there; case is ignored."""
    given = text(name, default)
    for each in allowed:
        if each.lower() == given.lower():
            return each
    raise wrong(name, f"must be one of {', '.join(allowed)}", given)


def currency(name: str, default: str) -> str:
    """The three letters of a currency."""
    given = text(name, default)
    if not re.fullmatch("[A-Za-z]{3}", given):
        raise wrong(name, "must be the three letters of a currency, such as USD", given)
    return given.upper()


def time_zone(name: str, default: str) -> str:
    """The name of a time zone."""
    given = text(name, default)
    try:
        return zoneinfo.ZoneInfo(given).key
    except (KeyError, ValueError, OSError):
        raise wrong(name, "must be a time zone, such as Europe/Berlin", given) from None


def folder(name: str, base: Path, default: str) -> Path:
    """A folder, created privately if it is absent. A relative one is in `base`: the site, programs
    beside it and commands all start in different folders."""
    path = base / text(name, default)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        told = f"must be a folder, or a place where one can be made ({problem.strerror})"
        raise wrong(name, told, str(path)) from None
    return path


def address(name: str, schemes: Sequence[str]) -> str:
    """A URL with one of these schemes; "" without one."""
    given = text(name)
    if given and not _is_address(given, schemes):
        raise wrong(name, f"must be an address of {' or '.join(f'{each}://' for each in schemes)}")
    return given


def _is_address(given: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(given)
        _ = parts.port  # only now it is parsed
    except ValueError:
        return False
    return parts.scheme in schemes and given[len(parts.scheme) :].startswith("://")


def database(name: str, base: Path, default: str) -> dict[str, Any]:
    """A database as Django's settings have it. A relative file name begins at `base`."""
    try:
        with warnings.catch_warnings():
            # The warnings are about bad addresses, and repeat them.
            warnings.simplefilter("error", UserWarning)
            found: dict[str, Any] = environ.Env.db_url_config(text(name, default))
    except (UserWarning, ValueError, KeyError, TypeError):
        found = {}
    if found.get("ENGINE") not in DATABASES or not found.get("NAME"):
        raise wrong(name, "must be postgres://user:password@host/name or sqlite:///path/of/file")
    if found["ENGINE"].endswith("sqlite3") and found["NAME"] != ":memory:":
        found["NAME"] = str(base / found["NAME"])
    return found


def mail(name: str, default: str) -> dict[str, Any]:
    """The mail server as Django's settings have it."""
    try:
        found: dict[str, Any] = environ.Env.email_url_config(text(name, default))
    except (ImproperlyConfigured, ValueError, KeyError):
        raise wrong(name, "must be such as smtp+tls://user:password@host:587") from None
    return found


def fernet_keys(name: str, given: Sequence[str]) -> list[str]:
    """`given`, which must be one or more Fernet keys."""
    if not given or not all(map(_is_fernet_key, given)):
        raise wrong(name, "must be Fernet keys, separated by commas (see README, “Configuration”)")
    return list(given)


def _is_fernet_key(key: str) -> bool:
    try:
        return len(urlsafe_b64decode(key)) == 32
    except ValueError:
        return False


def wrong(name: str, allowed: str, given: str | None = None) -> ImproperlyConfigured:
    """The error to raise. `given`: the value, unless it may be secret."""
    return ImproperlyConfigured(
        f"{name} {allowed}." if given is None else f"{name} {allowed}; it is {given!r}."
    )
