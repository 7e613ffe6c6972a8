"""The site's settings plus this app."""

from nextvoice.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.e2e.drawing.apps.Drawing"]  # noqa: F405
