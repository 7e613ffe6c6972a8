"""Mail by SMTP, where a server that is away or refuses is an error of its own.

The errors of connections are those of files and databases too; this one says what was going on.
"""

from __future__ import annotations

from collections.abc import Sequence
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend


class NotSent(OSError):
    """The mail server could not be reached, or did not take a mail; the text says which."""


class Mail(EmailBackend):
    """Django's, which raises NotSent."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        try:
            return super().send_messages(email_messages)
        except (SMTPException, OSError) as problem:
            raise NotSent(f"{type(problem).__name__}: {problem}") from problem
