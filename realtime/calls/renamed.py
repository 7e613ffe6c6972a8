"""Tells other tabs of a conversation its new title."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from chats.models import Conversation
from realtime.calls.audience import show_title


def _saved(instance: Conversation, update_fields: frozenset[str] | None, **rest: Any) -> None:
    if update_fields is not None and "title" in update_fields:
        show = partial(show_title, str(instance.pk), instance.title)
        transaction.on_commit(show, robust=True)


post_save.connect(_saved, sender=Conversation)
