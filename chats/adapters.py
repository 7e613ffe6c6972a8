"""How allauth behaves on this site."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as asked
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest

from chats.context import SITE_NAME

outage = logging.getLogger("nextvoice.outage")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is closed unless `SIGNUP_OPEN` opens it; people are created in the admin."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send it in the name of the site, not of its host."""
        current = get_current_site(asked.request)
        current.name = SITE_NAME
        super().send_mail(template_prefix, email, {"current_site": current, **context})

    def send_confirmation_mail(self, request: HttpRequest, confirmation: Any, signup: bool) -> None:
        """The account exists by now, and its owner can ask for this mail again."""
        try:
            super().send_confirmation_mail(request, confirmation, signup)
        except OSError as problem:
            if not signup:
                raise
            outage.error("a mail could not be sent: %s", problem)
