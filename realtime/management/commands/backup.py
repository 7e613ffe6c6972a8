"""Write the whole site into one file, while it runs."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from realtime.backup.archive import Manifest, Unusable
from realtime.backup.aside import aside
from realtime.backup.making import backup
from realtime.management.ends import taken_back


class Command(BaseCommand):
    help = (
        "Write all people, conversations, recordings, files and the ledger into one file, as of "
        "one moment; calls go on meanwhile. “-” writes to standard output. `restore` puts it back, "
        "onto SQLite or PostgreSQL. Providers' keys are in it only sealed: without the key ring, "
        "which is to be kept apart, nobody can read them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="where to write it; - is standard output")
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="put the key ring in too; the file then opens every provider's key",
        )

    @taken_back()
    def handle(self, *args: Any, **options: Any) -> None:
        with_keys = options["with_keys"]
        try:
            if options["file"] == "-":
                made = backup(sys.stdout.buffer, with_keys=with_keys)
                sys.stdout.buffer.flush()
            else:
                made = self._to_file(Path(options["file"]), with_keys)
        except Unusable as problem:
            raise CommandError(str(problem)) from None
        except OSError as problem:
            told = problem.strerror or problem
            where = "Standard output" if options["file"] == "-" else options["file"]
            raise CommandError(f"{where} cannot be written: {told}") from None
        self._tell(made)

    def _to_file(self, path: Path, with_keys: bool) -> Manifest:
        """Written under another name first, so that a file of that name is always a whole
        backup."""
        if path.is_dir():
            raise CommandError(f"{path} is a folder: name a file to write.")
        with aside(path.parent, f".{path.name}") as out:
            made = backup(out, with_keys=with_keys)
            out.flush()
            os.fsync(out.fileno())
            Path(out.name).replace(path)
        return made

    def _tell(self, made: Manifest) -> None:
        # Standard output may be the backup.
        rows = sum(table.rows for table in made.tables.values())
        self.stderr.write(f"{rows} rows and {made.files} files ({made.file_bytes} bytes).")
        if made.missing:
            self.stderr.write(f"{made.missing} files were gone from the storage; their rows stay.")
        self.stderr.write(
            "The key ring is inside: keep this file as safe as the keys of your providers."
            if made.keys
            else "Keep KEY_RING (or key_ring in DATA_DIR) apart from this file: without it the "
            "providers' keys in it cannot be read."
        )
