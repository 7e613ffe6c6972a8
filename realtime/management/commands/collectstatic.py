"""Django's own command, which reports in one line where it cannot write."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands import collectstatic
from django.core.management.base import CommandError


class Command(collectstatic.Command):
    def handle(self, **options: Any) -> str | None:
        try:
            told: str | None = super().handle(**options)
        except OSError as problem:
            raise CommandError(
                f"STATIC_ROOT: {settings.STATIC_ROOT} cannot have the static files: {problem}."
                " Name a folder that can be written, or leave it out."
            ) from None
        return told
