"""Replace this site by a backup."""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from realtime import rotation
from realtime.backup.archive import Unusable
from realtime.backup.aside import aside
from realtime.backup.restoring import restore
from realtime.data_dir import private_files
from realtime.management.ends import taken_back
from realtime.money import reconciling


class Command(BaseCommand):
    help = (
        "Put a backup in the place of this site, which must not be running. All of the file is "
        "checked first; whatever fails, nothing has changed. It may come from another database "
        "and from an older version."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="what `backup` wrote; - is standard input")
        parser.add_argument(
            "--replace", action="store_true", help="give up all that this site holds now"
        )

    @taken_back()
    @private_files()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with _given(options["file"]) as path:
                made = restore(path, replace=options["replace"], tell=self.stdout.write)
        except Unusable as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write("Every row and every file is as it was backed up.")
        if made.missing:
            self.stdout.write(f"{made.missing} files were gone when the backup was made.")
        wrong = [finding.text for finding in reconciling.findings() if finding.wrong]
        for text in wrong:
            self.stdout.write(f"As in the backup: {text}")
        if not wrong:
            self.stdout.write("The books agree.")
        if sealed := list(rotation.broken()):
            self.stdout.write(
                f"{len(sealed)} secrets open with no key of KEY_RING. Put the key ring of the site "
                "that was backed up there, or enter them again under Providers."
            )


@contextmanager
def _given(name: str) -> Iterator[Path]:
    """The path of the backup. It is read three times, so standard input is first copied to where
    there must be room for all of it anyway. Raises CommandError."""
    if name != "-":
        yield Path(name)
        return
    folder = Path(settings.DATA_DIR)
    with ExitStack() as held:
        try:
            copy = held.enter_context(aside(folder, "standard-input"))
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
        except OSError as problem:
            told = f"{folder} has no room for it: {problem.strerror or problem}."
            raise CommandError(told) from None
        yield Path(copy.name)
