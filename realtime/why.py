"""Why something cost what it did, for the browser and for people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from realtime.ledger import costs_of
from realtime.models import Usage
from realtime.pricing import plain
from realtime.usage import MEASURES

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


def cost_event(row: Usage, total: Decimal, about: Mapping[str, str]) -> dict[str, Any]:
    """The `nextvoice.cost` event of a ledger row. `total`: of the call so far, in the row's
    currency. Amounts are exact decimals as strings; `about` says which response or item."""
    priced = row.cost is not None
    parts = {name: plain(amount) for name, amount in costs_of(row).items()}
    return {
        "type": "nextvoice.cost",
        **about,
        "kind": row.corrects or row.kind,
        "correction": row.kind == Usage.Kind.CORRECTION,
        "model": row.model,
        "cost": plain(row.cost) if row.cost is not None else None,
        "currency": row.currency,
        "source": row.source,
        "status": row.status,
        "counts": {name: _json(getattr(row, name)) for name in MEASURES if getattr(row, name)},
        "parts": parts,
        "total": plain(total) if priced else None,
        "text": why(row, parts),
    }


def why(row: Usage, parts: Mapping[str, str]) -> str:
    """A line that says what a row's cost is made of, the dearest first."""
    if row.cost is None:
        return gettext("There is no price for %(model)s.") % {"model": row.model}
    dearest = sorted(parts, key=lambda name: -abs(Decimal(parts[name])))
    said = ", ".join(f"{PARTS[name]} {parts[name]}" for name in dearest if Decimal(parts[name]))
    if not said:
        return gettext("Free.")
    if row.source == "estimated":
        return gettext("Estimated: %(parts)s %(currency)s.") % {
            "parts": said,
            "currency": row.currency,
        }
    return f"{said} {row.currency}."


def _json(value: int | Decimal) -> int | str:
    return value if isinstance(value, int) else plain(value)
