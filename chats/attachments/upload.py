"""Takes one file into a conversation."""

from __future__ import annotations

import shutil
import uuid
from functools import partial
from typing import Any, BinaryIO

from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from chats.asking import about
from chats.attachments.keeping import admit, file_of, prepared, save, why
from chats.attachments.sniff import Refused
from chats.attachments.words import NOTES
from chats.models import Attachment, Conversation, User

PER_MINUTE = 30
STATUS = {
    "too_large": 413,
    "too_many_pixels": 413,
    "too_large_inside": 413,
    "no_room": 413,
    "too_many": 409,
    "too_often": 429,
    "busy": 503,
    "no_file": 400,
    "empty": 422,
    "broken": 422,
    "locked": 422,
    "too_slow": 422,
}
"""HTTP status of a refusal; 415 for all others, which are about the kind of file."""


@require_POST
async def upload(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """Keep the posted `file` for a message to come. The answer describes it for the page.

    A refused file is answered with {"error": code, "message": why}.
    """
    user = await request.auser()
    conversation = await Conversation.objects.visible_to(user).filter(pk=pk).afirst()
    if conversation is None or not isinstance(user, User):
        raise Http404
    about(conversation=str(pk), account=conversation.account_id)
    try:
        given = await _admitted(request, user, conversation)
        attachment, note = await _kept(given, user, conversation)
    except Refused as refused:
        return refusal(refused.code)
    notes = [note, "cut" if attachment.cut else ""]
    said = " ".join(str(NOTES[each]) for each in notes if each)
    return JsonResponse({**attachment.shown(), "note": said}, status=201)


def refusal(code: str) -> JsonResponse:
    """The answer to a refused file."""
    words = {"error": code, "message": why(code)}
    return JsonResponse(words, status=STATUS.get(code, 415))


async def _admitted(
    request: HttpRequest, user: User, conversation: Conversation
) -> UploadedFile[Any]:
    """The posted file, if one more is allowed. Raises `Refused`."""
    if not await _soon_enough(user):
        raise Refused("too_often")
    given = request.FILES.get("file")
    if not isinstance(given, UploadedFile) or given.size is None:
        raise Refused("no_file")
    await sync_to_async(admit)(given.size, user, conversation)
    return given


async def _soon_enough(user: User) -> bool:
    """Count this upload; False when there were too many within a minute, refused ones included."""
    key = f"uploads.{user.pk}"
    await cache.aadd(key, 0, 60)
    try:
        return await cache.aincr(key) <= PER_MINUTE
    except ValueError:
        # The minute ended in between.
        return True


async def _kept(
    given: UploadedFile[Any], user: User, conversation: Conversation
) -> tuple[Attachment, str]:
    """Read the file and store it. Returns its row and what is to be noted. Raises `Refused`."""
    async with file_of(partial(_copy, given)) as original:
        attachment, note = await prepared(original, given.name or "", user, conversation)
        await sync_to_async(save)(attachment)
    return attachment, note


def _copy(given: UploadedFile[Any], file: BinaryIO) -> None:
    given.seek(0)
    shutil.copyfileobj(given, file, 256 * 1024)
