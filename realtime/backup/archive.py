"""The file of a backup: its parts, their hashes, and the proof that it is complete."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Self

FORMAT = 1
MANIFEST, KEYS, ROWS, MEDIA = "manifest.json", "keys.json", "rows/", "media/"
HASH = "NEXTVOICE.sha256"
PIECE = 256 * 1024
MOST_MANIFEST = 16 * 1024 * 1024
# Names of files in the storage: relative, inside a folder, never upwards.
_STEP = r"(?!\.{1,2}(?:/|\Z))[^/\\\x00-\x1f]+"
_NAME = re.compile(f"{_STEP}(?:/{_STEP})+")


class Unusable(Exception):
    """The backup cannot be restored; the text says why, for people."""


@dataclass(slots=True)
class Table:
    """How many rows a table has, and the SHA-256 of all of them as text."""

    rows: int
    sha256: str


@dataclass(slots=True)
class Manifest:
    """A backup's description of itself. `sums` is the hash of all parts' hashes, in order."""

    made: str
    database: str
    migrations: list[tuple[str, str]]
    tables: dict[str, Table] = field(default_factory=dict)
    files: int = 0
    file_bytes: int = 0
    missing: int = 0
    keys: bool = False
    parts: int = 0
    sums: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Part:
    """One part while it is read: `content` can be read until the next one."""

    name: str
    size: int
    sha256: str
    content: IO[bytes]


class _Out:
    """A stream that can be cut off: tarfile still writes its buffer when it is discarded."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.given_up = False

    def write(self, piece: bytes) -> int:
        return len(piece) if self.given_up else self._out.write(piece)


class Writer:
    """Writes a backup to a stream, which need not be seekable. A context manager; after an error
    the backup is incomplete, and nothing more is written."""

    def __init__(self, out: IO[bytes]) -> None:
        stream: Any = _Out(out)
        self._out: _Out = stream
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._sums = hashlib.sha256()
        self._parts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        self._out.given_up = kind is not None

    def add(self, name: str, content: IO[bytes]) -> int:
        """Add all of a seekable file; returns its size in bytes."""
        size, sha256 = _measured(content)
        content.seek(0)
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.pax_headers = size, 0o600, {HASH: sha256}
        self._tar.addfile(entry, content)
        _forget(self._tar)
        self._sums.update(_sum(name, size, sha256))
        self._parts += 1
        return size

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, without which the backup is incomplete."""
        manifest.parts, manifest.sums = self._parts, self._sums.hexdigest()
        self.add(MANIFEST, BytesIO(json.dumps(asdict(manifest), indent=1).encode()))
        self._tar.close()


def parts(path: Path) -> Iterator[Part]:
    """Every part in order, unchecked. Raises Unusable if this is no tar file or is cut off."""
    with _plainly(path), tarfile.open(path, "r:") as tar:
        while (entry := tar.next()) is not None:
            _forget(tar)
            content = tar.extractfile(entry) if entry.isfile() else None
            if content is None:
                raise Unusable(f"{path} has a part that is no file: {entry.name!r}")
            yield Part(entry.name, entry.size, entry.pax_headers.get(HASH, ""), content)


def verified(path: Path) -> Manifest:
    """Read all of a backup and return its manifest. Raises Unusable if a single byte is wrong."""
    sums, count, found = hashlib.sha256(), 0, None
    with _plainly(path):
        for part in parts(path):
            if found is not None:
                raise Unusable(f"{path} goes on after its manifest.")
            text = b""
            if part.name == MANIFEST and part.size <= MOST_MANIFEST:
                text = part.content.read()
                part.content.seek(0)
            size, sha256 = _measured(part.content)
            if (size, sha256) != (part.size, part.sha256):
                raise Unusable(f"{path} is damaged: {part.name!r} is not what was written.")
            if text:
                found = _manifest(path, text)
                continue
            _check_name(path, part.name)
            sums.update(_sum(part.name, size, sha256))
            count += 1
    if found is None:
        raise Unusable(f"{path} is not whole: its end is missing.")
    if (found.parts, found.sums) != (count, sums.hexdigest()):
        raise Unusable(f"{path} is damaged: its parts are not those of its manifest.")
    return found


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        given = json.loads(text)
        if given["format"] > FORMAT:
            raise Unusable(f"{path} was made by a newer NextVoice. Update this one first.")
        tables = {name: Table(**each) for name, each in given.pop("tables").items()}
        migrations = [(str(app), str(name)) for app, name in given.pop("migrations")]
        return Manifest(**given, tables=tables, migrations=migrations)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Unusable(f"{path} has a manifest that cannot be read: {problem}") from None


def _check_name(path: Path, name: str) -> None:
    rest = name.removeprefix(MEDIA) if name.startswith(MEDIA) else name.removeprefix(ROWS)
    if name != KEYS and (rest == name or not _NAME.fullmatch(rest)):
        raise Unusable(f"{path} has a part with a name that no backup has: {name!r}")


def _forget(tar: Any) -> None:
    # tarfile remembers each entry, which adds up with a million recordings.
    tar.members.clear()


def _measured(content: IO[bytes]) -> tuple[int, str]:
    content.seek(0)
    told, size = hashlib.sha256(), 0
    while piece := content.read(PIECE):
        told.update(piece)
        size += len(piece)
    return size, told.hexdigest()


def _sum(name: str, size: int, sha256: str) -> bytes:
    return f"{sha256} {size} {name}\n".encode()


@contextmanager
def _plainly(path: Path) -> Iterator[Any]:
    try:
        yield
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as problem:
        raise Unusable(f"{path} is no backup of NextVoice, or damaged: {problem}") from None
    except OSError as problem:
        raise Unusable(f"{path} cannot be read: {problem.strerror or problem}") from None
