"""Null characters in addresses, which PostgreSQL takes in no text: a query is read without them,
and a path that has one leads nowhere. A list or report that looked for one would be an error 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def without_null(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Answer]:
    """Middleware: no view sees one."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            _clean(request)
            answered: HttpResponseBase = await get_response(request)
            return answered

        return answer_later

    def answer(request: HttpRequest) -> HttpResponseBase:
        _clean(request)
        answered: HttpResponseBase = get_response(request)
        return answered

    return answer


def _clean(request: HttpRequest) -> None:
    if "\0" in request.path_info:
        raise Http404
    query = request.META.get("QUERY_STRING", "")
    if "%00" in query:
        request.META["QUERY_STRING"] = query.replace("%00", "")
