"""Template context that every page may need."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

SITE_NAME = "NextVoice"


def site(request: HttpRequest) -> dict[str, Any]:
    """Give templates `site_name`, whether sign-up is open, and whether mail reaches people."""
    return {
        "site_name": SITE_NAME,
        "signup_open": settings.SIGNUP_OPEN,
        "sends_mail": settings.SENDS_MAIL,
    }
