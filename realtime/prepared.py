"""Queries that are compiled to SQL only once.

Compiling a query takes Django ten times as long as running it, and meanwhile other calls' audio
waits for the interpreter. Queries that every call makes are therefore written as usual, with
`Given` in place of values, and compiled once per process:

    SEEN = Prepared(lambda: Conversation.objects.filter(pk=Given("pk", UUIDField())))
    SEEN.first(pk=pk)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import Expression, Field, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql.compiler import SQLCompiler

T = TypeVar("T")

# A literal percent sign is written as two.
PLACE = re.compile("(?<!%)%s")


class Given(Expression):
    """A placeholder for a value of this field's type. `many`: for the values of `__in`; none at all
    find nothing, not even in an `exclude`."""

    def __init__(self, name: str, kind: Field[Any, Any], many: bool = False) -> None:
        super().__init__(output_field=kind)
        self.name, self.kind, self.many = name, kind, many

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return "%s", [self]

    def params(self, given: Any) -> list[Any]:
        """The given value as the database takes it."""
        values = given if self.many else [given]
        return [self.kind.get_db_prep_value(value, connection) for value in values] or [None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a query is run. `texts`: its SQL between the `params`; `row`: what is made of a row."""

    texts: list[str]
    params: list[Any]
    convert: Callable[[Iterable[Any]], Iterable[Any]]
    row: Callable[[Any], Any]

    def filled(self, given: dict[str, Any]) -> tuple[str, list[Any]]:
        sql, params = [self.texts[0]], []
        for param, text in zip(self.params, self.texts[1:], strict=True):
            mine = param.params(given[param.name]) if isinstance(param, Given) else [param]
            sql += [",".join(["%s"] * len(mine)), text]
            params += mine
        return "".join(sql), params


class Prepared(Generic[T]):
    """The query that `make` returns when it is first needed: of objects, with what `select_related`
    names, or of `values_list`."""

    def __init__(self, make: Callable[[], QuerySet[Any, T]]) -> None:
        self._make = make
        self._plans: dict[str, _Plan] = {}

    def all(self, **given: Any) -> list[T]:
        """All results for these values."""
        plan = self._plans.get(connection.vendor)
        if plan is None:
            plan = self._plans[connection.vendor] = _plan(self._make())
        with connection.cursor() as cursor:
            cursor.execute(*plan.filled(given))
            rows = cursor.fetchall()
        return [plan.row(row) for row in plan.convert(rows)]

    def first(self, **given: Any) -> T | None:
        """The first result."""
        return next(iter(self.all(**given)), None)


def _plan(queryset: QuerySet[Any, Any]) -> _Plan:
    compiler = queryset.query.get_compiler(connection=connection)
    sql, params = compiler.as_sql()
    select = compiler.select[: compiler.col_count]
    converters = compiler.get_converters([each[0] for each in select])

    def convert(rows: Iterable[Any]) -> Iterable[Any]:
        return compiler.apply_converters(rows, converters) if converters else rows

    of_objects = queryset._iterable_class is ModelIterable
    row = _maker(compiler) if of_objects else tuple
    return _Plan(PLACE.split(sql), list(params), convert, row)


def _maker(compiler: SQLCompiler) -> Callable[[Any], Any]:
    """Makes an object of a row, with its related objects."""
    info = cast(dict[str, Any], compiler.klass_info)
    first, last = info["select_fields"][0], info["select_fields"][-1]
    columns: Collection[Any] = compiler.select[first : last + 1]
    names = [column[0].target.attname for column in columns]
    alias, model = connection.alias, info["model"]
    # The types are those of a later Django.
    related = get_related_populators(info, compiler.select, alias)  # type: ignore[call-arg]

    def make(row: Any) -> Any:
        made = model.from_db(alias, names, row[first : last + 1])
        for each in related:
            each.populate(row, made)
        return made

    return make
