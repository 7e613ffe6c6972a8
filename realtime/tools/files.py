"""Stores the files that tools make as attachments of the conversation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, BinaryIO

from django.utils.translation import gettext

from chats.attachments.keeping import admit, file_of, prepared, save, why
from chats.attachments.sniff import Refused
from chats.models import Conversation, User
from realtime.bridge.tools import WHOLE, Kept, Produced
from realtime.db import in_database
from realtime.tools.registry import Where

log = logging.getLogger(__name__)

ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "text/csv": ".csv"}
"""For files whose maker gave them no name."""


async def keep(where: Where, files: Sequence[Produced]) -> Kept:
    """Store files for the person in their conversation, in order, each if it is allowed."""
    place = await in_database(_place, where)
    attachments: list[dict[str, Any]] = []
    refused: list[str] = []
    for file in files:
        name = _name(file)
        try:
            if place is None:
                raise Refused("no_room")
            attachments.append(await _kept(file, name, *place))
        except Refused as problem:
            log.info("a file of a tool was not kept: %s", problem.code)
            words = {"name": name[:80], "why": why(problem.code)}
            refused.append(gettext("“%(name)s” could not be saved. %(why)s") % words)
    return Kept(tuple(attachments), tuple(refused))


async def _kept(
    file: Produced, name: str, user: User, conversation: Conversation
) -> dict[str, Any]:
    await in_database(admit, len(file.data), user, conversation)

    def fill(target: BinaryIO) -> None:
        target.write(file.data)

    async with file_of(fill) as path:
        attachment, _note = await prepared(path, name, user, conversation, unread=True)
        await in_database(save, attachment)
    return attachment.shown()


def _place(where: Where) -> tuple[User, Conversation] | None:
    user = User.objects.filter(pk=where.user_pk, is_active=True).first()
    if user is None or where.conversation_id is None:
        return None
    conversation = Conversation.objects.visible_to(user).filter(pk=where.conversation_id).first()
    return (user, conversation) if conversation is not None else None


def _name(file: Produced) -> str:
    if file.name == WHOLE:
        return gettext(WHOLE)
    return file.name or gettext("file") + ENDINGS.get(file.content_type, "")
