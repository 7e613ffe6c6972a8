"""Ends requests whose body is too large, before anything stores it.

Django stores a whole body, however long, before a view runs. So the bytes are counted in front of
it: 413 at once when the declared length is too large, otherwise when the limit is reached.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.template.loader import render_to_string

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MEGABYTE = 1024 * 1024
# Forms, and everything else that pages post.
USUAL = 8 * MEGABYTE
# What surrounds the file in a multipart body.
AROUND = 64 * 1024
UPLOAD = re.compile(r"/c/[0-9a-f-]{36}/attachments/")


class TooLarge(Exception):
    """The body has passed its limit."""


class BoundedBodies:
    """ASGI middleware in front of the pages."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        upload = UPLOAD.fullmatch(scope.get("path", "")) is not None
        most = settings.ATTACHMENT_MAX_MB * MEGABYTE + AROUND if upload else USUAL
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared(scope) > most:
            await _refuse(send, upload)
        else:
            await self._counted(scope, receive, send, most, upload)

    async def _counted(
        self, scope: Message, receive: Receive, send: Send, most: int, upload: bool
    ) -> None:
        left, begun = most, False

        async def counted() -> Mapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body") or b"")
            if left < 0:
                raise TooLarge
            return message

        async def noted(message: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except TooLarge:
            if not begun:
                await _refuse(send, upload)


def _declared(scope: Message) -> int:
    for name, value in scope.get("headers", ()):
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send, upload: bool) -> None:
    if upload:
        from chats.attachments.upload import refusal

        body, kind = refusal("too_large").content, "application/json"
    else:
        body = (await sync_to_async(render_to_string)("413.html")).encode()
        kind = "text/html; charset=utf-8"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        # The rest of the body is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
