"""Answers 503 and “try again” while the database, the object store or the mail server is away."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults

from chats.spool import StoreAway
from nextvoice.mail import NotSent
from realtime.db import is_away
from realtime.logs import why

outage = logging.getLogger("nextvoice.outage")

AGAIN_SECONDS = "5"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Pages(MiddlewareMixin):
    """Middleware for views that cannot reach their data."""

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """The answer, if that is the problem."""
        if isinstance(problem, NotSent):
            outage.error("a mail could not be sent: %s", problem)
            return HttpResponse(render_to_string("503_mail.html"), status=503)
        away = is_away(problem) or isinstance(problem, StoreAway)
        return answer(request, problem) if away else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler for errors outside of views, such as in a middleware."""
    problem = sys.exc_info()[1]
    if problem is not None and is_away(problem):
        return answer(request, problem)
    return defaults.server_error(request)


def answer(request: HttpRequest, problem: BaseException) -> HttpResponse:
    """503, as a page, or as JSON for programs."""
    outage.warning("a page could not reach its data: %s", why(problem))
    response: HttpResponse
    if request.path.startswith("/v1/") or not request.accepts("text/html"):
        error = {"type": "server_error", "code": "unavailable", "message": "Try again in a moment."}
        response = JsonResponse({"error": error}, status=503)
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = AGAIN_SECONDS
    return response


class Sockets:
    """ASGI middleware: answers 503 where the person of a socket cannot be looked up."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as problem:
            if not is_away(problem):
                raise
            outage.warning("a socket could not reach the database: %s", why(problem))
            if not begun:
                await _refuse(scope, send)


async def _refuse(scope: Message, send: Send) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1013})
        return
    headers = [(b"retry-after", AGAIN_SECONDS.encode())]
    start = {"type": "websocket.http.response.start", "status": 503, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b""})
