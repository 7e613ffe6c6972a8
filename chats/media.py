"""Private files over HTTP, with the Range requests that browsers seek by (RFC 9110, section 14)."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

from asgiref.sync import sync_to_async
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from chats.downloads import let_go
from chats.models import Recording
from chats.spool import StoreAway

CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@require_safe
async def recording(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The audio of one recording: 200, 206 for a Range, 416 outside it, 404 for strangers."""
    user = await request.auser()
    found = await Recording.objects.visible_to(user).filter(pk=pk, state="ready").afirst()
    if found is None:
        raise Http404
    response = await served(request, found.file, found.content_type)
    response["Content-Disposition"] = f'inline; filename="{found.pk}.mp3"'
    return response


async def served(request: HttpRequest, stored: FieldFile, kind: str) -> HttpResponseBase:
    """A stored file of this content type, or the requested `Range` of it. Raises Http404 when it is
    gone and `StoreAway`, which `nextvoice.away` answers, when the store cannot be reached."""
    try:
        file = await sync_to_async(stored.open, thread_sensitive=False)("rb")
        size = await sync_to_async(lambda: stored.size, thread_sensitive=False)()
    except StoreAway:
        raise
    except OSError:
        raise Http404 from None
    response = ranged(request, cast(BinaryIO, file), size)
    response["Content-Type"] = kind
    response["X-Content-Type-Options"] = "nosniff"
    # It never changes, but only this person's browser may cache it.
    patch_cache_control(response, private=True, max_age=3600)
    return response


def ranged(request: HttpRequest, file: BinaryIO, size: int) -> HttpResponseBase:
    """Answer `request` with the requested part of `file`, `size` bytes long; closes the file
    afterwards."""
    asked = request.headers.get("Range", "")
    span = asked_span(asked, size)
    if span is None:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, end = span
    partial = (start, end) != (0, size) or bool(asked and _RANGE.fullmatch(asked.strip()))
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=206 if partial else 200, headers=headers)
    return StreamingHttpResponse(
        _part(file, start, end), status=206 if partial else 200, headers=headers
    )


def asked_span(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, end) in bytes for a Range header, end exclusive; None is "not satisfiable".

    A header that is absent, malformed or names several ranges means the whole file, as the RFC
    lets a server do.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", "") or max(map(len, match.groups())) > 18:
        return 0, size
    first, last = match.groups()
    if first == "":
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    if start >= size or (last and int(last) < start):
        return None
    return start, min(int(last) + 1, size) if last else size


async def _part(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    read = sync_to_async(file.read, thread_sensitive=False)
    try:
        await sync_to_async(let_go)()
        await sync_to_async(file.seek, thread_sensitive=False)(start)
        while start < end:
            chunk = await read(min(CHUNK, end - start))
            if not chunk:
                return
            start += len(chunk)
            yield chunk
    finally:
        file.close()
