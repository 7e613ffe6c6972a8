"""Keyset pagination: each page begins where the one before it ended.

Numbered pages read everything before the wanted one; this reads one page, however long the list is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)

BETWEEN = "~"


@dataclass(frozen=True, slots=True)
class Slice(Generic[M]):
    """A page of rows. `more`: the place after which the next page begins; empty at the end."""

    rows: list[M]
    more: str


def page(found: QuerySet[M], order: Sequence[str], after: str, size: int) -> Slice[M]:
    """The `size` rows that follow the place `after` in the order; the first ones for "".

    `order` names columns without NULL as `order_by` does, the last one unique. An unreadable place
    means the beginning.
    """
    values = _values(found.model, order, after)
    if values:
        found = found.filter(_beyond(order, values))
    rows = list(found.order_by(*order)[: size + 1])
    more = place(rows[size - 1], order) if len(rows) > size else ""
    return Slice(rows[:size], more)


def every(found: QuerySet[M], order: Sequence[str], size: int) -> Iterator[M]:
    """All rows in the order, fetched `size` at a time as `page` does. For slow readers: while a
    query is open, SQLite cannot checkpoint what is written meanwhile."""
    after: str | None = ""
    while after is not None:
        part = page(found, order, after, size)
        yield from part.rows
        after = part.more or None


def place(row: Model, order: Sequence[str]) -> str:
    """A row's place in the order, as text for a URL."""
    values = (getattr(row, name.lstrip("-")) for name in order)
    return BETWEEN.join(v.isoformat() if isinstance(v, datetime) else str(v) for v in values)


def turned(order: Sequence[str]) -> list[str]:
    """The same order reversed."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


def _values(model: type[Model], order: Sequence[str], text: str) -> list[Any]:
    words = text.split(BETWEEN)
    if len(words) != len(order):
        return []
    values = []
    for name, word in zip(order, words, strict=True):
        column = name.lstrip("-")
        field: Any = model._meta.pk if column == "pk" else model._meta.get_field(column)
        try:
            value = field.to_python(word)
        except (ValidationError, ValueError, OverflowError):
            return []
        naive = isinstance(value, datetime) and value.tzinfo is None
        if value is None or naive or (isinstance(value, float) and not math.isfinite(value)):
            return []
        values.append(value)
    return values


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    columns = [(name.lstrip("-"), "lt" if name.startswith("-") else "gt") for name in order]
    beyond, same = Q(), Q()
    for (column, sign), value in zip(columns, values, strict=True):
        beyond |= same & Q(**{f"{column}__{sign}": value})
        same &= Q(**{column: value})
    # Redundant, but lets the database begin at the right place of its index.
    first, sign = columns[0]
    return Q(**{f"{first}__{sign}e": values[0]}) & beyond
