"""Registers the functions when the site starts, like the site's own."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class Drawing(AppConfig):
    """The app."""

    name = "tests.e2e.drawing"
    label = "drawing"

    def ready(self) -> None:
        import_module("tests.e2e.drawing.tools")
