"""Migrates a database that is filled at every stage, and tells what became of the rows.

`python -m tests.grown.migrating` works on the database of `DATABASE_URL` (SQLite in `DATA_DIR`
without one), which must be empty, and prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
django.setup()

from django.db import DatabaseError, connection, models, transaction  # noqa: E402
from django.db.migrations.exceptions import IrreversibleError  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402

from realtime.backup import tables  # noqa: E402

OURS = ("chats", "realtime")
EACH_STAGE = 2
DAY = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)

Rows = dict[str, dict[str, dict[str, Any]]]


def kept(registry: Any) -> Rows:
    """Every row of ours: by table and key, the columns as plain values."""
    found: Rows = {}
    for model in ours(registry):
        names, key = tables.columns(model), model._meta.pk.attname
        lines = (json.loads(line) for line in tables.lines(model, tables.rows(model)))
        rows = (dict(zip(names, line, strict=True)) for line in lines)
        found[tables.label(model)] = {str(row[key]): row for row in rows}
    return found


def ours(registry: Any) -> Iterator[Any]:
    """Our models, those first that others refer to."""
    left = [m for m in tables.models_kept(registry) if m._meta.app_label in OURS]
    while left:
        waiting = {tables.label(model) for model in left}
        ready = [m for m in left if not waiting & (needs(m) - {tables.label(m)})] or left[:1]
        yield from ready
        left = [model for model in left if model not in ready]


def needs(model: Any) -> set[str]:
    return {
        tables.label(field.related_model)
        for field in model._meta.concrete_fields
        if field.is_relation and not field.null
    }


def fill(registry: Any, stage: int) -> int:
    """Add rows to every table; returns how many tables took some."""
    filled = 0
    for model in ours(registry):
        took = [add(model, stage * 10 + number) for number in range(EACH_STAGE)]
        filled += any(took)
    return filled


def add(model: Any, number: int) -> bool:
    """Add one row, with its optional references or, where both may not be, without them."""
    for bare in (False, True):
        row = model(
            **{f.attname: v for f in model._meta.concrete_fields for v in value(f, number, bare)}
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
            return True
        except DatabaseError:
            continue
    return False


def value(field: Any, number: int, bare: bool) -> list[Any]:
    """A value for a column, in a list; none for one that makes its own."""
    if field.is_relation:
        if bare and field.null:
            return [None]
        others = field.related_model._base_manager.order_by("pk")
        if field.unique:
            used = field.model._base_manager.values(field.attname)
            others = others.exclude(pk__in=used.exclude(**{field.attname: None}))
        found = others.last()
        return [getattr(found, field.target_field.attname) if found else None]
    if field.primary_key and field.get_internal_type() in ("BigAutoField", "AutoField"):
        return []
    if field.primary_key and field.has_default():
        return []
    if isinstance(field, models.JSONField):
        return [[f"word {number}"] if field.get_default() == [] else {"of": [number, "é", None]}]
    if isinstance(field, models.UUIDField):
        return [f"00000000-0000-4000-8000-{number:012}"]
    if isinstance(field, models.DateTimeField):
        return [DAY + timedelta(days=number)]
    if isinstance(field, models.DateField):
        return [(DAY + timedelta(days=number)).date()]
    if isinstance(field, models.BooleanField):
        return [number % 2 == 0]
    if isinstance(field, models.GenericIPAddressField):
        return [f"10.0.0.{number % 250}"]
    if isinstance(field, models.IntegerField):
        return [number]
    if isinstance(field, models.FloatField):
        return [number / 3]
    if field.get_internal_type() in ("ExactField", "DecimalField"):
        return [Decimal(number) / 8]
    text = f"{number} é {field.name}"
    return [text[: field.max_length] if field.max_length else text]


def differences(before: Rows, after: Rows) -> list[str]:
    """Each table and column that is not what it was, of those there still are."""
    found = set()
    for label, rows in before.items():
        for key, row in rows.items():
            now = after.get(label, {}).get(key)
            if now is None:
                found.add(f"{label}: a row is gone")
                continue
            found.update(
                f"{label}.{name}" for name in row if name in now and row[name] != now[name]
            )
    return sorted(found)


def back_and_forth() -> list[str]:
    """Undo the newest migration of each app that can be undone, and do it again; their names."""
    undone = []
    for app in OURS:
        executor = MigrationExecutor(connection)
        (leaf,) = executor.loader.graph.leaf_nodes(app)
        before = kept(executor.loader.project_state(executor.loader.graph.leaf_nodes()).apps)
        node = executor.loader.graph.node_map[leaf]
        (parent,) = (each.key for each in node.parents if each.key[0] == app)
        try:
            state = executor.migrate([parent])
        except IrreversibleError:
            continue
        between = kept(state.apps)
        still = {label: rows for label, rows in before.items() if label in between}
        wrong = differences(still, between)
        executor = MigrationExecutor(connection)
        state = executor.migrate(executor.loader.graph.leaf_nodes())
        wrong += differences(between, kept(state.apps))
        undone.append(".".join(leaf) + ("" if not wrong else f" changed {wrong}"))
    return undone


def main() -> None:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    state, stage, then, filled = executor._create_project_state(), 0, Rows(), []
    for migration, backwards in plan:
        state = executor.migrate([], plan=[(migration, backwards)], state=state)
        if migration.app_label not in OURS:
            continue
        stage += 1
        known = kept(state.apps)
        filled.append([f"{migration.app_label}.{migration.name}", fill(state.apps, stage)])
        for label, rows in kept(state.apps).items():
            new = {key: row for key, row in rows.items() if key not in known[label]}
            then.setdefault(label, {}).update(new)
    told = {
        "filled": filled,
        "tables": sorted(label for label, rows in then.items() if rows),
        "rows": sum(len(rows) for rows in then.values()),
        "differences": differences(then, kept(state.apps)),
        "undone": back_and_forth(),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
