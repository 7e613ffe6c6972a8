"""What calls cost: prices, exchange rates, the ledger and its daily sums."""

from __future__ import annotations

import uuid
from datetime import date
from operator import attrgetter
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from realtime.models.exact import ExactField
from realtime.models.providers import Provider, dialect_choices
from realtime.money.pricing import PRICE_PLACES, Prices, lacking
from realtime.money.usage import MEASURES, Counts

CURRENCY = RegexValidator(r"\A[A-Z]{3}\Z", _("Enter three capital letters, such as USD."))
NOT_NEGATIVE = MinValueValidator(0)
_measures = attrgetter(*MEASURES)


SANE = range(2000, 2200)
"""Plausible years. Time zones and sums of days need some room before the first and after the last
possible year."""


def check_sane(since: date) -> None:
    """Raise ValidationError for a day that nobody can mean."""
    if since.year not in SANE:
        years = {"first": SANE[0], "last": SANE[-1]}
        words = _("Enter a day of the years %(first)d to %(last)d.") % years
        raise ValidationError({"since": words})


class Price(models.Model):
    """What a model costs from a day on. A change is a new row: the past keeps its price.

    Which row counts: an admin's before a seeded one, the provider's before a general one, a name
    before a pattern, then the newest that has begun. See `money.prices`.
    """

    class Kind(models.TextChoices):
        REALTIME = "realtime", _("Talking")
        TRANSCRIPTION = "transcription", _("Transcription")

    class Source(models.TextChoices):
        SEED = "seed", _("Came with NextVoice")
        ADMIN = "admin", _("Set here")

    provider = models.ForeignKey(
        Provider,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="prices",
        verbose_name=_("provider"),
        help_text=_("Empty: every provider of the dialect."),
    )
    dialect = models.CharField(
        _("dialect"),
        max_length=40,
        blank=True,
        choices=dialect_choices,
        help_text=_("Empty: all of them."),
    )
    model = models.CharField(
        _("model"),
        max_length=120,
        help_text=_("As the provider spells it. A * stands for any letters, such as gemini-3.8-*."),
    )
    kind = models.CharField(_("for"), max_length=13, choices=Kind, default=Kind.REALTIME)
    since = models.DateTimeField(_("since"), default=now)
    currency = models.CharField(_("currency"), max_length=3, default="USD", validators=[CURRENCY])
    source = models.CharField(
        _("source"), max_length=5, choices=Source, default=Source.ADMIN, editable=False
    )
    note = models.CharField(_("note"), max_length=200, blank=True)

    @staticmethod
    def _rate(label: Any, places: int = PRICE_PLACES, help_text: Any = "") -> Any:
        return ExactField(
            label,
            places=places,
            null=True,
            blank=True,
            validators=[NOT_NEGATIVE],
            help_text=help_text,
        )

    text_in = _rate(_("text in"), help_text=_("Rates of tokens are per million."))
    text_cached = _rate(_("text in, cached"), help_text=_("Empty: as what is not cached."))
    text_out = _rate(_("text out"))
    audio_in = _rate(_("audio in"), help_text=_("Empty: as text."))
    audio_cached = _rate(_("audio in, cached"))
    audio_out = _rate(_("audio out"), help_text=_("Empty: as text."))
    image_in = _rate(_("images in"), help_text=_("Empty: as text."))
    image_cached = _rate(_("images in, cached"))
    per_minute = _rate(_("per minute"), 12, _("Of connected time, or of transcribed audio."))
    per_million_characters = _rate(_("per million characters"), help_text=_("Of spoken answers."))
    per_message = _rate(_("per text message"), 12)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["model", "-since"]
        indexes = [models.Index(fields=["kind", "model"])]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "kind", "dialect", "since", "source"],
                condition=models.Q(provider=None),
                name="general_price",
            ),
            models.UniqueConstraint(
                fields=["provider", "model", "kind", "dialect", "since", "source"],
                condition=models.Q(provider__isnull=False),
                name="own_price",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.get_kind_display()}, {self.currency})"

    def clean(self) -> None:
        self.model = self.model.strip()
        self._check_since()
        if self.provider is not None and self.dialect not in ("", self.provider.dialect):
            # It would never be used.
            words = _("This provider uses another dialect: choose that, or none.")
            raise ValidationError({"dialect": words})
        if all(rate is None for rate in self.prices().rates().values()):
            raise ValidationError(_("Enter at least one rate. 0 means that it is free."))

    def _check_since(self) -> None:
        if not self.since:
            return  # the form says so
        check_sane(self.since.date())
        own = {name: getattr(self, name) for name in ("model", "kind", "dialect", "source")}
        same = Price.objects.filter(provider=self.provider, since=self.since, **own)
        if same.exclude(pk=self.pk).exists():
            raise ValidationError(
                {"since": _("This model already has a price from then on: change that one.")}
            )

    def prices(self) -> Prices:
        """The rates, as `realtime.money.pricing` takes them."""
        return prices_of(self)

    def lacking(self) -> str:
        """A warning about missing rates, without which usual answers stay unpriced; "" if none is
        missing."""
        missing = lacking(self.prices()) if self.kind == self.Kind.REALTIME else ()
        if not missing:
            return ""
        words = gettext("Ordinary answers would have no price. Missing: %(rates)s.")
        return words % {"rates": ", ".join(missing)}


def prices_of(row: Any) -> Prices:
    """The rates of a row that has columns of these names."""
    rates = {name: getattr(row, name) for name in Prices().rates()}
    return Prices(**rates, currency=row.currency)


class ExchangeRate(models.Model):
    """What one unit of a currency is worth in the site's reporting currency, from a day on."""

    currency = models.CharField(_("currency"), max_length=3, validators=[CURRENCY])
    into = models.CharField(
        _("into"),
        max_length=3,
        validators=[CURRENCY],
        help_text=_("The currency of reports and quotas; see the setting REPORTING_CURRENCY."),
    )
    since = models.DateField(_("since"))
    rate = ExactField(_("rate"), places=12, validators=[NOT_NEGATIVE])

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        ordering = ["currency", "-since"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "into", "since"], name="one_rate_a_day")
        ]

    def __str__(self) -> str:
        return f"1 {self.currency} = {self.rate.normalize():f} {self.into}"

    def clean(self) -> None:
        if self.since:
            check_sane(self.since)
        if self.rate == 0:
            raise ValidationError({"rate": _("Enter more than 0.")})
        if self.currency == self.into:
            raise ValidationError({"into": _("Choose another currency than the one it is of.")})


class Payer(models.Model):
    """Whose usage it is. Ids and names are copies: rows outlive what they name, unchanged."""

    account_id = models.BigIntegerField(_("account id"), default=0)
    account_name = models.CharField(_("account"), max_length=120, blank=True)
    user_id = models.BigIntegerField(_("person id"), default=0)
    user_name = models.CharField(_("person"), max_length=150, blank=True)
    provider_id = models.UUIDField(_("provider id"), null=True)
    provider_name = models.CharField(_("provider"), max_length=80, blank=True)
    own = models.BooleanField(
        _("over their own provider"),
        default=False,
        help_text=_("The account's own key was charged, so it costs the site nothing."),
    )
    model = models.CharField(_("model"), max_length=120)

    class Meta:
        abstract = True


class Measured(models.Model):
    """The measures of `realtime.money.usage.Counts` as columns."""

    text_in = models.BigIntegerField(_("text in"), default=0)
    text_cached = models.BigIntegerField(_("text in, cached"), default=0)
    text_out = models.BigIntegerField(_("text out"), default=0)
    audio_in = models.BigIntegerField(_("audio in"), default=0)
    audio_cached = models.BigIntegerField(_("audio in, cached"), default=0)
    audio_out = models.BigIntegerField(_("audio out"), default=0)
    image_in = models.BigIntegerField(_("images in"), default=0)
    image_cached = models.BigIntegerField(_("images in, cached"), default=0)
    other_in = models.BigIntegerField(_("unsorted in"), default=0)
    other_cached = models.BigIntegerField(_("unsorted in, cached"), default=0)
    other_out = models.BigIntegerField(_("unsorted out"), default=0)
    seconds = ExactField(_("seconds"), places=6, default=0)
    characters = models.BigIntegerField(_("characters"), default=0)
    messages = models.BigIntegerField(_("text messages"), default=0)

    class Meta:
        abstract = True

    def counts(self) -> Counts:
        """The measures as `realtime.money.usage` has them."""
        return Counts(*_measures(self))


class Source(models.TextChoices):
    """How much is known about the cost of a row."""

    REPORTED = "reported", _("Reported by the provider")
    ESTIMATED = "estimated", _("Estimated")
    UNPRICED = "unpriced", _("Without a price")


class Usage(Payer, Measured):
    """The ledger: a row per answer, per transcription, per slice of time that is billed.

    Rows are only ever added, by `realtime.money.ledger.record`; the database refuses to change or
    delete one. Errors are corrected by a further row of kind `correction`, whose counts and cost
    are the difference.
    """

    class Kind(models.TextChoices):
        RESPONSE = "response", _("Answer")
        TRANSCRIPTION = "transcription", _("Transcription")
        TIME = "time", _("Connected time")
        CORRECTION = "correction", _("Correction")
        PROBE = "probe", _("Connection test")

    class Status(models.TextChoices):
        COMPLETED = "completed", _("Completed")
        CANCELLED = "cancelled", _("Interrupted")
        INCOMPLETE = "incomplete", _("Broken off")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call_id = models.UUIDField(_("call"), null=True)
    dialect = models.CharField(_("dialect"), max_length=40, blank=True)
    # One connection of one call: providers' own session ids are not unique everywhere.
    upstream_session = models.CharField(_("upstream session"), max_length=200)
    key = models.CharField(
        _("key"), max_length=200, help_text=_("Of the response or item, within the session.")
    )
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    # The corrected row has the same session and key, and this kind.
    corrects = models.CharField(_("corrects"), max_length=13, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.COMPLETED)
    source = models.CharField(_("source"), max_length=9, choices=Source)
    doubts = models.CharField(_("doubts"), max_length=200, blank=True)
    raw = models.JSONField(_("as reported"), null=True)
    price_id = models.BigIntegerField(_("price row"), null=True)
    rates = models.JSONField(_("rates"), null=True, help_text=_("As they were then."))
    cost = ExactField(_("cost"), places=12, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    created = models.DateTimeField(_("created"), default=now)

    class Meta:
        verbose_name = _("ledger row")
        verbose_name_plural = _("ledger")
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(fields=["upstream_session", "key", "kind"], name="counted_once")
        ]
        indexes = [
            models.Index(fields=["created"]),
            models.Index(fields=["account_id", "created"]),
            models.Index(fields=["user_id", "created"]),
            models.Index(fields=["call_id", "created"], name="usage_call_created"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.model} · {self.created:%Y-%m-%d %H:%M:%S}"


class UsageDay(Payer, Measured):
    """The sums of one UTC day of the ledger, updated in the transaction of each ledger row.

    `account_id` and `user_id` are 0 and `provider_key` is empty where a ledger row names none.
    Names are those of the day's first row.
    """

    day = models.DateField(_("day"))
    provider_key = models.CharField(max_length=36, blank=True, editable=False)
    kind = models.CharField(
        _("kind"), max_length=13, choices=Usage.Kind, default=Usage.Kind.RESPONSE
    )
    corrects = models.CharField(_("corrects"), max_length=13, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Usage.Status, default=Usage.Status.COMPLETED
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    source = models.CharField(_("source"), max_length=9, choices=Source)
    cost = ExactField(_("cost"), places=12, default=0)
    rows = models.BigIntegerField(_("rows"), default=0)

    class Meta:
        verbose_name = _("day's usage")
        verbose_name_plural = _("usage by day")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "day",
                    "account_id",
                    "user_id",
                    "provider_key",
                    "own",
                    "model",
                    "kind",
                    "corrects",
                    "status",
                    "currency",
                    "source",
                ],
                name="one_sum_each",
            )
        ]
        indexes = [
            models.Index(fields=["account_id", "day"]),
            models.Index(fields=["user_id", "day"]),
        ]

    def __str__(self) -> str:
        return f"{self.day} · {self.account_name} · {self.model}"
