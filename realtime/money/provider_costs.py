"""What a provider charged, beside what the ledger says.

Reads the answer of OpenAI's costs API (`data[].results[].amount`) and the CSV of its usage page. A
provider's figures are rounded and late, so a difference is something to look at, not an error.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from realtime.models import UsageDay
from realtime.models.exact import ExactSum
from realtime.money.usage import NOTHING

SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest)\Z")
AMOUNT = ("amount_value", "amount", "cost", "cost_usd", "value")
CURRENCY = ("amount_currency", "currency")
ITEM = ("line_item", "model", "name")
DAY = ("start_time_iso", "date", "start_time", "timestamp")


@dataclass(frozen=True, slots=True)
class Told:
    """An amount in a provider's file. `model` is "" when the file does not say."""

    day: date
    model: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Beside:
    """One day and model: our amount and theirs. `model` "": the whole day."""

    day: date
    model: str
    currency: str
    ours: Decimal
    theirs: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more they charge."""
        return self.theirs - self.ours


def read(text: str) -> list[Told]:
    """The amounts of an export, JSON or CSV. Raises ValueError when it is neither."""
    text = text.lstrip("\ufeff").strip()
    try:
        told = list(_json(text) if text.startswith(("{", "[")) else _csv(text))
    except (KeyError, TypeError, AttributeError, InvalidOperation, OverflowError) as problem:
        odd = f"without {problem}" if isinstance(problem, KeyError) else "of another shape"
        raise ValueError(f"it is no export of costs, but {odd}") from None
    return told


def _json(text: str) -> Iterator[Told]:
    pages = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    for page in pages if isinstance(pages, list) else [pages]:
        for bucket in page["data"]:
            day = datetime.fromtimestamp(int(bucket["start_time"]), UTC).date()
            for result in bucket.get("results", bucket.get("result", [])):
                amount = result["amount"]
                yield Told(
                    day,
                    model_of(result.get("line_item")),
                    str(amount["currency"]).upper(),
                    Decimal(amount["value"]),
                )


def _csv(text: str) -> Iterator[Told]:
    rows = csv.DictReader(io.StringIO(text))
    head = {name.strip().lower() for name in rows.fieldnames or []}
    if not (head & set(AMOUNT) and head & set(DAY)):
        raise ValueError(f"it has no column of days or amounts: {', '.join(sorted(head))}")
    for raw in rows:
        row = {(name or "").strip().lower(): (value or "").strip() for name, value in raw.items()}
        amount = _first(row, AMOUNT)
        if amount:
            currency = (_first(row, CURRENCY) or "usd").upper()
            model = model_of(_first(row, ITEM))
            yield Told(_day(_first(row, DAY)), model, currency, Decimal(amount.lstrip("$")))


def _first(row: Mapping[str, Any], names: Collection[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _day(text: str) -> date:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC).date()
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo is None else at.astimezone(UTC)).date()


def model_of(item: str | None) -> str:
    """The model of a line item such as "gpt-realtime-2025-08-28, audio input"."""
    return SNAPSHOT.sub("", (item or "").partition(",")[0].strip().lower())


def beside(told: list[Told], provider_ids: Collection[str]) -> list[Beside]:
    """Each day and model of the file beside the ledger's sums of these providers; also our sums of
    the file's days that they do not name."""
    theirs: dict[tuple[date, str, str], Decimal] = {}
    for each in told:
        key = (each.day, each.model, each.currency)
        theirs[key] = theirs.get(key, NOTHING) + each.amount
    whole = {(each.day, each.currency) for each in told if not each.model}
    rows = UsageDay.objects.filter(
        day__in={each.day for each in told}, provider_key__in=provider_ids
    ).exclude(currency="")
    ours: dict[tuple[date, str, str], Decimal] = {}
    for row in rows.values("day", "model", "currency").annotate(sum=ExactSum("cost")).order_by():
        at = (row["day"], row["currency"])
        key = (row["day"], "" if at in whole else model_of(row["model"]), row["currency"])
        ours[key] = ours.get(key, NOTHING) + row["sum"]
    return [
        Beside(*key, ours=ours.get(key, NOTHING), theirs=theirs.get(key, NOTHING))
        for key in sorted({*ours, *theirs})
    ]
