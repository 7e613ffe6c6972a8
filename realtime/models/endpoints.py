"""Hosts in our own network that providers may be reached at."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from realtime.bridge.guard import plain_host


def is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address."""
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False


class AllowedEndpoint(models.Model):
    """A host and port that the site's admins vouch for.

    Any provider with exactly this host and port in its address, own keys included, may be in a
    private network, without TLS and on another port than 443. Link-local and metadata addresses
    stay forbidden.
    """

    host = models.CharField(
        _("host"),
        max_length=253,
        help_text=_("A name or an IP address, as it stands in the provider's address."),
    )
    port = models.PositiveIntegerField(
        _("port"), default=443, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    note = models.CharField(_("note"), max_length=200, blank=True, help_text=_("What runs there."))
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("allowed endpoint")
        verbose_name_plural = _("allowed endpoints")
        ordering = ["host", "port"]
        constraints = [models.UniqueConstraint(fields=["host", "port"], name="endpoint_once")]

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def clean(self) -> None:
        host = plain_host(self.host.strip().removeprefix("[").removesuffix("]"))
        odd = any(sign in host for sign in "/@?#*% ") or not host.isascii()
        if not host or odd or (":" in host and not is_ipv6(host)):
            raise ValidationError(
                {"host": _("Enter a host alone, without a port: voice.example.org or 10.0.0.5.")}
            )
        self.host = host

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.host = plain_host(self.host)
        super().save(*args, **kwargs)
