"""Providers and the models they offer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from chats.models import Account
from realtime.bridge.dialects import DIALECTS
from realtime.features import check_features, usual_features
from realtime.sealing import seal, unseal

if TYPE_CHECKING:
    from chats.models import User

# The address that stands for "the provider that runs beside this site".
EMBEDDED_URL = "embedded:"


def dialect_choices() -> list[tuple[str, str]]:
    """The dialects this version speaks, as Django choices."""
    return [(name, name) for name in sorted(DIALECTS)]


class Provider(models.Model):
    """A realtime service and how to reach it. Owned by the site, or by one account."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=80)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="providers",
        verbose_name=_("account"),
        help_text=_("Empty: the whole site may use it."),
    )
    dialect = models.CharField(
        _("dialect"), max_length=40, choices=dialect_choices, default="openai_ga"
    )
    url = models.CharField(
        _("address"),
        max_length=500,
        help_text=_("wss://… of the realtime endpoint, or “embedded:” for the built-in one."),
    )
    sealed_key = models.TextField(blank=True, editable=False)
    key_end = models.CharField(_("key ends in"), max_length=4, blank=True, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    allow_private = models.BooleanField(
        _("may be inside the network"),
        default=False,
        help_text=_("Allow an address on this machine or in a private network."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"], name="provider_name", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name, self.url = self.name.strip(), self.url.strip()
        if self.url != EMBEDDED_URL and not self.url.startswith(("ws://", "wss://")):
            raise ValidationError({"url": _("Write an address that starts with wss:// or ws://.")})

    @property
    def embedded(self) -> bool:
        """Whether this is the provider that runs beside the site."""
        return self.url == EMBEDDED_URL

    def set_key(self, key: str) -> None:
        """Seal `key` for this row; only its last four characters stay readable."""
        key = key.strip()
        self.sealed_key = seal(key, str(self.pk))
        self.key_end = key[-4:] if len(key) >= 12 else ""

    def key(self) -> str:
        """Return the key in the clear, for the upstream connection only. Raises SealBroken."""
        return unseal(self.sealed_key, str(self.pk))


class VoiceModelQuerySet(models.QuerySet["VoiceModel"]):
    def available_to(self, user: User) -> VoiceModelQuerySet:
        """Models of the site's providers and of the person's accounts, the default first."""
        mine = models.Q(provider__account__isnull=True) | models.Q(
            provider__account__in=Account.objects.of(user).values("pk")
        )
        return (
            self.filter(mine, enabled=True, provider__enabled=True)
            .select_related("provider")
            .order_by("-default", "provider__name", "name")
        )


class VoiceModel(models.Model):
    """A realtime model of a provider and what it can do."""

    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="models", verbose_name=_("provider")
    )
    name = models.CharField(
        _("name"), max_length=120, help_text=_("As the provider writes it, such as gpt-realtime.")
    )
    label = models.CharField(_("label"), max_length=120, blank=True)
    voices = models.JSONField(
        _("voices"), default=list, blank=True, help_text=_("Names, the default first.")
    )
    transcription_model = models.CharField(
        _("transcription model"),
        max_length=120,
        blank=True,
        help_text=_("Writes down what the person says; empty turns it off."),
    )
    instructions = models.TextField(
        _("instructions"),
        blank=True,
        help_text=_("Always in force; what people ask of a voice in its options comes after it."),
    )
    features = models.JSONField(
        _("features"),
        default=usual_features,
        blank=True,
        help_text=_(
            "What the options of a call offer; leave out what the model lacks. "
            "turn_detection: list of “server_vad”, “semantic_vad”, “none” (hold to talk). "
            "text: true when it can answer in writing. instructions: true when it follows them. "
            "noise_reduction: list of “near_field”, “far_field”. speed: [least, most]. "
            "transcription_models: list of names. languages: list of codes such as “en” that may "
            "be named as a hint. max_output_tokens: the most an answer can have."
        ),
    )
    default = models.BooleanField(_("default"), default=False)
    enabled = models.BooleanField(_("enabled"), default=True)

    objects = VoiceModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("voice model")
        verbose_name_plural = _("voice models")
        ordering = ["provider", "name"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="model_name")]

    def __str__(self) -> str:
        return self.label or self.name

    def clean(self) -> None:
        self.name = self.name.strip()
        if not isinstance(self.voices, list) or not all(isinstance(v, str) for v in self.voices):
            raise ValidationError({"voices": _("Write a list of names, such as [“marin”].")})
        if (wrong := check_features(self.features)) is not None:
            raise ValidationError(
                {"features": _("“%(name)s” is not understood.") % {"name": wrong}}
            )

    @property
    def transcription_models(self) -> list[str]:
        """What may write down a person's words, the usual one first."""
        usual = [self.transcription_model] if self.transcription_model else []
        others = self.features.get("transcription_models", [])
        return [*usual, *(name for name in others if name not in usual)]
