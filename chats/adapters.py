"""How allauth behaves here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as asked
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest

from chats.context import SITE_NAME


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is closed unless `SIGNUP_OPEN` opens it; people are made in the admin."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send it in the site's own name, not its host's."""
        current = get_current_site(asked.request)
        current.name = SITE_NAME
        super().send_mail(template_prefix, email, {"current_site": current, **context})
