"""Tidies what people paste into a provider's settings.

Keys and names are copied from e-mails, consoles and chat programs, which add spaces, quotes,
invisible characters and full-width letters. A single leading space in a deployment's name makes
providers refuse without an explanation, so nothing is kept as it was pasted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from realtime.bridge.dialects.target import HEADER_NAME

QUOTES = "\"'`“”‘’«»„"
KEPT = "••••••"
"""Stands for a value that is not shown; where it is left, the value is kept."""
MOST_PAIRS = 20
LONGEST_VALUE = 4096
RESERVED_HEADERS = frozenset(
    [
        "host",
        "authorization",
        "connection",
        "upgrade",
        "cookie",
        "content-length",
        "content-type",
        "te",
        "trailer",
        "transfer-encoding",
        "expect",
        "keep-alive",
        "origin",
    ]
)
RESERVED_PARAMETERS = frozenset({"model"})
# Parameters of a pasted address that are the key, or have a field of their own.
KEY_PARAMETERS = ("key", "api_key", "api-key", "apikey", "access_token", "token")
PARAMETER_FIELDS = {"api-version": "api_version", "deployment": "deployment"}

_SCHEMES = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}
_BEFORE_A_KEY = re.compile(
    r"(?:export\s+)?[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)\s*=\s*"
    r"|(?i:authorization|api-key|x-api-key|x-goog-api-key)\s*:\s*"
    r"|(?i:bearer)\s+"
)


class Untidy(ValueError):
    """The text cannot be understood. `code` says why; `what` is a name in it, never a value."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code)
        self.code, self.what = code, what


def tidied(text: str) -> str:
    """Return `text` without what pasting adds: invisible characters, quotes and spaces around it,
    full-width letters."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(each for each in plain if unicodedata.category(each) != "Cf")
    before = None
    while before != plain:
        before = plain
        plain = plain.strip()
        if len(plain) > 1 and plain[0] in QUOTES and plain[-1] in QUOTES:
            plain = plain[1:-1]
    return plain


def tidied_word(text: str) -> str:
    """Return one name or number that fits a header. Raises Untidy."""
    word = tidied(text)
    if not fits_header(word) or " " in word:
        raise Untidy("word")
    return word


def tidied_key(text: str) -> str:
    """Return a key without “Bearer ” or “API_KEY=” before it. Raises Untidy."""
    if any(mark in text for mark in "…•") or "***" in text:
        raise Untidy("masked")
    key, before = tidied(text), None
    while before != key:
        before = key
        found = _BEFORE_A_KEY.match(key)
        key = tidied(key[found.end() :] if found else key)
    if not fits_header(key) or " " in key:
        raise Untidy("key")
    return key


def tidied_address(text: str) -> tuple[str, dict[str, str]]:
    """Return the address of an endpoint, as wss: or ws:, and its parameters.

    Parameters are returned apart because some are secret and an address is shown. Raises Untidy.
    """
    address = tidied(text)
    if any(each.isspace() or not each.isprintable() for each in address):
        raise Untidy("spaces")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Untidy("address") from None
    if parts.scheme.lower() not in _SCHEMES:
        raise Untidy("scheme")
    if not host:
        raise Untidy("address")
    if "@" in parts.netloc:
        raise Untidy("user")
    if parts.fragment:
        raise Untidy("fragment")
    scheme = _SCHEMES[parts.scheme.lower()]
    path = parts.path.rstrip("/")
    if not path.isascii():
        raise Untidy("address")
    whole = SplitResult(scheme, _netloc(parts.netloc, host, port), path, "", "")
    return urlunsplit(whole), dict(parse_qsl(parts.query))


def tidied_pairs(
    text: str, kept: Mapping[str, str], *, reserved: frozenset[str], separators: str = ":"
) -> dict[str, str]:
    """Return the pairs of lines such as “Name: value”; dots for a value keep the one in `kept`.

    Raises Untidy with the line's name, or its number when it has none.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        if not line.strip():
            continue
        name, value = _pair(line, number, separators)
        lower = name.lower()
        if lower in reserved or lower.startswith(("sec-", "proxy-")):
            raise Untidy("reserved", name)
        if lower in (each.lower() for each in pairs):
            raise Untidy("twice", name)
        if value == KEPT:
            if name not in kept:
                raise Untidy("dots", name)
            value = kept[name]
        pairs[name] = value
    if len(pairs) > MOST_PAIRS:
        raise Untidy("many")
    return pairs


def shown_pairs(names: Mapping[str, str]) -> str:
    """Return pairs as lines with dots for their values."""
    return "\n".join(f"{name}: {KEPT}" for name in names)


def names_of(text: str, separators: str = ":") -> str:
    """Return the lines of pairs as they may be shown back: dots stay, values do not."""
    names = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            name, value = _pair(line, number, separators)
        except Untidy as problem:
            name, value = problem.what if problem.code == "pair_value" else "", ""
        if name:
            names.append(f"{name}: {value if value == KEPT else ''}".rstrip())
    return "\n".join(names)


def address_of(text: str) -> str:
    """Return an address as it may be shown back, without its parameters and the password before an
    @: these may be secret."""
    whole = tidied(text)
    shown = re.sub(r"(?<=//)[^/]*@", "", re.split(r"[?#]", whole, maxsplit=1)[0])
    return text if shown == whole else shown


def fits_header(text: str) -> bool:
    """Whether it is plain printable ASCII on one line."""
    return text.isascii() and (not text or text.isprintable())


def _pair(line: str, number: int, separators: str) -> tuple[str, str]:
    line = tidied(line)
    at = min((line.find(each) for each in separators if each in line), default=-1)
    if at < 1:
        raise Untidy("pair", str(number))
    name, value = tidied(line[:at]), tidied(line[at + 1 :])
    if not HEADER_NAME.issuperset(name):
        raise Untidy("pair_name", str(number))
    if not value or len(value) > LONGEST_VALUE or not (value == KEPT or fits_header(value)):
        raise Untidy("pair_value", name)
    return name, value


def _netloc(netloc: str, host: str, port: int | None) -> str:
    if netloc.isascii():
        return netloc
    try:
        plain = host.encode("idna").decode()
    except UnicodeError:
        raise Untidy("address") from None
    return plain if port is None else f"{plain}:{port}"
