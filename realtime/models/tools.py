"""Services whose functions the assistant may call: plugins, MCP servers, image generators."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from chats.models import Account
from realtime.outbound import Secret
from realtime.sealing import seal, unseal

MOST_PREFIX = 16
SEPARATOR = "__"


class ToolServiceQuerySet(models.QuerySet["ToolService"]):
    def of(self, account: Account) -> ToolServiceQuerySet:
        """Services that are on for an account: its own, and the site's that are for it."""
        # By key, so that a service for several accounts is not listed twice.
        through = ToolService.accounts.through.objects
        for_some = through.values("toolservice_id")
        for_it = through.filter(account=account.pk).values("toolservice_id")
        of_site = models.Q(account__isnull=True) & (
            ~models.Q(pk__in=for_some) | models.Q(pk__in=for_it)
        )
        return self.filter(models.Q(account=account.pk) | of_site, enabled=True)


class ToolService(models.Model):
    """A service and how it is reached. Owned by the site, or by one account.

    Its secret goes to the origin of its address only, is sealed, and is never shown.
    """

    # Sealed columns (see `realtime.rotation`).
    SEALED = ("sealed_secret",)

    class Kind(models.TextChoices):
        OPENAPI = "openapi", _("HTTP plugin (OpenAPI 3)")
        MCP = "mcp", _("MCP server")
        IMAGES = "images", _("Image generation (OpenAI-compatible)")

    class Auth(models.TextChoices):
        NONE = "none", _("Nothing")
        BEARER = "bearer", _("Authorization: Bearer …")
        HEADER = "header", _("A header of its own")
        QUERY = "query", _("A parameter of the address")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.OPENAPI)
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(
        _("prefix"),
        max_length=MOST_PREFIX,
        unique=True,
        blank=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9]*\Z", _("Use small letters and digits only."))],
        help_text=_(
            "Stands before the names of its functions, as in weather__forecast. Empty: from the "
            "name. It cannot be changed later."
        ),
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="tool_services",
        verbose_name=_("account"),
        help_text=_("Empty: the whole site may use it."),
    )
    accounts = models.ManyToManyField(
        Account,
        blank=True,
        related_name="+",
        verbose_name=_("only for"),
        help_text=_("Accounts that may use a service of the site. None chosen: everybody."),
    )
    url = models.CharField(_("address"), max_length=500, blank=True)
    document = models.TextField(_("document"), blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    auth = models.CharField(_("sends"), max_length=6, choices=Auth, default=Auth.NONE)
    auth_name = models.CharField(_("name of header or parameter"), max_length=80, blank=True)
    sealed_secret = models.TextField(blank=True, editable=False)
    passed_on = models.BooleanField(
        _("let the provider call it"),
        default=False,
        help_text=_(
            "For MCP servers: providers that can (OpenAI) call it themselves, and are given its "
            "address and secret. Others are offered its functions as usual."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    problems = models.JSONField(_("problems"), default=list, blank=True, editable=False)
    refreshed = models.DateTimeField(_("looked at"), null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ToolServiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("tool service")
        verbose_name_plural = _("tool services")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"], name="tool_service_name", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.auth in (self.Auth.HEADER, self.Auth.QUERY) and not self.auth_name:
            raise ValidationError({"auth_name": _("Enter the name of the header or parameter.")})

    def set_secret(self, secret: str) -> None:
        """Seal `secret` for this row; empty removes it."""
        self.sealed_secret = seal(secret, self.sealed_for("sealed_secret"))

    def secret(self) -> Secret:
        """The secret for each request, in the clear. Raises SealBroken."""
        text = unseal(self.sealed_secret, self.sealed_for("sealed_secret"))
        if not text or self.auth == self.Auth.NONE:
            return Secret()
        if self.auth == self.Auth.QUERY:
            return Secret(query={self.auth_name: text})
        if self.auth == self.Auth.HEADER:
            return Secret(headers={self.auth_name: text})
        return Secret(headers={"Authorization": f"Bearer {text}"})

    def sealed_for(self, field: str) -> str:
        """The owner that a sealed field is bound to."""
        return f"tool-service:{self.pk}:{field}"


class ToolFunction(models.Model):
    """One function of a service. It is offered to models once an admin has chosen it.

    `fingerprint`: of its description and parameters. When the service changes them, the function is
    not chosen any more until somebody has looked.
    """

    class State(models.TextChoices):
        NEW = "new", _("New")
        SEEN = "seen", _("Reviewed")
        CHANGED = "changed", _("Changed")
        GONE = "gone", _("Gone")

    service = models.ForeignKey(
        ToolService, on_delete=models.CASCADE, related_name="functions", verbose_name=_("service")
    )
    name = models.CharField(_("name"), max_length=46)
    description = models.TextField(_("description"), blank=True)
    parameters = models.JSONField(_("parameters"), default=dict)
    # How it is called: an operation's method, path and parameters, or {"tool": its own name}.
    call = models.JSONField(_("call"), default=dict)
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.NEW)
    chosen = models.BooleanField(_("may be used"), default=False)
    ask = models.BooleanField(
        _("ask first"), default=True, help_text=_("The person agrees to each use.")
    )
    last_error = models.CharField(_("last failure"), max_length=200, blank=True)
    last_failed = models.DateTimeField(_("failed"), null=True, blank=True)

    class Meta:
        verbose_name = _("function")
        verbose_name_plural = _("functions")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["service", "name"], name="tool_function_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def offered_name(self) -> str:
        """The name for models: unique in the whole site, at most 64 characters."""
        return f"{self.service.prefix}{SEPARATOR}{self.name}"

    @property
    def offer(self) -> dict[str, Any]:
        """It as a GA function tool."""
        return {
            "type": "function",
            "name": self.offered_name,
            "description": self.description,
            "parameters": self.parameters,
        }
