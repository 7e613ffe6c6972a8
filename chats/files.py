"""Removes the files of rows that are deleted, whichever way: alone or with their conversation."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import FileField, Model
from django.db.models.signals import post_delete
from django.dispatch import receiver

from chats.models import Attachment, Recording

log = logging.getLogger(__name__)


@receiver(post_delete, sender=Attachment)
@receiver(post_delete, sender=Recording)
def remove_files(sender: type[Model], instance: Model, **_: Any) -> None:
    """Remove every file of a deleted row, once the deletion stands."""
    for field in sender._meta.get_fields():
        if isinstance(field, FileField) and (file := getattr(instance, field.name)):
            transaction.on_commit(partial(_remove, file.storage, file.name))


def _remove(storage: Storage, name: str) -> None:
    try:
        storage.delete(name)
    except Exception as problem:
        # Storages raise errors of their own; the row is gone all the same.
        log.error("the file %s could not be removed: %s", name, problem)
