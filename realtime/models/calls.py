"""Calls: the row that remains of each."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from chats.models import Account, Conversation
from realtime.models.providers import Provider


class CallRecord(models.Model):
    """The row of one call: who talked with what, for how long, and why it ended."""

    class State(models.TextChoices):
        CONNECTING = "connecting", _("Connecting")
        LIVE = "live", _("Live")
        ENDED = "ended", _("Ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.SET_NULL,
        null=True,
        related_name="calls",
        verbose_name=_("conversation"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="calls",
        verbose_name=_("person"),
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.SET_NULL,
        null=True,
        related_name="calls",
        verbose_name=_("account"),
    )
    provider = models.ForeignKey(
        Provider,
        on_delete=models.SET_NULL,
        null=True,
        related_name="calls",
        verbose_name=_("provider"),
    )
    # Set when a program made the call.
    token = models.ForeignKey(
        "ApiToken",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="calls",
        verbose_name=_("token"),
    )
    # Names are copied: the row outlives the provider and the model.
    provider_name = models.CharField(_("provider name"), max_length=80)
    model_name = models.CharField(_("model"), max_length=120)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.CONNECTING)
    end_reason = models.CharField(_("ended by"), max_length=32, blank=True)
    end_detail = models.CharField(_("detail"), max_length=500, blank=True)
    started = models.DateTimeField(_("started"))
    connected = models.DateTimeField(_("connected"), null=True, blank=True)
    ended = models.DateTimeField(_("ended"), null=True, blank=True)
    # From a monotonic clock, so that a clock set back makes no negative call.
    duration_ms = models.PositiveBigIntegerField(_("duration (ms)"), default=0)
    spoken_ms = models.PositiveBigIntegerField(_("person's audio (ms)"), default=0)
    answered_ms = models.PositiveBigIntegerField(_("assistant's audio (ms)"), default=0)
    # What an answer under way has used so far; the meter writes it in case the process dies.
    owing = models.JSONField(null=True, editable=False)
    # Which process it runs in.
    worker = models.CharField(_("worker"), max_length=80, blank=True)
    # Why it should end, for the call to read: the hint about it may get lost.
    end_asked = models.CharField(max_length=32, blank=True, editable=False)
    # A live row whose heartbeat is old belongs to a process that died.
    heartbeat = models.DateTimeField(_("last sign of life"))

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        ordering = ["-started"]
        permissions = [("supervise_calls", _("Can see live calls and hang them up"))]
        indexes = [
            models.Index(fields=["state", "heartbeat"]),
            models.Index(fields=["started"], name="call_started"),
            models.Index(fields=["user", "started"], name="call_user_started"),
            models.Index(fields=["account", "started"], name="call_account_started"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.model_name} · {self.started:%Y-%m-%d %H:%M}"
