"""Decimals that every database stores, compares and adds up to the last digit."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.db import models
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

MOST_DIGITS = 18
"""Digits that people may enter before and after the point: more do not fit SQLite's integers."""


class ExactField(models.Field):  # type: ignore[type-arg]
    """A `Decimal` with a fixed number of digits after the point, never rounded.

    PostgreSQL has `numeric` for it. SQLite only has floats, which lose digits beyond the 15th and
    drift when they are added; there the column is an integer in units of the last digit, or text of
    two numbers where that needs more than 64 bits (above nine million, with twelve digits after the
    point). Up to there filters work as with any field. `ExactSum` adds rows; an expression such as
    `F("cost") + amount` is refused, because a bare Decimal would be in other units.
    `realtime.keeping.statements.add_up` adds to a row.
    """

    description = _("Exact decimal")

    def __init__(self, *args: Any, places: int = 12, **kwargs: Any) -> None:
        self.places = places
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "places": self.places}

    def get_internal_type(self) -> str:
        return "ExactField"

    def db_type(self, connection: Any) -> str:
        return "bigint" if connection.vendor == "sqlite" else f"numeric(30, {self.places})"

    def cast_db_type(self, connection: Any) -> str:
        return self.db_type(connection)

    @cached_property
    def validators(self) -> Any:
        return [*super().validators, DecimalValidator(MOST_DIGITS, self.places)]

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, float):
            raise ValidationError(_("A float has no exact value."), code="invalid")
        try:
            return Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            raise ValidationError(_("Enter a number."), code="invalid") from None

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value is None or hasattr(value, "as_sql"):
            return value
        return self._fitting(self.to_python(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        if isinstance(value, Decimal) and connection.vendor == "sqlite":
            return _whole(int(value.scaleb(self.places)))
        return value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        if value is None or connection.vendor != "sqlite":
            return value  # type: ignore[no-any-return]
        return Decimal(_units(value)).scaleb(-self.places)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else format(value, "f")

    def formfield(self, **kwargs: Any) -> Any:
        given = {"form_class": forms.DecimalField, "decimal_places": self.places}
        return super().formfield(**{**given, "max_digits": MOST_DIGITS, **kwargs})

    def _fitting(self, value: Decimal | None) -> Decimal | None:
        """The value with exactly so many places. Raises ValueError if that would round it."""
        if value is None:
            return None
        fitting = value.quantize(Decimal(1).scaleb(-self.places)) if value.is_finite() else None
        if fitting != value:
            raise ValueError(f"{value} has more than {self.places} digits after the point")
        return fitting


LOW_BITS = 32
LOWEST = 2**LOW_BITS - 1
HIGH = f"CASE typeof(COLUMN) WHEN 'text' THEN CAST(COLUMN AS INTEGER) ELSE COLUMN >> {LOW_BITS} END"
LOW = (
    "CASE typeof(COLUMN) WHEN 'text' THEN CAST(substr(COLUMN, instr(COLUMN, ' ')) AS INTEGER) "
    f"ELSE COLUMN & {LOWEST} END"
)
"""The two parts of what SQLite stores, as it finds them itself."""


class ExactSum(models.Sum):
    """A `Sum` of an `ExactField`, however large: on SQLite made of two parts, because its own sum
    fails beyond 64 bits. Only for reading."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        sums: list[str] = []
        values: list[Any] = []
        for part in HIGH, LOW:
            copy = self.copy()
            copy.template = f"SUM({part})".replace("COLUMN", "%(expressions)s")
            sql, params = copy.as_sql(compiler, connection, **extra)
            sums.append(sql)
            values += params
        return f"({sums[0]} || ' ' || {sums[1]})", values


def _whole(units: int) -> int | str:
    """What SQLite stores: an integer or, if that is too large, its two parts."""
    if -(2**63) <= units < 2**63:
        return units
    return f"{units >> LOW_BITS} {units & LOWEST}"


def _units(value: Any) -> int:
    """What SQLite returns: an integer, or the two parts of a large one or of an `ExactSum`."""
    if not isinstance(value, str):
        return int(value)
    high, low = value.split()
    return (int(high) << LOW_BITS) + int(low)


def _added(one: Any, other: Any) -> int | str | None:
    """The sum of what is in two columns."""
    return None if one is None or other is None else _whole(_units(one) + _units(other))


@receiver(connection_created)
def teach_sqlite(sender: object, connection: Any, **_: object) -> None:
    """Define the function that `realtime.keeping.statements.add_up` needs in SQLite."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("EXACT_ADD", 2, _added, deterministic=True)
