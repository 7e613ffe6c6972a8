"""Test connection in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from realtime.models import Provider
from realtime.providers import connection_views

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Provider]
else:
    Base = object


class ConnectionTestAdmin(Base):
    """Adds `admin:realtime_provider_test`, for those who may change providers: GET shows the page,
    POST runs the test."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.test_view))
        ours = path("<uuid:pk>/test/", view, name="realtime_provider_test")
        return [ours, *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Run the test and show its steps."""
        provider = self.get_queryset(request).filter(pk=pk).first()
        if provider is None:
            raise Http404
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Test connection"),
            "subtitle": str(provider),
            "opts": self.opts,
        }
        template = "admin/realtime/provider/test.html"
        return connection_views.answer(request, provider, template, context, candid=True)
