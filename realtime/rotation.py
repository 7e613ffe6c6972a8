"""Key rotation: seals again, with the newest key of the ring, what older keys sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db.models import Model

from realtime.sealing import SealBroken, reseal

BATCH = 200


@dataclass(slots=True)
class Count:
    """What happened to the sealed texts so far."""

    newest: int = 0
    """Were sealed with the newest key already."""
    resealed: int = 0
    broken: int = 0
    """No key of the ring opens them; they stay as they are."""


def sealed_models() -> list[type[Model]]:
    """Models with sealed columns: those that name them in `SEALED` and have `sealed_for`."""
    return [model for model in apps.get_models() if getattr(model, "SEALED", ())]


def rotate(batch: int = BATCH) -> Iterator[tuple[Count, list[str]]]:
    """Seal everything with the newest key; yields the counts so far, and what is broken, by batch.

    A text is replaced only if it has not changed since it was read: what a person saves meanwhile
    stays, sealed with this process's newest key or found by the next run. Stopping at any moment
    leaves every text readable; running again goes on.
    """
    count = Count()
    for model in sealed_models():
        for name in model.SEALED:  # type: ignore[attr-defined]
            for rows in _batches(model, name, batch):
                problems = [text for row in rows if (text := _one(row, name, count))]
                yield count, problems


def broken() -> Iterator[str]:
    """What no key of the ring opens: each row and column in words."""
    for model in sealed_models():
        for name in model.SEALED:  # type: ignore[attr-defined]
            for rows in _batches(model, name, BATCH):
                for row in rows:
                    try:
                        reseal(getattr(row, name), row.sealed_for(name))  # type: ignore[attr-defined]
                    except SealBroken:
                        yield _words(row, name)


def _batches(model: type[Model], name: str, size: int) -> Iterator[list[Model]]:
    rows = model._default_manager.exclude(**{name: ""}).order_by("pk")
    last = None
    while True:
        page = list((rows if last is None else rows.filter(pk__gt=last))[:size])
        if not page:
            return
        yield page
        last = page[-1].pk


def _one(row: Model, name: str, count: Count) -> str:
    before = getattr(row, name)
    try:
        after = reseal(before, row.sealed_for(name))  # type: ignore[attr-defined]
    except SealBroken:
        count.broken += 1
        return _words(row, name)
    if after is None:
        count.newest += 1
        return ""
    same = type(row)._default_manager.filter(pk=row.pk, **{name: before})
    count.resealed += same.update(**{name: after})
    return ""


def _words(row: Model, name: str) -> str:
    return f"{row._meta.verbose_name} {str(row)!r} ({row.pk}): {name.replace('_', ' ')}"
