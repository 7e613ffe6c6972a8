"""How a model is described to people: what it offers in a few words, until when, and what it
costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from realtime.models import Price, VoiceModel
from realtime.money.prices import best
from realtime.money.pricing import per_minute

VOICES_NAMED = 3


@dataclass(frozen=True)
class Card:
    """What a page shows of a model, in the person's language. `ends`: "ended", "ending" or ""."""

    id: str
    name: str
    provider: str
    chips: list[str]
    cost: str
    ends: str
    end_words: str
    end_short: str


def cards(models: Iterable[VoiceModel]) -> list[Card]:
    """What a page shows of the models, in their order."""
    costs = Costs()
    return [
        Card(
            id=str(model.pk),
            name=str(model),
            provider=model.provider.name,
            chips=chips(model),
            cost=costs.words(model),
            ends=model.end_state(),
            end_words=end_words(model),
            end_short=end_short(model),
        )
        for model in models
    ]


class Costs:
    """What a minute with a model costs, roughly; the prices are read once."""

    def __init__(self) -> None:
        begun = Price.objects.filter(kind=Price.Kind.REALTIME, since__lte=timezone.now())
        self._rows = list(begun)

    def per_minute(self, model: VoiceModel) -> tuple[Decimal, str] | None:
        """The amount and its currency; None without a price."""
        provider = model.provider
        rows = (
            row
            for row in self._rows
            if row.provider_id in (None, provider.pk) and row.dialect in ("", provider.dialect)
        )
        price = best(rows, model.name)
        amount = per_minute(price.prices()) if price else None
        return None if price is None or amount is None else (amount, price.currency)

    def words(self, model: VoiceModel) -> str:
        """The same for people."""
        found = self.per_minute(model)
        if found is None:
            return _("not priced yet")
        amount, currency = found
        if not amount:
            return _("free")
        return _("about %(amount)s %(currency)s a minute") % {
            "amount": number_format(_rounded(amount), use_l10n=True),
            "currency": currency,
        }


def _rounded(amount: Decimal) -> Decimal:
    """Two significant digits, but at least cents: an estimate should not look exact."""
    places = max(2, 1 - amount.adjusted())
    return amount.quantize(Decimal(1).scaleb(-places))


def end_words(model: VoiceModel) -> str:
    """Say that the model was or soon will be switched off; "" when there is nothing to say."""
    state = model.end_state()
    if model.ends is None or not state:
        return ""
    day = {"date": date_format(model.ends)}
    if state == "ended":
        return _("switched off by the provider on %(date)s") % day
    return _("will be switched off on %(date)s") % day


def end_short(model: VoiceModel) -> str:
    """The same in a word or two, for lists."""
    return {"ended": _("switched off"), "ending": _("ends soon")}.get(model.end_state(), "")


def chips(model: VoiceModel) -> list[str]:
    """What the model offers, a few words each."""
    features: dict[str, Any] = model.features
    found = [_voices(model.voices)] if model.voices else []
    if features.get("text"):
        found.append(_("speaks and writes"))
    else:
        found.append(_("speaks"))
    if features.get("images"):
        found.append(_("sees pictures"))
    if features.get("tools"):
        found.append(_("uses tools"))
    if count := len(features.get("languages", [])):
        found.append(
            ngettext("%(count)d language", "%(count)d languages", count) % {"count": count}
        )
    if "semantic_vad" in features.get("turn_detection", []):
        found.append(_("waits for the end of a sentence"))
    if model.context_tokens:
        found.append(_("remembers %(size)s tokens") % {"size": _size(model.context_tokens)})
    return found


def _voices(voices: list[str]) -> str:
    if len(voices) <= VOICES_NAMED:
        return ", ".join(voices)
    return ngettext("%(count)d voice", "%(count)d voices", len(voices)) % {"count": len(voices)}


def _size(tokens: int) -> str:
    return f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)
