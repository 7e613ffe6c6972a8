"""What every template may need."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """Give templates `site_name` and whether sign-up is open."""
    return {"site_name": "NextVoice", "signup_open": settings.SIGNUP_OPEN}
