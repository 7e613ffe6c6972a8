"""Serves attachments to those who may see them, and deletes them."""

from __future__ import annotations

import uuid

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from chats.media import served
from chats.models import Attachment

# A file opened by itself may neither run scripts nor fetch anything, whatever a browser takes it
# for.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@require_safe
async def attachment(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The file: a picture to be shown, a document (or `?download`) to be saved."""
    found = await _visible(request, pk)
    response = await _served(request, found.file, found.content_type)
    saved = found.kind != Attachment.Kind.IMAGE or "download" in request.GET
    response["Content-Disposition"] = content_disposition_header(saved, found.name) or "attachment"
    return response


@require_safe
async def thumbnail(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The thumbnail."""
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
    response = await served(request, stored, kind)
    response["Content-Security-Policy"] = POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
