#!/usr/bin/env python
"""Django's command line for NextVoice."""

import os
import sys


def main() -> None:
    """Run the command; what is wrong with the settings or the database is told in one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import Error

    from realtime.db import in_words
    from realtime.logs import hide_in_crashes

    hide_in_crashes()
    try:
        _ = settings.INSTALLED_APPS  # read now: each command would fail in a way of its own
    except ImproperlyConfigured as problem:
        sys.exit(str(problem))
    try:
        execute_from_command_line(sys.argv)
    except Error as problem:
        if (told := in_words(problem)) is None:
            raise
        sys.exit(told)


if __name__ == "__main__":
    main()
