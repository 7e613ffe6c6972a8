"""People and the accounts that pay for them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person who signs in. Everybody gets an account of their own on the first save."""

    # How new conversations are talked in; see `realtime`.
    call_settings = models.JSONField(_("call settings"), default=dict, blank=True, editable=False)

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            super().save(*args, **kwargs)
            Account.objects.own(self)

    @classmethod
    def admins(cls) -> models.QuerySet[User]:
        """The people who can administer all of the site."""
        return cls.objects.filter(is_active=True, is_staff=True, is_superuser=True)


class AccountManager(models.Manager["Account"]):
    def own(self, user: User) -> Account:
        """Return the person's own account, making it (and its membership) when it is absent."""
        account, made = self.get_or_create(
            owner=user,
            defaults={
                "name": user.get_username()[:120],
                "slug": f"{slugify(user.get_username())[:60] or 'person'}-{user.pk}",
            },
        )
        if made:
            Membership.objects.create(account=account, user=user, role=Membership.Role.MANAGER)
        return account

    def of(self, user: User) -> models.QuerySet[Account]:
        """Accounts the person is a member of, their own first."""
        return (
            self.filter(memberships__user=user)
            .annotate(mine=models.Case(models.When(owner=user, then=0), default=1))
            .order_by("mine", "name")
        )


class Account(models.Model):
    """Who pays: a team, or one person's own (`owner` set)."""

    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("slug"), max_length=80, unique=True)
    owner = models.OneToOneField(
        User,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="own_account",
        help_text=_("Set for one person's own account, empty for a team."),
    )
    members = models.ManyToManyField(
        User, through="Membership", related_name="accounts", verbose_name=_("members")
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    # See `chats.retention`.
    keep_audio_days = models.PositiveSmallIntegerField(
        _("keep recordings (days)"),
        null=True,
        blank=True,
        help_text=_("0: forever. Empty: as the site's setting KEEP_AUDIO_DAYS says."),
    )
    keep_text_days = models.PositiveSmallIntegerField(
        _("keep conversations (days)"),
        null=True,
        blank=True,
        help_text=_(
            "What was said and attached, with its recordings. 0: forever. Empty: as the site's "
            "setting KEEP_TEXT_DAYS says."
        ),
    )

    objects = AccountManager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's place in an account."""

    class Role(models.TextChoices):
        MEMBER = "member", _("Member")
        MANAGER = "manager", _("Manager")

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("account")
    )
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("person")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="one_membership_each")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.account}"
