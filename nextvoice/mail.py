"""Mail by SMTP, with an error of its own when the server is away or refuses.

Connection errors could as well be those of files and databases; this one says what was being done.
"""

from __future__ import annotations

from collections.abc import Sequence
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend


class NotSent(OSError):
    """The mail server could not be reached, or did not accept a mail; the text says which."""


class Mail(EmailBackend):
    """Django's backend, which raises NotSent."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        try:
            return super().send_messages(email_messages)
        except (SMTPException, OSError) as problem:
            raise NotSent(f"{type(problem).__name__}: {problem}") from problem
