"""Probes and Prometheus ask a process by its address, which is no name in ALLOWED_HOSTS."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

ANY_HOST = {"/livez", "/readyz", "/metrics"}
"""Nothing in what these answer depends on the name."""


class Common(CommonMiddleware):
    """Django's, which refuses unknown hosts, but for these pages."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """What is refused, or led elsewhere."""
        return None if request.path_info in ANY_HOST else super().process_request(request)
