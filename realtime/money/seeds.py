"""The prices that come with NextVoice, as rows of their own below whatever an admin sets.

`data/prices.json` is made from the data of genai-prices (MIT, see NOTICE) by `manage.py prices
--from-genai`; nothing is fetched from a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from realtime.models import Price, Provider
from realtime.models.providers import EMBEDDED_URL
from realtime.money.pricing import RATES

SHIPPED = Path(__file__).parent / "data" / "prices.json"
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)

DIALECTS = {
    "openai": ("openai_ga", "azure_ga", "azure_preview"),
    "google": ("gemini",),
    "x-ai": ("xai",),
    "elevenlabs": ("openai_ga",),
}
"""Services of the data set whose models talk, and the dialects they are reached by."""
TALKING = ("realtime", "live", "grok-voice")
WRITING = ("transcribe", "whisper")
NEITHER = ("translate",)

MILLION_RATES = {
    "text_in": "input_mtok",
    "text_cached": "cache_read_mtok",
    "text_out": "output_mtok",
    "audio_in": "input_audio_mtok",
    "audio_cached": "cache_audio_read_mtok",
    "audio_out": "output_audio_mtok",
    "image_in": "input_image_mtok",
    "image_cached": "cache_image_read_mtok",
}


def load(path: Path = SHIPPED) -> list[Price]:
    """The prices of a file, unsaved. Raises OSError, ValueError (also for broken rows)."""
    told = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    try:
        return [
            _price(entry, model, dialect)
            for entry in told["prices"]
            for model in entry["models"]
            for dialect in entry["dialects"]
        ]
    except (KeyError, TypeError, ArithmeticError) as problem:
        odd = f"without {problem}" if isinstance(problem, KeyError) else "of another shape"
        raise ValueError(f"it is no list of prices, but {odd}") from None


def _price(entry: Mapping[str, Any], model: str, dialect: str) -> Price:
    rates = {name: Decimal(entry["rates"][name]) for name in RATES if name in entry["rates"]}
    since = entry.get("since")
    return Price(
        model=model,
        dialect=dialect,
        kind=entry["kind"],
        currency=entry["currency"],
        since=datetime.fromisoformat(since).replace(tzinfo=UTC) if since else BEGINNING,
        source=Price.Source.SEED,
        note=entry.get("note", "")[:200],
        **rates,
    )


@transaction.atomic
def seed(prices: list[Price]) -> int:
    """Add what is new in `prices`; returns how many rows. A changed price counts from now on: what
    was billed at the old one stays."""
    added = 0
    for price in prices:
        same = Price.objects.filter(
            provider=None,
            source=Price.Source.SEED,
            model=price.model,
            kind=price.kind,
            dialect=price.dialect,
        )
        there = same.filter(since=price.since).first()
        if there is not None:
            newest = same.order_by("-since").first() or there
            if price.prices() in (there.prices(), newest.prices()):
                continue
            price.since = timezone.now()
        price.save()
        added += 1
    return added


def seed_embedded() -> int:
    """Record that the embedded provider is free; returns how many rows that took."""
    added = 0
    for provider in Provider.objects.filter(url=EMBEDDED_URL):
        for kind in Price.Kind.values:
            _row, new = Price.objects.get_or_create(
                provider=provider,
                model="*",
                kind=kind,
                source=Price.Source.SEED,
                defaults=dict.fromkeys(RATES, Decimal(0)) | {"since": BEGINNING},
            )
            added += new
    return added


def from_genai() -> dict[str, Any]:
    """The file's content, from the installed genai-prices. Raises ImportError."""
    from importlib.metadata import version

    from genai_prices import data

    prices = [
        entry
        for provider in data.providers
        if provider.id in DIALECTS
        for model in provider.models
        if (kind := _kind(model.id)) is not None
        for entry in _entries(provider.id, model, kind)
    ]
    return {"source": f"genai-prices {version('genai-prices')} (MIT)", "prices": prices}


def _kind(model: str) -> str | None:
    if any(word in model for word in NEITHER):
        return None
    if any(word in model for word in WRITING):
        return str(Price.Kind.TRANSCRIPTION)
    return str(Price.Kind.REALTIME) if any(word in model for word in TALKING) else None


def _entries(provider: str, model: Any, kind: str) -> Iterator[dict[str, Any]]:
    dated = model.prices if isinstance(model.prices, list) else [None]
    for each in dated:
        prices = model.prices if each is None else each.prices
        begins = getattr(getattr(each, "constraint", None), "start_date", None)
        rates = _rates(prices)
        if rates:
            yield {
                "models": sorted(set(_patterns(model.match))),
                "dialects": list(DIALECTS[provider]),
                "kind": kind,
                "currency": "USD",
                "since": begins.isoformat() if begins else None,
                "rates": {name: f"{rate.normalize():f}" for name, rate in rates.items()},
            }


def _patterns(match: Any) -> Iterator[str]:
    if (either := getattr(match, "or_", None)) is not None:
        for each in either:
            yield from _patterns(each)
    elif (whole := getattr(match, "equals", None)) is not None:
        yield whole
    elif (start := getattr(match, "starts_with", None)) is not None:
        yield f"{start}*"


def _rates(prices: Any) -> dict[str, Decimal]:
    told = {ours: getattr(prices, theirs, None) for ours, theirs in MILLION_RATES.items()}
    rates = {name: rate for name, rate in told.items() if isinstance(rate, Decimal)}
    hours, thousand = (
        getattr(prices, name, None) for name in ("audio_hours", "input_text_messages_kcount")
    )
    if isinstance(hours, Decimal):
        rates["per_minute"] = hours / 60
    if isinstance(thousand, Decimal):
        rates["per_message"] = thousand / 1000
    return rates
