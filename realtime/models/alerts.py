"""Budget alerts, and the notices they gave."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, validate_email
from django.db import models
from django.utils.translation import gettext_lazy as _

from chats.models import Account
from realtime.bridge.guard import Forbidden, check_url
from realtime.models.exact import ExactField
from realtime.sealing import seal, unseal

MOST_PERCENT = 1000


class BudgetAlert(models.Model):
    """Tells people by email, and programs by a webhook, when a level of a budget is reached: once
    per period.

    For an account, a person, or (with neither) the whole site. The budget is `amount` in the
    reporting currency, or what the quota of the same scope allows in the period.
    """

    SEALED: ClassVar = ("sealed_secret",)

    class Period(models.TextChoices):
        DAY = "day", _("Day")
        MONTH = "month", _("Month")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budget_alerts",
        verbose_name=_("account"),
        help_text=_("Neither an account nor a person: the whole site."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budget_alerts",
        verbose_name=_("person"),
    )
    period = models.CharField(_("period"), max_length=5, choices=Period, default=Period.MONTH)
    amount = ExactField(
        _("budget"),
        places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("In the currency of reports. Empty: what the quota allows."),
    )
    levels = models.CharField(
        _("levels"), max_length=100, default="50, 80, 100", help_text=_("Percent of the budget.")
    )
    emails = models.TextField(
        _("email addresses"),
        blank=True,
        help_text=_(
            "One per line. Empty: the account's managers, the person, or the site's "
            "administrators, unless there is a webhook."
        ),
    )
    webhook_url = models.CharField(
        _("webhook"), max_length=500, blank=True, help_text=_("https only, on a public address.")
    )
    sealed_secret = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("budget alert")
        verbose_name_plural = _("budget alerts")
        ordering = ["account__name", "user__username", "period"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(account=None) | models.Q(user=None), name="alert_of_one"
            )
        ]

    def __str__(self) -> str:
        whose = self.account or self.user or _("The whole site")
        return f"{whose} · {self.get_period_display()}"

    def clean(self) -> None:
        if self.account_id and self.user_id:
            # Raised for a field, or Django would add its own message about the constraint.
            raise ValidationError({"user": _("Choose an account or a person, not both.")})
        try:
            self.percents()
        except ValueError:
            raise ValidationError(
                {"levels": _("Enter percentages from 1 to 1000, such as 50, 80, 100.")}
            ) from None
        for address in self.addresses():
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(
                    {"emails": _("“%(text)s” is not an email address.") % {"text": address}}
                ) from None
        if self.amount == 0:
            raise ValidationError(
                {"amount": _("Enter more than 0, or nothing: what the quota allows.")}
            )
        if self.webhook_url:
            self._check_webhook()

    def _check_webhook(self) -> None:
        # Other ports and internal addresses need an operator's permission; whether there is one is
        # checked when something is sent.
        try:
            _host, _port, tls = check_url(self.webhook_url, True, ("http", "https"))
            if not tls or any(sign.isspace() for sign in self.webhook_url):
                raise Forbidden("not https, or no address", "bad_url")
        except Forbidden:
            raise ValidationError(
                {"webhook_url": _("Enter an address that starts with https://.")}
            ) from None

    def percents(self) -> list[int]:
        """The levels in rising order. Raises ValueError."""
        found = sorted({int(each) for each in self.levels.replace("%", "").split(",")})
        if not all(1 <= each <= MOST_PERCENT for each in found):
            raise ValueError(self.levels)
        return found

    def addresses(self) -> list[str]:
        """The email addresses in the field."""
        return self.emails.replace(",", " ").replace(";", " ").split()

    def began(self, now: datetime) -> date:
        """The first UTC day of the period that `now` is in."""
        today = now.astimezone(UTC).date()
        return today if self.period == self.Period.DAY else today.replace(day=1)

    def sealed_for(self, name: str) -> str:
        """The owner that a sealed column is bound to."""
        return f"budget-alert:{self.pk}:{name}"

    def set_secret(self, secret: str) -> None:
        """Seal the secret that webhooks are signed with."""
        self.sealed_secret = seal(secret, self.sealed_for("sealed_secret"))

    def secret(self) -> str:
        """The secret that webhooks are signed with. Raises SealBroken."""
        return unseal(self.sealed_secret, self.sealed_for("sealed_secret"))


class BudgetNotice(models.Model):
    """One level that was reached in one period, to be told on one channel."""

    class Channel(models.TextChoices):
        EMAIL = "email", _("Email")
        WEBHOOK = "webhook", _("Webhook")

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting to be sent")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        SKIPPED = "skipped", _("A higher level was told instead")

    alert = models.ForeignKey(BudgetAlert, on_delete=models.CASCADE, related_name="notices")
    channel = models.CharField(_("way"), max_length=7, choices=Channel)
    level = models.PositiveSmallIntegerField(_("level (%)"))
    period_began = models.DateField(_("period since"))
    spent = ExactField(_("spent"), places=12)
    budget = ExactField(_("budget"), places=6)
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_try = models.DateTimeField(_("next attempt"))
    error = models.CharField(_("error"), max_length=200, blank=True)
    created = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("budget notice")
        verbose_name_plural = _("budget notices")
        ordering = ["-created", "-level"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "channel", "level", "period_began"], name="told_once_a_period"
            )
        ]
        indexes = [models.Index(fields=["state", "next_try"], name="notice_due")]

    def __str__(self) -> str:
        return f"{self.alert} · {self.level} % · {self.period_began}"
