"""The few statements that calls need all the time, as text that is made once.

Django's compiler makes each anew from objects, which takes several times as long as the database
does. One text serves SQLite and PostgreSQL, and values go through the models' fields, so that they
are stored as the models say.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model

M = TypeVar("M", bound=Model)
Names = tuple[str, ...]
"""Columns of a model, as it names them; "pk" is its primary key."""
Values = Sequence[Any]

MOST_PARAMETERS = 900  # an old SQLite takes 999


def select(model: type[M], where: str, names: Names, values: Values) -> list[M]:
    """The rows for which `where` holds, a condition in which each %s stands for a value of one of
    `names`. A row that is as it was the last time is the same object: not to be changed."""
    with connection.cursor() as cursor:
        cursor.execute(_select(model, where), _stored(model, names, values))
        return [_made(model, row) for row in cursor.fetchall()]


def upsert(model: type[Model], names: Names, rows: Sequence[Values]) -> None:
    """Bring rows into the state of `names`, the first of which is "pk", making those that are not
    there; their other columns get defaults."""
    rest = _rest(model, names)
    known = [each.get_db_prep_save(each.get_default(), connection) for each in rest]
    at_once = max(1, MOST_PARAMETERS // (len(names) + len(rest)))
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        values = [value for row in some for value in (*_stored(model, names, row), *known)]
        _execute(_upsert(model, names, len(some)), values)


def update(model: type[Model], names: Names, row: Values) -> bool:
    """Set the columns after "pk" of the row that has it. Returns whether there is one."""
    pk, *values = _stored(model, names, row)
    return _execute(_update(model, names), [*values, pk]) > 0


def insert_new(row: Model, unique: Names) -> bool:
    """Add a row, unless there is one with the same `unique`. Returns whether it was added."""
    model = type(row)
    names = _all(model)
    values = _stored(model, names, [getattr(row, name) for name in names])
    if not _execute(_insert_new(model, unique), values):
        return False
    row._state.adding, row._state.db = False, connection.alias
    return True


def add_up(model: type[Model], place: Names, first: Names, sums: Names, row: Values) -> None:
    """Add to the `sums` of the row at `place`, making it when it is absent: then it gets the
    columns of `first` as well. `row` holds the values of all these, in this order."""
    names = (*place, *first, *sums)
    _execute(_add_up(model, place, first, sums), _stored(model, names, row))


@lru_cache(maxsize=1000)
def _made(model: type[M], row: tuple[Any, ...]) -> M:
    """The object of a row as the driver gives it."""
    values = []
    for field, value in zip(model._meta.concrete_fields, row, strict=True):
        column = field.get_col(model._meta.db_table)
        for convert in (
            *connection.ops.get_db_converters(column),
            *field.get_db_converters(connection),
        ):
            value = convert(value, column, connection)
        values.append(value)
    return model.from_db(connection.alias, _all(model), values)


def _execute(statement: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _stored(model: type[Model], names: Names, row: Values) -> list[Any]:
    """Values as the database's driver takes them."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: `connection` looks for it at each use
    fields = _fields(model, names)
    return [
        field.get_db_prep_save(value, database) for field, value in zip(fields, row, strict=True)
    ]


@cache
def _fields(model: type[Model], names: Names) -> list[Field[Any, Any]]:
    given = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in names]
    return given  # type: ignore[return-value]


@cache
def _all(model: type[Model]) -> Names:
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def _rest(model: type[Model], names: Names) -> list[Field[Any, Any]]:
    """The columns that are not named."""
    given = _fields(model, names)
    return [field for field in model._meta.concrete_fields if field not in given]


@cache
def _select(model: type[Model], where: str) -> str:
    columns = ", ".join(_quoted(field.column) for field in model._meta.concrete_fields)
    return f"SELECT {columns} FROM {_quoted(model._meta.db_table)} WHERE {where}"


@lru_cache(maxsize=1000)
def _upsert(model: type[Model], names: Names, count: int) -> str:
    columns = [field.column for field in (*_fields(model, names), *_rest(model, names))]
    pk, *changed = (_quoted(column) for column in columns[: len(names)])
    new = ", ".join(f"{name} = EXCLUDED.{name}" for name in changed)
    return f"{_insert(model, columns, count)} ON CONFLICT ({pk}) DO UPDATE SET {new}"


@cache
def _update(model: type[Model], names: Names) -> str:
    pk, *changed = (_quoted(field.column) for field in _fields(model, names))
    new = ", ".join(f"{name} = %s" for name in changed)
    return f"UPDATE {_quoted(model._meta.db_table)} SET {new} WHERE {pk} = %s"


@cache
def _insert_new(model: type[Model], unique: Names) -> str:
    columns = [field.column for field in _fields(model, _all(model))]
    target = ", ".join(_quoted(field.column) for field in _fields(model, unique))
    return f"{_insert(model, columns)} ON CONFLICT ({target}) DO NOTHING"


@cache
def _add_up(model: type[Model], place: Names, first: Names, sums: Names) -> str:
    columns = [field.column for field in _fields(model, (*place, *first, *sums))]
    table = _quoted(model._meta.db_table)
    target = ", ".join(_quoted(column) for column in columns[: len(place)])
    added = [_quoted(column) for column in columns[-len(sums) :]]
    new = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in added)
    return f"{_insert(model, columns)} ON CONFLICT ({target}) DO UPDATE SET {new}"


def _insert(model: type[Model], columns: list[str], count: int = 1) -> str:
    row = f"({', '.join(['%s'] * len(columns))})"
    listed = ", ".join(_quoted(column) for column in columns)
    table = _quoted(model._meta.db_table)
    return f"INSERT INTO {table} ({listed}) VALUES {', '.join([row] * count)}"


def _quoted(name: str) -> str:
    return f'"{name}"'
