"""The site's settings with the app of these functions."""

from nextvoice.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.e2e.drawing.apps.Drawing"]  # noqa: F405
