"""API tokens: how a program acts in a person's name, and the short-lived secrets made with them for
browsers."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Expression
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models import User
from realtime.models.providers import VoiceModel

TOKEN_START = "nv_"
SECRET_START = "ek_"
"""Official browser clients refuse keys that start otherwise."""
RANDOM_BYTES = 32
SHOWN = 9
"""How many characters of a token stay readable."""
USED_EVERY = timedelta(minutes=5)
"""How coarse `last_used` is, so that not every request writes."""


def digest(raw: str) -> str:
    """What is stored of a token. Without salt or stretching: 256 random bits need neither."""
    return hashlib.sha256(raw.encode("utf-8", "surrogateescape")).hexdigest()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime | Expression | None = None) -> Self:
        """Valid tokens: neither revoked nor expired, of an active person."""
        now = now or timezone.now()
        unexpired = models.Q(expires__isnull=True) | models.Q(expires__gt=now)
        return self.filter(unexpired, revoked__isnull=True, user__is_active=True)

    def find(self, raw: str) -> ApiToken | None:
        """The valid token with this text."""
        return self.valid().select_related("user", "model").filter(digest=digest(raw)).first()


class ApiTokenManager(models.Manager["ApiToken"]):
    def get_queryset(self) -> ApiTokenQuerySet:
        return ApiTokenQuerySet(self.model, using=self._db)

    def make(self, user: User, name: str, **fields: Any) -> tuple[ApiToken, str]:
        """A new token and its text, which is not stored."""
        raw = TOKEN_START + secrets.token_urlsafe(RANDOM_BYTES)
        token = self.create(user=user, name=name, start=raw[:SHOWN], digest=digest(raw), **fields)
        return token, raw


class ApiToken(models.Model):
    """A key with which a program makes calls in a person's name. Only its hash is stored."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        verbose_name=_("person"),
    )
    name = models.CharField(_("name"), max_length=80)
    start = models.CharField(_("starts with"), max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    model = models.ForeignKey(
        VoiceModel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="tokens",
        verbose_name=_("only this model"),
    )
    record = models.BooleanField(
        _("keep what is said"),
        default=True,
        help_text=_("Off: neither words nor audio are kept. What calls cost is kept all the same."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiTokenManager.from_queryset(ApiTokenQuerySet)()

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def expired(self) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= timezone.now()

    def used(self) -> None:
        """Note that it was used; roughly, so that not every request writes."""
        now = timezone.now()
        if self.last_used is None or now - self.last_used > USED_EVERY:
            self.last_used = now
            self.save(update_fields=["last_used"])

    def revoke(self) -> None:
        """Make it invalid for ever; its running calls end within seconds."""
        if self.revoked is None:
            self.revoked = timezone.now()
            self.save(update_fields=["revoked"])
        self.secrets.all().delete()


class ClientSecret(models.Model):
    """A short-lived key for a browser, made with a token. It limits when a session can begin, not
    how long it lasts."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    token = models.ForeignKey(
        ApiToken, on_delete=models.CASCADE, related_name="secrets", verbose_name=_("token")
    )
    # What a call made with it starts from: GA session fields.
    session = models.JSONField(_("session"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("client secret")
        verbose_name_plural = _("client secrets")
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.token} · {self.expires:%Y-%m-%d %H:%M}"

    @classmethod
    def make(
        cls, token: ApiToken, session: dict[str, Any], seconds: int
    ) -> tuple[ClientSecret, str]:
        """A new secret and its text. Expired ones are deleted."""
        now = timezone.now()
        cls.objects.filter(expires__lte=now).delete()
        raw = SECRET_START + secrets.token_urlsafe(RANDOM_BYTES)
        expires = now + timedelta(seconds=seconds)
        made = cls.objects.create(digest=digest(raw), token=token, session=session, expires=expires)
        return made, raw

    @classmethod
    def find(cls, raw: str) -> ClientSecret | None:
        """The secret with this text, if it and its token are still valid."""
        secret = (
            cls.objects.select_related("token__user", "token__model")
            .filter(digest=digest(raw), expires__gt=timezone.now())
            .filter(token__in=ApiToken.objects.valid())
            .first()
        )
        return secret
