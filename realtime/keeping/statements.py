"""The few statements that calls execute all the time, as SQL that is made once.

Django compiles each one anew from objects, which takes several times as long as the database does.
Values go through the models' fields, so that they are stored and read as the models say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import CharField, Field, Model, TextField

from realtime.models.exact import ExactField

Names = tuple[str, ...]
"""Names of a model's columns; "pk" is its primary key."""
Values = Sequence[Any]
"""Values of these columns, in their order."""
TEXTS = (CharField, TextField)
"""Fields that store a string unchanged, as most columns do."""


def insert_new(row: Model, unique: Names) -> bool:
    """Add a row, unless there is one with the same `unique`. Returns whether it was added."""
    model = type(row)
    values = [getattr(row, name) for name in _all(model)]
    if not _execute(_insert_new(model, unique), [_stored(model, _all(model), values)]):
        return False
    row._state.adding, row._state.db = False, connection.alias
    return True


def upsert(model: type[Model], names: Names, rows: Iterable[Values]) -> None:
    """Bring rows into the state of `names`, the first of which is "pk"; missing rows are created,
    their other columns with defaults."""
    rest = _rest(model, names)
    known = [field.get_db_prep_save(field.get_default(), connection) for field in rest]
    _execute(_upsert(model, names), [[*_stored(model, names, row), *known] for row in rows])


def update(model: type[Model], names: Names, rows: Iterable[Values]) -> None:
    """Set columns of existing rows; the last of `names` is "pk"."""
    _execute(_update(model, names), [_stored(model, names, row) for row in rows])


def add_up(
    model: type[Model], place: Names, first: Names, sums: Names, rows: Iterable[Values]
) -> None:
    """Add to `sums` of the row at each `place`, creating missing rows with the columns of `first`
    as well. `rows` hold the values of all these, in this order."""
    names = (*place, *first, *sums)
    _execute(_add_up(model, place, first, sums), [_stored(model, names, row) for row in rows])


def _execute(statement: str, rows: list[list[Any]]) -> int:
    """Execute a statement with each of these values; returns how many rows it changed in all."""
    if not rows:
        return 0
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(statement, rows[0])
        else:
            cursor.executemany(statement, rows)
        return int(cursor.rowcount)


def _stored(model: type[Model], names: Names, row: Values) -> list[Any]:
    """Values as the database's driver takes them."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: `connection` looks for it at each use
    fields = _fields(model, names)
    return [
        value
        if value is None or (type(value) is str and type(field) in TEXTS)
        else field.get_db_prep_save(value, database)
        for field, value in zip(fields, row, strict=True)
    ]


@cache
def _all(model: type[Model]) -> Names:
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def _fields(model: type[Model], names: Names) -> list[Field[Any, Any]]:
    pk = model._meta.pk.name
    return [model._meta.get_field(pk if name == "pk" else name) for name in names]  # type: ignore[misc]


@cache
def _rest(model: type[Model], names: Names) -> list[Field[Any, Any]]:
    """The columns that are not named."""
    given = _fields(model, names)
    return [field for field in model._meta.concrete_fields if field not in given]


@cache
def _insert_new(model: type[Model], unique: Names) -> str:
    target = ", ".join(_columns(_fields(model, unique)))
    insert = _insert(model, _columns(_fields(model, _all(model))))
    return f"{insert} ON CONFLICT ({target}) DO NOTHING"


@cache
def _upsert(model: type[Model], names: Names) -> str:
    pk, *changed = _columns(_fields(model, names))
    insert = _insert(model, [pk, *changed, *_columns(_rest(model, names))])
    new = ", ".join(f"{name} = EXCLUDED.{name}" for name in changed)
    return f"{insert} ON CONFLICT ({pk}) DO UPDATE SET {new}"


@cache
def _update(model: type[Model], names: Names) -> str:
    *changed, pk = _columns(_fields(model, names))
    new = ", ".join(f"{name} = %s" for name in changed)
    return f"UPDATE {_table(model)} SET {new} WHERE {pk} = %s"


@cache
def _add_up(model: type[Model], place: Names, first: Names, sums: Names) -> str:
    insert = _insert(model, _columns(_fields(model, (*place, *first, *sums))))
    target = ", ".join(_columns(_fields(model, place)))
    new = ", ".join(_added(model, field) for field in _fields(model, sums))
    return f"{insert} ON CONFLICT ({target}) DO UPDATE SET {new}"


def _added(model: type[Model], field: Field[Any, Any]) -> str:
    (name,) = _columns([field])
    old, new = f"{_table(model)}.{name}", f"EXCLUDED.{name}"
    exact = isinstance(field, ExactField) and connection.vendor == "sqlite"
    return f"{name} = EXACT_ADD({old}, {new})" if exact else f"{name} = {old} + {new}"


def _insert(model: type[Model], columns: list[str]) -> str:
    values = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {_table(model)} ({', '.join(columns)}) VALUES ({values})"


def _columns(fields: Iterable[Field[Any, Any]]) -> list[str]:
    return [f'"{field.column}"' for field in fields]


def _table(model: type[Model]) -> str:
    return f'"{model._meta.db_table}"'
