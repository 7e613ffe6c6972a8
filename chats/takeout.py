"""Everything the site keeps of a person, as one ZIP file for that person."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any, cast

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from chats.asking import person_of
from chats.downloads import sent
from chats.models import Account, Attachment, Conversation, Message, User
from chats.paging import every
from chats.signals import takeout
from chats.transcript import transcript

READ = 256 * 1024
ROWS_AT_A_TIME = 200

Entry = tuple[str, Iterable[bytes], bool]
"""A file's name, its bytes, and whether compressing it is worthwhile."""


@login_required
@require_safe
def download(request: HttpRequest) -> HttpResponseBase:
    """The person's own conversations, recordings, files, settings and usage."""
    person = person_of(request)
    name = f"nextvoice-{person.pk}-{timezone.localdate():%Y-%m-%d}.zip"
    answer: HttpResponseBase = sent(
        request, zipped(entries(person)), name, "application/zip", "person.data_downloaded"
    )
    return answer


def entries(person: User) -> Iterator[Entry]:
    """Every file of the archive."""
    yield "you.json", [_json(_about(person))], True
    mine = Conversation.objects.visible_to(person)
    for conversation in every(mine, ("created", "pk"), ROWS_AT_A_TIME):
        folder = f"conversations/{conversation.created:%Y-%m-%d}-{conversation.pk}"
        yield f"{folder}/conversation.json", _conversation(conversation), True
        yield f"{folder}/conversation.md", transcript(conversation), True
        messages = conversation.messages.filter(recording__state="ready")
        for name in list(messages.values_list("recording__file", flat=True)):
            yield f"{folder}/{_place(name)}", _stored(name), False
        for name in list(conversation.attachments.values_list("file", flat=True)):
            yield f"{folder}/{_place(name)}", _stored(name), False
    for _receiver, more in takeout.send(User, person=person):
        assert not isinstance(more, str | None)
        for name, content in more:
            yield name, content, True


def zipped(files: Iterable[Entry]) -> Iterator[bytes]:
    """The files as a ZIP archive, piece by piece."""
    out = _Out()
    with zipfile.ZipFile(cast(IO[bytes], out), "w") as archive:
        for name, content, packs in files:
            info = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as entry:
                for piece in content:
                    entry.write(piece)
                    yield out.taken()
            yield out.taken()
    yield out.taken()


class _Out:
    """What `zipfile` writes to; gives the bytes back at once."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        self._kept += data
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        data = bytes(self._kept)
        self._kept.clear()
        return data


def _about(person: User) -> dict[str, Any]:
    return {
        "name": person.get_username(),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "since": person.date_joined,
        "last_sign_in": person.last_login,
        "call_settings": person.call_settings,
        "accounts": [account.name for account in Account.objects.of(person)],
    }


def _conversation(conversation: Conversation) -> Iterator[bytes]:
    """A conversation as one JSON object, message by message."""
    about = {
        "title": conversation.title,
        "account": conversation.account.name,
        "made_through": conversation.via,
        "created": conversation.created,
        "updated": conversation.updated,
    }
    yield _json(about)[:-2] + b',\n  "messages": ['
    messages = conversation.messages.select_related("recording").prefetch_related("attachments")
    between = b"\n"
    for message in every(messages, ("position", "created", "pk"), ROWS_AT_A_TIME):
        yield between + _json(_message(message))
        between = b",\n"
    yield b"\n]}\n"


def _message(message: Message) -> dict[str, Any]:
    recording = getattr(message, "recording", None)
    heard = recording.file.name if recording and recording.state == "ready" else ""
    return {
        "role": message.role,
        "kind": message.kind,
        "status": message.status,
        "created": message.created,
        "text": message.text,
        "unheard": message.unheard,
        "function": message.tool,
        "recording": _place(heard) if heard else None,
        "attachments": [_attachment(each) for each in message.attachments.all()],
    }


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "type": attachment.content_type,
        "size": attachment.size,
        "file": _place(attachment.file.name or ""),
    }


def _place(name: str) -> str:
    """The name of a stored file within its conversation's folder."""
    path = PurePosixPath(name)
    return f"{path.parts[0]}/{path.name}"


def _stored(name: str) -> Iterator[bytes]:
    try:
        with default_storage.open(name) as file:
            yield from file.chunks(READ)
    except FileNotFoundError:
        # Its row may be a moment older; an empty file says so well enough.
        return


def _json(value: Any) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False).encode()
