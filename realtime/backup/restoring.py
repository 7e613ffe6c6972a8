"""Replaces a site by a backup: all of it, or nothing.

The rows go into tables of the backup's own version, which are then migrated to the code's. On
PostgreSQL all of that is one transaction; on SQLite it happens in a file beside the database, whose
content then replaces the database's in one transaction.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import Error, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import DateField
from django.utils import timezone

from chats.models import User
from realtime.backup import tables
from realtime.backup.archive import KEYS, MEDIA, ROWS, Manifest, Part, Unusable, parts, verified
from realtime.data_dir import in_use
from realtime.models import CallRecord

ROWS_AT_A_TIME = 1000
# A part holds about 4 MB; a single row may be larger.
MOST_LINE = 256 * 1024 * 1024

Tell = Callable[[str], object]


def restore(path: Path, *, replace: bool = False, tell: Tell = print) -> Manifest:
    """Replace this site by the backup at `path`, proved row by row and file by file.

    Raises Unusable with what is wrong, and then nothing has changed. Files of the replaced site
    stay in the storage until `manage.py retention` finds that no row names them.
    """
    manifest = verified(path)
    tell(f"{path} is whole: {manifest.parts} parts, made {manifest.made}")
    executor = MigrationExecutor(connection)
    newer = [pair for pair in manifest.migrations if pair not in executor.loader.disk_migrations]
    if newer:
        names = ", ".join(".".join(pair) for pair in newer[:3])
        raise Unusable(f"{path} was made by a newer NextVoice ({names}). Update this one first.")
    if not replace and (people := _people()):
        raise Unusable(
            f"This site has people already: {people}. --replace puts the backup in their place."
        )
    if _calls_run():
        raise Unusable("Calls are running here: stop the site first.")
    with in_use(alone=True) as ours:
        if not ours:
            raise Unusable("The site is running here: stop it first.")
        _put_in_place(path, manifest, tell)
    return manifest


def _put_in_place(path: Path, manifest: Manifest, tell: Tell) -> None:
    saved: list[str] = []
    try:
        with _place():
            _fill(path, manifest, tell)
            _store_files(path, saved, tell)
    except BaseException as problem:
        for name in saved:
            default_storage.delete(name)
        if isinstance(problem, Error | ValueError):
            words = str(problem).strip().partition("\n")[0]
            raise Unusable(f"The database refused the rows: {words}. Nothing changed.") from problem
        if isinstance(problem, OSError):
            words = problem.strerror or str(problem)
            raise Unusable(f"The files cannot be stored: {words}. Nothing changed.") from problem
        raise
    finally:
        ContentType.objects.clear_cache()
    _set_aside_journals(tell)
    if manifest.keys:
        _add_keys(path, tell)


def _people() -> int:
    if User._meta.db_table not in connection.introspection.table_names():
        return 0
    return User._base_manager.count()


def _calls_run() -> bool:
    since = timezone.now() - timedelta(seconds=30)
    if CallRecord._meta.db_table not in connection.introspection.table_names():
        return False
    live = CallRecord.objects.exclude(state=CallRecord.State.ENDED)
    return live.filter(heartbeat__gte=since).exists()


@contextmanager
def _place() -> Iterator[None]:
    """Where the tables are made. They become the site's once this ends without an error."""
    if connection.vendor == "sqlite":
        with _file_beside():
            yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            names = connection.introspection.django_table_names(only_existing=True)
            for name in [*names, "django_migrations"]:
                quoted = connection.ops.quote_name(name)
                cursor.execute(f"DROP TABLE IF EXISTS {quoted} CASCADE")
        yield


@contextmanager
def _file_beside() -> Iterator[None]:
    settings_of = connection.settings_dict
    live = str(settings_of["NAME"])
    beside = f"{live}.restoring"
    connection.close()
    _unlink(beside)
    settings_of["NAME"] = beside
    try:
        yield
        connection.close()
        with closing(sqlite3.connect(beside)) as new, closing(sqlite3.connect(live)) as old:
            new.backup(old)
    finally:
        connection.close()
        settings_of["NAME"] = live
        _unlink(beside)


def _unlink(name: str) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(name + ending).unlink(missing_ok=True)


def _fill(path: Path, manifest: Manifest, tell: Tell) -> None:
    """Create the tables, fill them, prove them, and migrate them to this version."""
    models = _old_tables(manifest)
    with transaction.atomic():
        _load(path, models)
        _check_references()
    for name, told in manifest.tables.items():
        count, sha256 = tables.digest(models[name])
        if (count, sha256) != (told.rows, told.sha256):
            raise Unusable(f"{name} is not what was backed up ({count} of {told.rows} rows).")
        if count:
            tell(f"{count:>10} {name}")
    call_command("migrate", interactive=False, verbosity=0)
    resets = connection.ops.sequence_reset_sql(no_style(), tables.models_kept())
    with connection.cursor() as cursor:
        for statement in resets:
            cursor.execute(statement)


def _old_tables(manifest: Manifest) -> dict[str, Any]:
    """Create empty tables of the backup's version; returns their models by name."""
    executor = MigrationExecutor(connection)
    graph, there = executor.loader.graph, set(manifest.migrations)
    followed = {
        parent.key
        for node in there
        for parent in graph.node_map[node].parents
        if parent.key[0] == node[0]
    }
    last = sorted(there - followed)
    registry = executor.migrate(last).apps
    models = {tables.label(model): model for model in tables.models_kept(registry)}
    if sorted(models) != sorted(manifest.tables):
        odd = ", ".join(sorted(set(models) ^ set(manifest.tables)))
        raise Unusable(f"The backup has other tables than its version: {odd}.")
    for model in models.values():
        # Timestamps are kept as they were.
        for field in model._meta.concrete_fields:
            if isinstance(field, DateField):
                field.auto_now = field.auto_now_add = False
        # Some migrations add rows of their own. The ledger refuses to delete even zero rows.
        if model._base_manager.exists():
            model._base_manager.all().delete()
    return models


def _load(path: Path, models: dict[str, Any]) -> None:
    for part in parts(path):
        if part.name.startswith(ROWS):
            name = part.name.removeprefix(ROWS).partition("/")[0]
            if name not in models:
                raise Unusable(f"{path} has rows of an unknown table: {name}")
            _insert(models[name], part)


def _insert(model: Any, part: Part) -> None:
    try:
        with gzip.open(part.content) as lines:
            names = json.loads(lines.readline(MOST_LINE))
            given = iter(lambda: lines.readline(MOST_LINE), b"")
            while piece := list(islice(given, ROWS_AT_A_TIME)):
                model._base_manager.bulk_create(tables.instances(model, names, piece))
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as problem:
        raise Unusable(f"{part.name} cannot be read: {problem}") from None


def _check_references() -> None:
    """Now rather than at the end: a table with pending checks cannot be migrated."""
    if connection.vendor == "sqlite":
        connection.check_constraints()
        return
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _store_files(path: Path, saved: list[str], tell: Tell) -> None:
    """Put the files into the storage. The names of new ones are written to `saved`, even of those
    that failed half-way."""
    count = 0
    for part in parts(path):
        if part.name.startswith(MEDIA):
            _store(part.name.removeprefix(MEDIA), part, saved)
            count += 1
    tell(f"{count:>10} files")


def _store(name: str, part: Part, saved: list[str]) -> None:
    if default_storage.exists(name):
        # Names are random and files never change, so this is the same file unless it is broken.
        if _hash(name) == part.sha256:
            return
        default_storage.delete(name)
    saved.append(name)
    stored = default_storage.save(name, File(part.content))
    if stored != name:
        saved.append(stored)
    if stored != name or _hash(name) != part.sha256:
        raise Unusable(f"The storage did not keep {name} as it was given. Nothing changed.")


def _hash(name: str) -> str:
    told = hashlib.sha256()
    with default_storage.open(name) as file:
        for piece in file.chunks():
            told.update(piece)
    return told.hexdigest()


def _set_aside_journals(tell: Tell) -> None:
    """Rows that the replaced site had still to write do not belong to this one. They are reported,
    since nothing removes them by itself and people's words may be in them."""
    journals = Path(settings.DATA_DIR) / "journal"
    if journals.is_dir() and any(journals.iterdir()):
        aside = journals.with_name(f"journal-replaced-{timezone.now():%Y%m%d%H%M%S}")
        journals.rename(aside)
        tell(f"{aside} has what the site before had still to write: remove it when it may go.")


def _add_keys(path: Path, tell: Tell) -> None:
    """Put the backup's key ring before this site's own, where that is kept in a file."""
    given = next(part.content.read() for part in parts(path) if part.name == KEYS)
    theirs = [str(key) for key in json.loads(given)["KEY_RING"]]
    ring = list(dict.fromkeys([*theirs, *settings.KEY_RING]))
    file = Path(settings.DATA_DIR) / "key_ring"
    if not file.exists() or file.read_text().strip().split(",") != settings.KEY_RING:
        tell("KEY_RING is set elsewhere than in DATA_DIR: add the keys of keys.json in the backup.")
        return
    aside = file.with_name(".key_ring.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(",".join(ring))
    aside.replace(file)
    settings.KEY_RING[:] = ring
    tell(f"{len(theirs)} keys were added to {file.name}; restart the site.")
