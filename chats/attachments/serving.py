"""Gives attachments back, to those who may see them, and takes them away."""

from __future__ import annotations

import uuid
from typing import BinaryIO, cast

from asgiref.sync import sync_to_async
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from chats.media import ranged
from chats.models import Attachment
from chats.spool import StoreAway

# A file opened by itself may neither run nor fetch anything, whatever a browser takes it for.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@require_safe
async def attachment(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The file: a picture to be looked at, a document (or `?download`) to be saved."""
    found = await _visible(request, pk)
    response = await _served(request, found.file, found.content_type)
    saved = found.kind != Attachment.Kind.IMAGE or "download" in request.GET
    response["Content-Disposition"] = content_disposition_header(saved, found.name) or "attachment"
    return response


@require_safe
async def thumbnail(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The small picture."""
    found = await _visible(request, pk)
    if not found.thumbnail:
        raise Http404
    response = await _served(request, found.thumbnail, "image/webp")
    response["Content-Disposition"] = "inline"
    return response


@require_POST
async def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Remove an attachment and its files for good."""
    found = await _visible(request, pk)
    await found.adelete()
    return HttpResponse(status=204)


async def _visible(request: HttpRequest, pk: uuid.UUID) -> Attachment:
    user = await request.auser()
    found = await Attachment.objects.visible_to(user).filter(pk=pk).afirst()
    if found is None:
        raise Http404
    return found


async def _served(request: HttpRequest, stored: FieldFile, kind: str) -> HttpResponseBase:
    try:
        file = await sync_to_async(stored.open, thread_sensitive=False)("rb")
        size = await sync_to_async(lambda: stored.size, thread_sensitive=False)()
    except StoreAway:
        raise  # which is answered by `nextvoice.away`
    except OSError:
        raise Http404 from None
    response = ranged(request, cast(BinaryIO, file), size)
    response["Content-Type"] = kind
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    # It never changes, but only this person may keep a copy of it.
    patch_cache_control(response, private=True, max_age=3600)
    return response
