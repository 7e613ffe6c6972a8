"""What accounts, people and the whole site may use, and the places that running calls take."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from chats.models import Account
from realtime.models.exact import ExactField

NOT_NEGATIVE = MinValueValidator(0)
AT_LEAST_ONE = MinValueValidator(1)


class Quota(models.Model):
    """Limits of one account, of one person, or (with neither) of the site. Empty: no limit.

    Days and months are UTC's. If several apply to a call, the tightest wins. The site's money
    limits apply to its own providers only; those of an account or a person to all.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("account"),
        help_text=_("Neither an account nor a person: the quota of the whole site."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="quotas",
        verbose_name=_("person"),
    )
    money_per_day = ExactField(
        _("money per day"),
        places=6,
        null=True,
        blank=True,
        validators=[NOT_NEGATIVE],
        help_text=_("In the currency of reports."),
    )
    money_per_month = ExactField(
        _("money per month"), places=6, null=True, blank=True, validators=[NOT_NEGATIVE]
    )
    minutes_per_day = models.PositiveIntegerField(_("minutes per day"), null=True, blank=True)
    calls_at_once = models.PositiveIntegerField(_("calls at once"), null=True, blank=True)
    call_minutes = models.PositiveIntegerField(
        _("longest call (minutes)"), null=True, blank=True, validators=[AT_LEAST_ONE]
    )
    idle_minutes = models.PositiveIntegerField(
        _("idle minutes"),
        null=True,
        blank=True,
        validators=[AT_LEAST_ONE],
        help_text=_("A call in which nobody says anything for this long is ended."),
    )
    unpriced_allowed = models.BooleanField(
        _("models without a price"),
        default=False,
        help_text=_(
            "Allow models without a price even where money is limited. What they cost cannot be "
            "counted."
        ),
    )

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        ordering = ["account__name", "user__username"]
        constraints = [
            # An expression, since in SQLite NULLs differ from each other.
            models.UniqueConstraint(Coalesce("account", 0), Coalesce("user", 0), name="one_quota"),
            models.CheckConstraint(
                condition=models.Q(account=None) | models.Q(user=None), name="quota_of_one"
            ),
        ]

    def __str__(self) -> str:
        return str(self.account or self.user or _("The whole site"))

    def clean(self) -> None:
        # Raised for a field each, or Django would add its own message about the constraint.
        if self.account_id and self.user_id:
            raise ValidationError({"user": _("Choose an account or a person, not both.")})
        same = Quota.objects.filter(account=self.account, user=self.user)
        if same.exclude(pk=self.pk).exists():
            field = "user" if self.user_id else "account"
            raise ValidationError({field: _("There is already a quota for this: change that one.")})

    @property
    def scope(self) -> str:
        """`site`, `account` or `person`."""
        if self.account_id:
            return "account"
        return "person" if self.user_id else "site"

    @property
    def limits_money(self) -> bool:
        """Whether it limits money at all."""
        return self.money_per_day is not None or self.money_per_month is not None


class Lease(models.Model):
    """The place a running call takes. One without a recent heartbeat belongs to a dead process, and
    does not count."""

    call_id = models.UUIDField(_("call"), primary_key=True)
    account_id = models.BigIntegerField(_("account id"))
    user_id = models.BigIntegerField(_("person id"))
    # What it will cost beyond what is in the ledger, in the reporting currency.
    reserved = ExactField(_("reserved"), places=12, default=0)
    # Over a provider of the account's own: none of the site's money.
    own = models.BooleanField(_("over their own provider"), default=False)
    began = models.DateTimeField(_("began"))
    heartbeat = models.DateTimeField(_("last sign of life"), db_index=True)

    class Meta:
        verbose_name = _("place of a running call")
        verbose_name_plural = _("places of running calls")
        ordering = ["began"]

    def __str__(self) -> str:
        return str(self.call_id)
