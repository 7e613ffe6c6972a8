#!/usr/bin/env python
"""Django's command line for NextVoice."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    from django.core.management import execute_from_command_line

    from realtime.logs import hide_in_crashes

    hide_in_crashes()
    execute_from_command_line(sys.argv)
