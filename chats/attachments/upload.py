"""Takes one file into a conversation."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import unicodedata
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Sum
from django.http import Http404, HttpRequest, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from chats.attachments import reading
from chats.attachments.sniff import DOCX, Refused
from chats.attachments.words import NOTES, REFUSALS
from chats.models import Attachment, Conversation, User
from chats.models.attachment import NAME_LENGTH

PER_MINUTE = 30
PER_CONVERSATION = 300
MEGABYTE = 1024 * 1024
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
ENDINGS = {
    "application/pdf": "pdf",
    DOCX: "docx",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/plain": "txt",
}

# What turns the direction of text round could make "exe.png" of "gnp.exe".
_UNSEEN = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@require_POST
async def upload(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """Keep the posted `file` for a message to come; the answer is what a page shows of it.

    A file that is refused is answered with {"error": code, "message": why}.
    """
    user = await request.auser()
    conversation = await Conversation.objects.visible_to(user).filter(pk=pk).afirst()
    if conversation is None or not isinstance(user, User):
        raise Http404
    try:
        given = await _admitted(request, user, conversation)
        attachment, note = await _kept(given, user, conversation)
    except Refused as refused:
        return refusal(refused.code)
    notes = [note, "cut" if attachment.cut else ""]
    said = " ".join(str(NOTES[each]) for each in notes if each)
    return JsonResponse({**attachment.shown(), "note": said}, status=201)


def refusal(code: str) -> JsonResponse:
    """The answer to a file that is not taken."""
    most = filesizeformat(settings.ATTACHMENT_MAX_MB * MEGABYTE)
    message = str(REFUSALS[code])
    if "%(most)s" in message:
        message = message % {"most": most}
    return JsonResponse({"error": code, "message": message}, status=STATUS.get(code, 415))


async def _admitted(
    request: HttpRequest, user: User, conversation: Conversation
) -> UploadedFile[Any]:
    """The file that was posted, if one more may come. Raises `Refused`."""
    if not await _soon_enough(user):
        raise Refused("too_often")
    given = request.FILES.get("file")
    if not isinstance(given, UploadedFile) or given.size is None:
        raise Refused("no_file")
    if given.size > settings.ATTACHMENT_MAX_MB * MEGABYTE:
        raise Refused("too_large")
    if await conversation.attachments.acount() >= PER_CONVERSATION:
        raise Refused("too_many")
    theirs = await Attachment.objects.filter(owner=user).aaggregate(size=Sum("size"))
    if (theirs["size"] or 0) + given.size > settings.ATTACHMENT_ROOM_MB * MEGABYTE:
        raise Refused("no_room")
    return given


async def _soon_enough(user: User) -> bool:
    """Count this upload; False when there were too many within a minute, refused ones too."""
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
    name = clean_name(given.name or "")
    with tempfile.TemporaryDirectory(prefix="nextvoice-upload-") as folder:
        original, out = Path(folder) / "given", Path(folder) / "out"
        await asyncio.to_thread(_copy, given, original, out)
        found = await reading.read(original, name, out)
        note = found.pop("note")
        attachment = Attachment(conversation=conversation, owner=user, name=name, **_columns(found))
        files = {field: out / file for field, file in found.get("files", {}).items()}
        files.setdefault("file", original)
        await asyncio.to_thread(_store, attachment, files)
    try:
        await attachment.asave(force_insert=True)
    except BaseException:
        await asyncio.to_thread(_discard, attachment)
        raise
    return attachment, note


def _columns(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "files"}


def _copy(given: UploadedFile[Any], original: Path, out: Path) -> None:
    out.mkdir()
    given.seek(0)
    with original.open("wb") as file:
        shutil.copyfileobj(given, file, 256 * 1024)


def _store(attachment: Attachment, files: dict[str, Path]) -> None:
    """Put the files into the storage, under the row's own key."""
    key = attachment.pk.hex
    for field, path in files.items():
        ending = path.suffix[1:] or ENDINGS[attachment.content_type]
        place = f"attachments/{key[:2]}/{key}-{field}.{ending}"
        with path.open("rb") as file:
            setattr(attachment, field, default_storage.save(place, File(file)))
        attachment.size += path.stat().st_size if field == "file" else 0


def _discard(attachment: Attachment) -> None:
    for field in (attachment.file, attachment.thumbnail, attachment.for_model):
        if field.name:
            default_storage.delete(field.name)


def clean_name(name: str) -> str:
    """A file's name as people may see it: no folder, nothing unseen, not too long."""
    plain = _UNSEEN.sub("", unicodedata.normalize("NFC", name)).replace("\\", "/")
    plain = "".join(each if each.isprintable() else " " for each in plain)
    path = PurePosixPath(" ".join(plain.split()))
    whole = path.name.strip(". ") or gettext("file")
    if len(whole) <= NAME_LENGTH:
        return whole
    ending = PurePosixPath(whole).suffix[:12]
    return whole[: NAME_LENGTH - 1 - len(ending)].rstrip() + "…" + ending
