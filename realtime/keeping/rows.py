"""Rows as calls hand them over, and how they get into the database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
from django.apps import apps
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Model

from realtime.db import and_rest
from realtime.keeping.statements import Names, update, upsert

log = logging.getLogger(__name__)

Append = Callable[[list[dict[str, Any]]], list[Any]]
ADDED: dict[str, Append] = {}
"""Models whose rows are only added, by their labels, with the function that adds them. It runs in
the caller's transaction, returns what adding each row gave, and must accept the same row twice."""


@dataclass(slots=True)
class Row:
    """The state of one row: model label such as "chats.Message", primary key, column values."""

    model: str
    pk: str
    fields: dict[str, Any]
    # Whether the row is to be deleted; then nothing brings it back.
    gone: bool = False
    # Returns the rest of `fields`, when the row is about to be written.
    rest: Callable[[], dict[str, Any]] | None = None
    # Whether the row exists already and this state is one of many to come.
    passing: bool = False
    # Called in the writer's thread once the row is in the database.
    written: list[Callable[[], None]] = field(default_factory=list)
    # The same, with what adding it gave; None: it was refused.
    told: Callable[[Any], None] | None = None
    outcome: Any = None

    def then(self, new: Row) -> Row:
        """This row with a newer state of it."""
        return Row(
            self.model,
            self.pk,
            self.fields | new.fields,
            self.gone or new.gone,
            # Ours is dropped: it could return another state than the new one.
            new.rest,
            self.passing and new.passing,
            self.written + new.written,
        )

    def complete(self) -> Row:
        """This row with the rest of its fields."""
        if self.rest is not None:
            self.fields, self.rest = self.fields | self.rest(), None
        return self


def tell_written(row: Row) -> None:
    """Call those who wanted to know that a row was written."""
    tells = [*row.written]
    if row.told is not None:
        tells.append(partial(row.told, row.outcome))
    for tell in tells:
        try:
            tell()
        except Exception:
            log.exception("nobody could be told that %s was written", row.model)


def write_rows(rows: list[Row]) -> None:
    """Write rows in one transaction; one by one when the batch is refused.

    Raises OperationalError or InterfaceError while the database is away. A row that the database
    refuses for good (its conversation was deleted meanwhile) is logged and left out.
    """
    and_rest(_write_or_refuse, rows)


def _write_or_refuse(rows: list[Row]) -> None:
    try:
        with transaction.atomic():
            _write(rows)
        return
    except (OperationalError, InterfaceError):
        connection.close()
        raise
    except Exception:
        # Not only DatabaseError: drivers refuse some values with ValueError or OverflowError.
        pass
    for row in rows:
        try:
            with transaction.atomic():
                _write([row])
        except (OperationalError, InterfaceError):
            connection.close()
            raise
        except Exception as problem:
            log.error("%s %s was refused: %s", row.model, row.pk, problem)
            row.outcome = None
            if appends(row):
                _set_aside(row)


def _write(rows: list[Row]) -> None:
    """Bring rows into the states of their `fields`, creating missing ones. Similar rows are written
    together, in any order: references are checked at the end."""
    added: dict[str, list[Row]] = {}
    alike: dict[tuple[str, Names], list[Row]] = {}
    for row in rows:
        if appends(row):
            added.setdefault(row.model, []).append(row)
        elif row.gone:
            apps.get_model(row.model)._base_manager.filter(pk=row.pk).delete()
        elif row.fields:
            alike.setdefault((row.model, tuple(row.fields)), []).append(row)
    for (label, names), group in alike.items():
        model = apps.get_model(label)
        if _complete(model, names):
            upsert(model, ("pk", *names), [[row.pk, *_values(row)] for row in group])
        else:
            update(model, (*names, "pk"), [[*_values(row), row.pk] for row in group])
    # Last: other processes wait for the sums that it changes.
    for label, group in added.items():
        for row, outcome in zip(group, ADDED[label]([row.fields for row in group]), strict=True):
            row.outcome = outcome


def appends(row: Row) -> Append | None:
    """The function that adds the row, if its model's rows are only added."""
    return ADDED.get(row.model)


def _set_aside(row: Row) -> None:
    """Log what the database refused for good: a row of the ledger is money."""
    path = Path(settings.DATA_DIR) / "journal" / "refused.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(orjson.dumps([row.model, row.pk, row.fields]) + b"\n")
    except OSError as problem:
        log.error("it could not be set aside either: %s: %s", row.fields, problem)


def _complete(model: type[Model], names: Names) -> bool:
    """Whether values of `names` are enough to create a row: an update must not revive a deleted
    row."""
    return _needed(model) <= set(names)


@cache
def _needed(model: type[Model]) -> frozenset[str]:
    """The columns without which a row cannot be created."""
    return frozenset(
        spec.attname
        for spec in model._meta.concrete_fields
        if not spec.null and not spec.primary_key and spec.get_default() is None
    )


def _values(row: Row) -> list[Any]:
    """The values of the row's columns. PostgreSQL stores no NUL in text."""
    return [
        value.replace("\0", "") if isinstance(value, str) else value
        for value in row.fields.values()
    ]
