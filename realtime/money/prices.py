"""Which price applies to a model, and what a currency is worth."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

from django.conf import settings
from django.db.models import CharField, DateTimeField, Q, Sum, UUIDField
from django.utils import timezone

from realtime.models.money import ExchangeRate, Price, Source, UsageDay
from realtime.models.providers import Provider, VoiceModel
from realtime.money.pricing import EXACT
from realtime.prepared import Given, Prepared


def price_for(
    provider_id: uuid.UUID | None, dialect: str, model: str, kind: str, at: datetime
) -> Price | None:
    """The price of a model at a moment; None when it has none.

    `kind`: "realtime" or "transcription". An admin's row wins over a seeded one, the provider's
    over a general one, then a dialect's, then the more exact name, then the newest.
    """
    rows = _begun.all(provider=provider_id, model=model, dialect=dialect, kind=kind, at=at)
    return best(rows, model)


_begun = Prepared(
    lambda: Price.objects.filter(
        Q(provider=Given("provider", UUIDField())) | Q(provider=None),
        Q(model=Given("model", CharField())) | Q(model__contains="*"),
        Q(dialect=Given("dialect", CharField())) | Q(dialect=""),
        kind=Given("kind", CharField()),
        since__lte=Given("at", DateTimeField()),
    ).order_by()
)


class Begun:
    """All prices that have begun by a moment, read once: for asking about many models."""

    def __init__(self, at: datetime) -> None:
        self._named: dict[tuple[str, str], list[Price]] = {}
        self._patterns: dict[str, list[Price]] = {}
        for row in Price.objects.filter(since__lte=at):
            if "*" in row.model:
                self._patterns.setdefault(row.kind, []).append(row)
            else:
                self._named.setdefault((row.kind, row.model), []).append(row)

    def price_for(
        self, provider_id: uuid.UUID | None, dialect: str, model: str, kind: str
    ) -> Price | None:
        """Like the function of this name, at that moment."""
        rows = [*self._named.get((kind, model), []), *self._patterns.get(kind, [])]
        fitting = (
            row
            for row in rows
            if row.provider_id in (None, provider_id) and row.dialect in ("", dialect)
        )
        return best(fitting, model)


def best(rows: Iterable[Price], model: str) -> Price | None:
    """The row that wins among those of a provider and dialect that have begun."""
    matching = [row for row in rows if matches(row.model, model)]
    return max(matching, key=_rank, default=None)


def matches(pattern: str, model: str) -> bool:
    """Whether a price's model, which may contain *, matches a model."""
    # Only * is special.
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(model, literal)


def _rank(row: Price) -> tuple[bool, bool, bool, bool, int, datetime, int]:
    pattern = "*" in row.model
    return (
        row.source == Price.Source.ADMIN,
        row.provider_id is not None,
        bool(row.dialect),
        not pattern,
        len(row.model),
        row.since,
        row.pk or 0,
    )


@dataclass(frozen=True, slots=True)
class Missing:
    """A model that can be used, or was lately, and has no price. `rows`: of the last 30 days."""

    provider: Provider
    model: str
    kind: str
    rows: int

    @property
    def kind_label(self) -> str:
        return str(Price.Kind(self.kind).label)


def without_price() -> list[Missing]:
    """What admins should price: enabled models without a price, and the transcription models that
    they use."""
    now = timezone.now()
    unpriced = UsageDay.objects.filter(
        source=Source.UNPRICED, day__gte=now.date() - timedelta(days=30)
    )
    used = {
        (each["provider_key"], each["model"]): each["n"]
        for each in unpriced.values("provider_key", "model").annotate(n=Sum("rows")).order_by()
    }
    begun = Begun(now)
    models = VoiceModel.objects.filter(enabled=True, provider__enabled=True)
    missing: dict[tuple[str, str, str], Missing] = {}
    for model in models.select_related("provider").order_by("provider__name", "name"):
        provider = model.provider
        wanted = [(model.name, Price.Kind.REALTIME)]
        wanted += [(name, Price.Kind.TRANSCRIPTION) for name in model.transcription_models]
        for name, kind in wanted:
            if begun.price_for(provider.pk, provider.dialect, name, kind) is None:
                rows = used.get((str(provider.pk), name), 0)
                key = (str(provider.pk), name, str(kind))
                missing[key] = Missing(provider, name, str(kind), rows)
    return list(missing.values())


def reporting_currency() -> str:
    """The currency of reports and quotas."""
    return str(settings.REPORTING_CURRENCY)


_rates = Prepared(
    lambda: (
        ExchangeRate.objects.filter(into=Given("into", CharField()))
        .order_by("since")
        .values_list("currency", "since", "rate")
    )
)


class Rates:
    """Exchange rates into the reporting currency, read once."""

    def __init__(self) -> None:
        self.into = reporting_currency()
        self._rates: dict[str, list[tuple[date, Decimal]]] = {}
        for currency, since, rate in _rates.all(into=self.into):
            self._rates.setdefault(currency, []).append((since, rate))

    def known(self) -> list[str]:
        """The other currencies that can be converted."""
        return sorted(self._rates.keys() - {self.into})

    def periods(self) -> list[tuple[str, date]]:
        """Each other currency and each day its rate changes, the latest first."""
        found = [(each, since) for each in self.known() for since, _rate in self._rates[each]]
        return sorted(found, key=lambda each: each[1], reverse=True)

    def at(self, currency: str, day: date) -> Decimal | None:
        """What one unit is worth that day; before the first rate, what it was worth then. None
        without any rate."""
        if currency == self.into:
            return Decimal(1)
        rates = self._rates.get(currency)
        if not rates:
            return None
        return next((rate for since, rate in reversed(rates) if since <= day), rates[0][1])

    def convert(self, amount: Decimal, currency: str, day: date) -> Decimal | None:
        """The amount in the reporting currency, exact; None without a rate."""
        rate = self.at(currency, day)
        return None if rate is None else EXACT.multiply(amount, rate)
