"""Error pages and error mails without secrets, even with DEBUG."""

from __future__ import annotations

import re
from types import FrameType
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from realtime.bridge.redact import HIDDEN, KEY_LIKE

SECRET_NAME = re.compile(r"key|secret|token|pass|auth|seal|cookie|header|query|environ", re.I)


class Filter(SafeExceptionReporterFilter):
    """Hides whatever is named like a secret, in settings, fields and variables alike."""

    hidden_settings = SECRET_NAME

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        if request is None:
            return {}
        return {
            name: self.cleansed_substitute if SECRET_NAME.search(name) else value
            for name, value in request.POST.items()
        }

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> Any:
        return [
            (name, self.cleansed_substitute if SECRET_NAME.search(name) else value)
            for name, value in super().get_traceback_frame_variables(request, tb_frame)
        ]


class Reporter(ExceptionReporter):
    """Also removes, wherever they appear, values that were posted in secret fields and anything
    that looks like a provider's key."""

    def get_traceback_html(self) -> SafeString:
        return self._without_secrets(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        return self._without_secrets(super().get_traceback_text())

    def _without_secrets(self, text: str) -> SafeString:
        for secret in self._posted():
            for form in (secret, escape(secret), repr(secret)[1:-1], quote(secret, safe="")):
                text = text.replace(form, HIDDEN)
        return mark_safe(KEY_LIKE.sub(HIDDEN, text))  # as safe as it was

    def _posted(self) -> list[str]:
        if self.request is None or not hasattr(self.request, "_post"):
            return []  # not read, so not anywhere else
        posted = self.request.POST.items()
        found = {str(value).strip() for name, value in posted if SECRET_NAME.search(name)}
        return sorted((each for each in found if len(each) >= 6), key=len, reverse=True)
