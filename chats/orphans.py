"""Files in the storage that no row names, left by a crash or by a site that was replaced."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.utils import timezone

from chats.models import Attachment, Recording

FOLDERS = ("recordings", "attachments")
# A file is stored before its row is written; this is the longest that may take.
YOUNG = timedelta(days=1)
BATCH = 500

# The row's key is in the name, with or without hyphens.
_KEY = re.compile(r"/([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})[^/]*\Z")


def orphans(now: datetime | None = None) -> Iterator[str]:
    """The names of files older than a day that no row names, a folder at a time."""
    before = (now or timezone.now()) - YOUNG
    for folder in FOLDERS:
        names = _names(folder)
        while batch := list(islice(names, BATCH)):
            known = _known(folder, batch)
            for name in batch:
                if name not in known and default_storage.get_modified_time(name) < before:
                    yield name


def _names(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for each in folders:
        yield from _names(f"{folder}/{each}")


def _known(folder: str, names: list[str]) -> set[str]:
    """Those of `names` that a row names, found by the keys in them, which are indexed."""
    keys = [uuid.UUID(found[1]) for name in names if (found := _KEY.search(name))]
    if folder == "recordings":
        return set(Recording.objects.filter(pk__in=keys).values_list("file", flat=True))
    columns = ("file", "thumbnail", "for_model")
    rows = Attachment.objects.filter(pk__in=keys).values_list(*columns)
    return {name for row in rows for name in row if name}
