"""Stores a file in a conversation, whether a person uploaded it or a tool made it."""

from __future__ import annotations

import asyncio
import re
import tempfile
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext

from chats.attachments import reading
from chats.attachments.sniff import DOCX, Refused
from chats.attachments.words import REFUSALS
from chats.models import Attachment, Conversation, User
from chats.models.attachment import NAME_LENGTH

PER_CONVERSATION = 300
MEGABYTE = 1024 * 1024
UNREAD = "application/octet-stream"
"""The type of files that were not examined; browsers only save them."""
ENDINGS = {
    "application/pdf": "pdf",
    DOCX: "docx",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/plain": "txt",
    UNREAD: "bin",
}

# Characters that reverse the direction of text could make "gnp.exe" look like "exe.png".
_UNSEEN = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def why(code: str) -> str:
    """Why a file was refused, for people."""
    message = str(REFUSALS[code])
    if "%(most)s" in message:
        message = message % {"most": filesizeformat(settings.ATTACHMENT_MAX_MB * MEGABYTE)}
    return message


def admit(size: int, user: User, conversation: Conversation) -> None:
    """Raise `Refused` unless one more file of this size may be kept."""
    if size > settings.ATTACHMENT_MAX_MB * MEGABYTE:
        raise Refused("too_large")
    if conversation.attachments.count() >= PER_CONVERSATION:
        raise Refused("too_many")
    theirs = Attachment.objects.filter(owner=user).aggregate(size=Sum("size"))
    if (theirs["size"] or 0) + size > settings.ATTACHMENT_ROOM_MB * MEGABYTE:
        raise Refused("no_room")


@asynccontextmanager
async def file_of(fill: Callable[[BinaryIO], Any]) -> AsyncIterator[Path]:
    """A temporary file on disk, written in a thread."""
    with tempfile.TemporaryDirectory(prefix="nextvoice-file-") as folder:
        path = Path(folder) / "given"
        await asyncio.to_thread(_fill, path, fill)
        yield path


async def prepared(
    path: Path, name: str, user: User, conversation: Conversation, *, unread: bool = False
) -> tuple[Attachment, str]:
    """Read the file and store it. Returns its row, which must be given to `save` at once, and a
    note for people. Raises `Refused`.

    `unread`: a file that cannot be read, or is of a kind that is not shown, is stored as it is, and
    browsers only save it.
    """
    shown = clean_name(name)
    out = path.with_name("out")
    await asyncio.to_thread(out.mkdir)
    try:
        found = await reading.read(path, shown, out)
    except Refused as refused:
        if not unread or refused.code == "empty":
            raise
        found = {"kind": Attachment.Kind.DOCUMENT, "content_type": UNREAD, "note": ""}
    note, files = found.pop("note"), found.pop("files", {})
    attachment = Attachment(conversation=conversation, owner=user, name=shown, **found)
    paths = {field: out / file for field, file in files.items()}
    paths.setdefault("file", path)
    await asyncio.to_thread(_store, attachment, paths)
    return attachment, note


def save(attachment: Attachment) -> None:
    """Write the row of a stored file, or remove the file."""
    try:
        attachment.save(force_insert=True)
    except BaseException:
        _discard(attachment)
        raise


def _fill(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    with path.open("wb") as file:
        fill(file)


def _store(attachment: Attachment, files: dict[str, Path]) -> None:
    """Put the files into the storage, named after the row's key."""
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
    """A file's name as people may see it: no folder, nothing invisible, not too long."""
    plain = _UNSEEN.sub("", unicodedata.normalize("NFC", name)).replace("\\", "/")
    plain = "".join(each if each.isprintable() else " " for each in plain)
    path = PurePosixPath(" ".join(plain.split()))
    whole = path.name.strip(". ") or gettext("file")
    if len(whole) <= NAME_LENGTH:
        return whole
    ending = PurePosixPath(whole).suffix[:12]
    return whole[: NAME_LENGTH - 1 - len(ending)].rstrip() + "…" + ending
