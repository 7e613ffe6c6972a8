"""Files that are generated while they are sent, so that a long one takes no more memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connection
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from chats import audit


def sent(request: HttpRequest, pieces: Iterator[bytes], name: str, kind: str, action: str) -> Any:
    """The pieces as a download that is generated while it is sent. `action`: its name in the audit
    trail."""
    if request.method == "GET":
        audit.record(action, actor=request.user, target=name, request=request)
    streamed: Any = _awaited(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(streamed, content_type=kind)
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    take = sync_to_async(_next)
    while (piece := await take(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return next(pieces, None)
    finally:
        let_go()


def let_go() -> None:
    """Give this thread's database connection back while the download is sent, perhaps slowly: there
    are few. A connection to SQLite's file is not shared and stays."""
    if connection.vendor != "sqlite":
        close_old_connections()
