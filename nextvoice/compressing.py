"""Pages are sent compressed: they are a third of the bytes of a first visit, and no cache has them.

Recordings, exports and what programs ask for are not: parts of them are asked for, or they are
compressed already. Tokens in a page are masked and its length is varied, so that it tells nothing.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class Pages(GZipMiddleware):
    """Django's, for whole HTML pages alone."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The same page, compressed where the browser knows how to undo that."""
        page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not page:
            return response
        return super().process_response(request, response)
