"""Removes files of the storage once no row names them, however the row was deleted.

The transaction that deletes the row writes down that the file is to go. The file is removed right
after it; `remove_doomed` takes care of those that a crash or an absent storage leaves over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import FileField, Model
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from chats.models import Attachment, DoomedFile, Recording

log = logging.getLogger(__name__)

# The transaction that dooms a file removes it; others only take over when that failed.
FIRST_TRY, NEXT_TRY = timedelta(minutes=1), timedelta(minutes=10)


@receiver(post_delete, sender=Attachment)
@receiver(post_delete, sender=Recording)
def remove_files(sender: type[Model], instance: Model, **_: Any) -> None:
    """Remove every file of a deleted row, once the deletion is committed."""
    fields = (field for field in sender._meta.get_fields() if isinstance(field, FileField))
    doom(str(getattr(instance, field.name) or "") for field in fields)


def doom(names: Iterable[str]) -> None:
    """Remove files once the transaction is committed; certainly, if perhaps later."""
    due = timezone.now() + FIRST_TRY
    doomed = [DoomedFile(name=name, next_try=due) for name in names if name]
    if doomed:
        DoomedFile.objects.bulk_create(doomed, ignore_conflicts=True)
        transaction.on_commit(partial(_remove, [each.name for each in doomed]), robust=True)


def remove_doomed(most: int) -> int:
    """Try again to remove what could not be removed; returns how many files are gone."""
    due = DoomedFile.objects.filter(next_try__lte=timezone.now()).order_by("next_try")
    return _remove(list(due.values_list("name", flat=True)[:most]))


def _remove(names: list[str]) -> int:
    gone = []
    for name in names:
        try:
            default_storage.delete(name)
            gone.append(name)
        except Exception as problem:
            # Storages raise errors of their own; the row is gone in any case.
            log.error("the file %s could not be removed yet: %s", name, problem)
    DoomedFile.objects.filter(name__in=gone).delete()
    left = [name for name in names if name not in gone]
    if left:
        later = timezone.now() + NEXT_TRY
        DoomedFile.objects.filter(name__in=left).update(next_try=later)
    return len(gone)
