"""Middleware of ours: compressed pages, no null characters, and probes by any host name.

Pages that cannot reach their data are answered by `nextvoice.away`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.gzip import GZipMiddleware
from django.utils.decorators import sync_and_async_middleware

Answer = HttpResponseBase | Awaitable[HttpResponseBase]

ANY_HOST = {"/livez", "/readyz", "/metrics"}


class CompressedPages(GZipMiddleware):
    """Compresses whole HTML pages: they are a third of the bytes of a first visit.

    Recordings, exports and what programs ask for are left alone: parts of them are asked for, or
    they are compressed already. A page's tokens are masked and its length varies, so that the
    compressed size reveals nothing (BREACH).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not page:
            return response
        return super().process_response(request, response)


class Common(CommonMiddleware):
    """Django's, which refuses hosts that are not in ALLOWED_HOSTS, except for `ANY_HOST`: probes
    and Prometheus ask a process by its address. These answers do not depend on the name."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path_info in ANY_HOST else super().process_request(request)


@sync_and_async_middleware
def without_null(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Answer]:
    """Removes null characters from queries, and answers 404 to paths that have one: PostgreSQL
    takes them in no text, so a list or report that looked for one would be an error 500."""
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
