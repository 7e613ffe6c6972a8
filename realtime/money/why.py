"""Why something cost what it did, for the browser and for people."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy

from realtime.models import Usage
from realtime.money.ledger import IMAGES
from realtime.money.pricing import Unpriced, cost, costs, plain, priced_part, read_prices
from realtime.money.usage import Counts

NOTHING = Decimal(0)

PARTS = {
    "text_in": gettext_lazy("text read"),
    "text_cached": gettext_lazy("text read again, at the lower price"),
    "text_out": gettext_lazy("text written"),
    "audio_in": gettext_lazy("speech heard"),
    "audio_cached": gettext_lazy("speech heard before, at the lower price"),
    "audio_out": gettext_lazy("speech spoken"),
    "image_in": gettext_lazy("pictures seen"),
    "image_cached": gettext_lazy("pictures seen before, at the lower price"),
    "other_in": gettext_lazy("read"),
    "other_cached": gettext_lazy("read again, at the lower price"),
    "other_out": gettext_lazy("made"),
    "seconds": gettext_lazy("time"),
    "characters": gettext_lazy("letters spoken"),
    "messages": gettext_lazy("messages"),
}


@dataclass
class Sum:
    """What a call cost so far, by currency, and how many of its rows have no price."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0
    _known: set[uuid.UUID] = field(default_factory=set)

    def add(self, row: Usage) -> bool:
        """Add a row, once. Returns whether it was new."""
        if row.pk in self._known:
            return False
        self._known.add(row.pk)
        if row.cost is None:
            self.unpriced += 1
        else:
            self.amounts[row.currency] = self.amounts.get(row.currency, NOTHING) + row.cost
        return True


def cost_event(row: Usage, total: Sum, about: Mapping[str, str], ahead: Counts) -> dict[str, Any]:
    """The `nextvoice.cost` event of a ledger row. Amounts are exact decimals as strings. `about`
    says which response or item it is; its `key` is the same for all rows of one thing, whose own
    keys may differ.

    `total`: of the call so far, in the row's currency; `totals`: by currency. `context`: how many
    tokens there are to read, and about what the next turn costs (None: no price, or by time).
    """
    priced = row.cost is not None
    parts, counts = _costs_of(row), row.counts()
    return {
        "type": "nextvoice.cost",
        **about,
        "key": f"{about['key']}|{row.corrects or row.kind}",
        "kind": row.corrects or row.kind,
        "correction": row.kind == Usage.Kind.CORRECTION,
        "model": row.model,
        "cost": plain(row.cost) if row.cost is not None else None,
        "currency": row.currency,
        "source": row.source,
        "status": row.status,
        "counts": {name: _json(value) for name, value in counts.measures().items() if value},
        "parts": {name: plain(amount) for name, amount in parts.items()},
        "total": plain(total.amounts[row.currency]) if priced else None,
        "totals": {currency: plain(amount) for currency, amount in total.amounts.items()},
        "unpriced": total.unpriced,
        "context": _context(row, counts, ahead) if _read_conversation(row) else None,
        "text": why(row, counts, parts),
    }


def _read_conversation(row: Usage) -> bool:
    return row.kind == Usage.Kind.RESPONSE and row.dialect != IMAGES


def _context(row: Usage, counts: Counts, ahead: Counts) -> dict[str, Any]:
    """The size of the conversation, and about what the next turn costs."""
    next_turn = _cost_at(row, ahead)
    return {
        "tokens": counts.tokens_in + counts.tokens_out,
        "next": plain(next_turn.quantize(Decimal("1e-6"))) if next_turn is not None else None,
        "currency": row.currency,
    }


def why(row: Usage, counts: Counts, parts: Mapping[str, Decimal]) -> str:
    """A line that says what a row's cost comes from, in words for people."""
    if row.cost is None:
        return gettext("There is no price for %(model)s.") % {"model": row.model}
    dear = {name: abs(part) for name, part in parts.items() if part}
    if not dear:
        return gettext("Free.")
    said = [_mostly(dear), _read_again(row, counts)]
    if row.kind == Usage.Kind.CORRECTION:
        said = [gettext("The provider's own count replaced an estimate.")]
    elif row.source == "estimated":
        said.append(gettext("It is an estimate: the provider has not said what it counted."))
    return " ".join(each for each in said if each)


def _mostly(dear: Mapping[str, Decimal]) -> str:
    name = max(dear, key=lambda each: dear[each])
    words = {"part": PARTS[name]}
    if len(dear) == 1:
        return gettext("All of it is for %(part)s.") % words
    if dear[name] * 2 > sum(dear.values()):
        return gettext("Most of it is for %(part)s.") % words
    return gettext("The largest part is for %(part)s.") % words


def _read_again(row: Usage, counts: Counts) -> str:
    """That a conversation is read whole for each answer."""
    read, cached = counts.tokens_in, counts.tokens_cached
    if not _read_conversation(row) or not read:
        return ""
    words = {"n": number_format(read, force_grouping=True)}
    if cached * 2 > read:
        text = gettext(
            "Each answer re-reads the conversation: %(n)s tokens, most of it at the lower price."
        )
    elif cached:
        text = gettext(
            "Each answer re-reads the conversation: %(n)s tokens, some of it at the lower price."
        )
    else:
        text = gettext("Each answer re-reads the conversation: %(n)s tokens.")
    return text % words


def _costs_of(row: Usage) -> dict[str, Decimal]:
    """What each part of a row cost, by the names of `pricing.costs`; they add up to its cost."""
    if row.cost is None or not row.rates:
        return {}
    try:
        return costs(row.counts(), read_prices(row.rates))
    except Unpriced:
        return {}


def _cost_at(row: Usage, counts: Counts) -> Decimal | None:
    """What `counts` would cost at the rates of a row, in its currency; None if there is no price
    for them, and where time is billed."""
    if row.cost is None or not row.rates:
        return None
    prices = read_prices(row.rates)
    if prices.by_time:
        return None
    try:
        return cost(priced_part(counts, prices), prices)
    except Unpriced:
        return None


def _json(value: int | Decimal) -> int | str:
    return value if isinstance(value, int) else plain(value)
