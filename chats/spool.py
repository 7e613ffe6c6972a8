"""Files that stay on this machine until the object store has all of them.

A file waits under its name in one folder, which all processes of the machine share. `taken` gives
it to one of them at a time; only `release` removes it, once the store holds the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.files import File, locks

SHIP_SECONDS = 10.0
"""How often waiting files are tried again."""


class StoreAway(OSError):
    """The object store could not be reached, or refused: its files exist, but not now."""


class Spool:
    """The files that wait in `folder`; any number of processes may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Exists while the store takes nothing, so that nobody waits for it in vain.
        self._away = folder / ".away"

    def path(self, name: str) -> Path:
        """The path of a waiting file, if there is one of this name."""
        return self._folder / quote(name, safe="")

    def put(self, name: str, content: File[bytes]) -> None:
        """Keep a file, replacing another of the same name; it is on disk afterwards."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # One name each, so that whoever tries again overwrites what a killed process left.
        path = self.path(name)
        aside = path.with_name(f".{path.name}.new")
        try:
            with aside.open("wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def names(self) -> list[str]:
        """The names of the files that wait."""
        with suppress(FileNotFoundError):
            return [unquote(each) for each in os.listdir(self._folder) if each[0] != "."]
        return []

    @contextmanager
    def taken(self, name: str) -> Iterator[BinaryIO | None]:
        """The file, locked; None when it is gone or another process has it."""
        try:
            file = self.path(name).open("rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            mine = locks.lock(file, locks.LOCK_EX | locks.LOCK_NB) and self._holds(name, file)
            yield file if mine else None

    def release(self, name: str, file: BinaryIO) -> bool:
        """The store has the file that was taken. False when it was deleted or replaced since."""
        held = self._holds(name, file)
        if held:
            self.discard(name)
        return held

    def discard(self, name: str) -> None:
        """The file is not wanted any more."""
        self.path(name).unlink(missing_ok=True)

    @property
    def away(self) -> bool:
        """Whether the store took nothing the last time."""
        return self._away.exists()

    @away.setter
    def away(self, is_away: bool) -> None:
        if is_away:
            self._away.touch()
        else:
            self._away.unlink(missing_ok=True)

    def _holds(self, name: str, file: BinaryIO) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file.fileno()), self.path(name).stat())
        return False


def spool() -> Spool:
    """This machine's spool."""
    return Spool(Path(settings.DATA_DIR) / "spool")
