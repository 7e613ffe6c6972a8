"""Makes a backup while the site runs."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from django.utils import timezone

from chats import audit
from realtime.backup import tables
from realtime.backup.archive import KEYS, MEDIA, ROWS, Manifest, Table, Unusable, Writer
from realtime.db import BEHIND, is_behind, one_moment

# Rows are collected into parts of about this size; one part is in memory at a time.
PART_BYTES = 4 * 1024 * 1024
IN_MEMORY = 4 * 1024 * 1024


def backup(out: IO[bytes], *, with_keys: bool = False) -> Manifest:
    """Write the whole site to `out`, as of one moment; returns what was written.

    Calls go on meanwhile. Audio that is being spoken is left out; what was complete at that moment
    is in. Raises Unusable when the tables are of another version than the code.
    """
    if is_behind():
        raise Unusable(BEHIND)
    # Before that moment, so that the backup includes its own audit event.
    audit.record("site.backed_up", actor="manage.py", keys=with_keys)
    made = timezone.now().isoformat()
    migrations = sorted(MigrationRecorder(connection).applied_migrations())
    manifest = Manifest(made, connection.vendor, migrations, keys=with_keys)
    with Writer(out) as writer, tempfile.TemporaryFile() as names:
        with one_moment():
            for model in tables.models_kept():
                manifest.tables[tables.label(model)] = _add_rows(writer, model, names)
        # A file exists before its row names it and never changes, so files need no common moment.
        names.seek(0)
        for line in names:
            _add_file(writer, line.decode().rstrip("\n"), manifest)
        if with_keys:
            writer.add(KEYS, BytesIO(json.dumps({"KEY_RING": settings.KEY_RING}).encode()))
        writer.finish(manifest)
    return manifest


def _add_rows(writer: Writer, model: type[Model], names: IO[bytes]) -> Table:
    """Add a table; the names of its files are written to `names`, one a line."""
    told, count = hashlib.sha256(), 0
    for number, piece in enumerate(_pieces(model, names), start=1):
        head = json.dumps(tables.columns(model)).encode() + b"\n"
        content = gzip.compress(head + b"".join(piece), compresslevel=4, mtime=0)
        writer.add(f"{ROWS}{tables.label(model)}/{number:06}.jsonl.gz", BytesIO(content))
        for line in piece:
            told.update(line)
        count += len(piece)
    return Table(count, told.hexdigest())


def _pieces(model: type[Model], names: IO[bytes]) -> Iterator[list[bytes]]:
    """The table's lines, about `PART_BYTES` at a time."""
    piece, size = [], 0
    for line in tables.lines(model, _noting(model, names)):
        piece.append(line)
        size += len(line)
        if size >= PART_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _noting(model: type[Model], names: IO[bytes]) -> Iterator[tables.Values]:
    files = tables.file_columns(model)
    for row in tables.rows(model):
        names.writelines(f"{row[at]}\n".encode() for at in files if row[at])
        yield row


def _add_file(writer: Writer, name: str, manifest: Manifest) -> None:
    """Add a file of the storage; one that was removed since its row was read is counted."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        try:
            with default_storage.open(name) as file:
                shutil.copyfileobj(_reader(file), copy)
        except FileNotFoundError:
            manifest.missing += 1
            return
        manifest.file_bytes += writer.add(MEDIA + name, copy)
        manifest.files += 1


def _reader(file: Any) -> IO[bytes]:
    # Storages return files of their own types; all of them can be read.
    return file  # type: ignore[no-any-return]
