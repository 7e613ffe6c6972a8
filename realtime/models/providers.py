"""Providers and the models they offer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chats.models import Account, Membership
from realtime.bridge.dialects import DIALECTS
from realtime.features import check_features, usual_features
from realtime.sealing import seal, unseal

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from chats.models import User

# Stands for "the provider that runs beside this site".
EMBEDDED_URL = "embedded:"
# A model that ends within this time is flagged.
END_NEAR = timedelta(days=60)


def dialect_choices() -> list[tuple[str, str]]:
    """The dialects this version speaks, as Django choices."""
    return [(name, gettext(dialect.traits.label)) for name, dialect in DIALECTS.items()]


class Provider(models.Model):
    """A realtime service and how to reach it. Owned by the site, or by one account.

    `own` rows were entered by an account's people on its pages, not by the site's admins: they
    never reach private addresses or the embedded provider, and `OWN_PROVIDERS` can forbid them.
    Extra headers and query values may be secret, so they are sealed like the key; only their names
    are ever shown.
    """

    # Sealed columns; each is bound to this row and to its own place in it (see `sealed_for`).
    SEALED = ("sealed_key", "sealed_headers", "sealed_query")

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
    own = models.BooleanField(_("own key"), default=False, editable=False)
    accounts = models.ManyToManyField(
        Account,
        blank=True,
        related_name="+",
        verbose_name=_("only for"),
        help_text=_("Accounts that may use a provider of the site. None chosen: everybody."),
    )
    dialect = models.CharField(
        _("dialect"), max_length=40, choices=dialect_choices, default="openai_ga"
    )
    url = models.CharField(
        _("address"),
        max_length=500,
        help_text=_("wss://… of the realtime endpoint, or “embedded:” for the built-in one."),
    )
    organization = models.CharField(_("organisation"), max_length=120, blank=True)
    project = models.CharField(_("project"), max_length=120, blank=True)
    workspace = models.CharField(_("workspace"), max_length=120, blank=True)
    deployment = models.CharField(_("deployment"), max_length=120, blank=True)
    api_version = models.CharField(_("API version"), max_length=40, blank=True)
    sealed_headers = models.TextField(blank=True, editable=False)
    sealed_query = models.TextField(blank=True, editable=False)
    sealed_key = models.TextField(blank=True, editable=False)
    key_end = models.CharField(_("key ends in"), max_length=4, blank=True, editable=False)
    # Since when the service refuses the key; None once it accepted it again, or there is a new one.
    key_refused_at = models.DateTimeField(_("key refused"), null=True, blank=True, editable=False)
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
        if not self.url:
            return  # missing, or the form has said what is wrong with it
        if self.url != EMBEDDED_URL and not self.url.startswith(("ws://", "wss://")):
            raise ValidationError({"url": _("Enter an address that starts with wss:// or ws://.")})

    @property
    def embedded(self) -> bool:
        """Whether this is the provider that runs beside the site."""
        return self.url == EMBEDDED_URL

    @property
    def of_account(self) -> bool:
        """Whether it belongs to an account, which pays for it, and not to the site."""
        return self.account_id is not None

    @property
    def may_be_private(self) -> bool:
        """Whether it may be on this machine or in a private network."""
        return not self.own and (self.allow_private or self.embedded)

    def set_key(self, key: str) -> None:
        """Seal `key` for this row; only its last four characters stay readable."""
        key = key.strip()
        self.sealed_key = seal(key, self.sealed_for("sealed_key"))
        self.key_end = key[-4:] if len(key) >= 12 else ""
        self.key_refused_at = None

    def key(self) -> str:
        """Return the key in the clear, for the upstream connection only. Raises SealBroken."""
        return unseal(self.sealed_key, self.sealed_for("sealed_key"))

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Seal further headers of the handshake, by name."""
        self.sealed_headers = self._sealed_pairs("sealed_headers", headers)

    def headers(self) -> dict[str, str]:
        """Return the further headers, for the upstream connection only. Raises SealBroken."""
        return self._pairs("sealed_headers")

    def set_query(self, query: Mapping[str, str]) -> None:
        """Seal further parameters of the address, by name."""
        self.sealed_query = self._sealed_pairs("sealed_query", query)

    def query(self) -> dict[str, str]:
        """Return the further parameters, for the upstream connection only. Raises SealBroken."""
        return self._pairs("sealed_query")

    def sealed_for(self, field: str) -> str:
        """The owner that a sealed field is bound to: text sealed for another row or field does not
        open."""
        return str(self.pk) if field == "sealed_key" else f"{self.pk}/{field}"

    def _sealed_pairs(self, field: str, pairs: Mapping[str, str]) -> str:
        return seal(json.dumps(dict(pairs)) if pairs else "", self.sealed_for(field))

    def _pairs(self, field: str) -> dict[str, str]:
        text = unseal(getattr(self, field), self.sealed_for(field))
        pairs: dict[str, str] = json.loads(text) if text else {}
        return pairs


class VoiceModelQuerySet(models.QuerySet["VoiceModel"]):
    def available_to(self, user: User | AnonymousUser) -> VoiceModelQuerySet:
        """Models of the site's providers and of the person's accounts, the default first.

        For which of them a call takes, and who pays, see `realtime.providers.availability`.
        """
        if not user.is_authenticated or not user.is_active:
            return self.none()
        # Ids, for callers that ask about many people at once (`availability.who_may_use`).
        accounts = Membership.objects.filter(user=user.pk).values("account")
        # By key, so that a provider for several of the person's accounts is not listed twice.
        for_some = Provider.objects.filter(accounts__isnull=False).values("pk")
        for_mine = Provider.objects.filter(accounts__memberships__user=user.pk).values("pk")
        of_site = models.Q(provider__account__isnull=True) & (
            ~models.Q(provider__in=for_some) | models.Q(provider__in=for_mine)
        )
        of_mine = models.Q(provider__account__in=accounts) & own_allowed("provider__")
        return (
            self.filter(of_site | of_mine, enabled=True, provider__enabled=True)
            .select_related("provider")
            .order_by("-default", "provider__name", "name")
        )


def own_allowed(prefix: str = "") -> models.Q:
    """Providers that are not own keys, or own keys that the admins allow."""
    given = models.Q(**{f"{prefix}own": False})
    allowed = settings.OWN_PROVIDERS
    if allowed == "off":
        return given
    forbidden = AccountSettings.objects.filter(own_providers=False).values("account")
    own = ~models.Q(**{f"{prefix}account__in": forbidden})
    if allowed != "all":
        own &= models.Q(**{f"{prefix}account__owner__isnull": allowed == "accounts"})
    return given | own


def model_id(text: object) -> int | None:
    """The id of a model as pages write it; None if it is no id."""
    if not isinstance(text, str) or not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) < 19 else None


class VoiceModel(models.Model):
    """A realtime model of a provider and what it can do."""

    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="models", verbose_name=_("provider")
    )
    name = models.CharField(
        _("name"), max_length=120, help_text=_("As the provider spells it, such as gpt-realtime.")
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
        help_text=_("Always applied; what people write in their own options comes after it."),
    )
    features = models.JSONField(
        _("features"),
        default=usual_features,
        blank=True,
        help_text=_(
            "What the options of a call offer; leave out what the model lacks. "
            "turn_detection: list of “server_vad”, “semantic_vad”, “none” (hold to talk). "
            "text: true when it can answer in writing. images: true when it can be shown pictures. "
            "tools: true when it can call functions. instructions: true when it follows them. "
            "formats: list of “audio/pcm”, “audio/pcmu”, “audio/pcma”. "
            "noise_reduction: list of “near_field”, “far_field”. speed: [least, most]. "
            "transcription_models: list of names. languages: list of codes such as “en” that may "
            "be named as a hint. max_output_tokens: the most an answer can have."
        ),
    )
    context_tokens = models.PositiveIntegerField(
        _("context size"),
        null=True,
        blank=True,
        help_text=_("How many tokens of a conversation it can hold."),
    )
    ends = models.DateField(
        _("end date"),
        null=True,
        blank=True,
        help_text=_("When the provider switches it off, if that is known."),
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
            raise ValidationError({"voices": _("Enter a list of names, such as [“marin”].")})
        if (wrong := check_features(self.features)) is not None:
            raise ValidationError(
                {"features": _("“%(name)s” is not understood.") % {"name": wrong}}
            )

    @property
    def transcription_models(self) -> list[str]:
        """The transcription models that can be chosen, the default first."""
        usual = [self.transcription_model] if self.transcription_model else []
        others = self.features.get("transcription_models", [])
        return [*usual, *(name for name in others if name not in usual)]

    def end_state(self, today: date | None = None) -> str:
        """ "ended" once the provider has switched it off, "ending" within `END_NEAR`, else ""."""
        if self.ends is None:
            return ""
        day = today or timezone.localdate()
        if self.ends <= day:
            return "ended"
        return "ending" if self.ends - day <= END_NEAR else ""


class AccountSettings(models.Model):
    """What admins and managers decide about the calls of one account. Without a row: the
    defaults."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )
    own_providers = models.BooleanField(
        _("may bring own keys"),
        default=True,
        help_text=_("Whether its members may add providers with keys of their own."),
    )
    default_model = models.ForeignKey(
        VoiceModel,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("default model"),
        help_text=_("What a call uses when the person has not chosen."),
    )
    tools_off = models.JSONField(
        _("functions switched off"), default=list, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("account's call settings")
        verbose_name_plural = _("accounts' call settings")

    def __str__(self) -> str:
        return str(self.account)
