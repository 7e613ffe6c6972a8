"""Tables as text that is the same for every database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Field, FileField, JSONField, Model

# Sessions are keys to the site that no copy should hold.
LEFT_OUT = frozenset({"sessions.session"})
ROWS_AT_A_TIME = 2000

Values = Sequence[Any]


def models_kept(registry: Any = apps) -> list[type[Model]]:
    """Every model whose table belongs into a backup, by name."""
    found = [
        model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    found.sort(key=label)
    return [model for model in found if label(model) not in LEFT_OUT]


def label(model: type[Model]) -> str:
    """What a table is called in a backup."""
    return model._meta.label_lower


def fields(model: type[Model]) -> list[Field[Any, Any]]:
    """The fields with a column, by name: migrations order them otherwise than the code."""
    return sorted(model._meta.concrete_fields, key=lambda field: field.attname)


def columns(model: type[Model]) -> list[str]:
    """The columns of a table, in the order of `lines`."""
    return [field.attname for field in fields(model)]


def file_columns(model: type[Model]) -> list[int]:
    """Which of `columns` name a file in the storage."""
    return [at for at, field in enumerate(fields(model)) if isinstance(field, FileField)]


def rows(model: type[Model]) -> Iterator[Values]:
    """Every row in the order of its key, as Python values."""
    found = model._base_manager.order_by("pk").values_list(*columns(model))
    return found.iterator(chunk_size=ROWS_AT_A_TIME)


def lines(model: type[Model], given: Iterable[Values]) -> Iterator[bytes]:
    """Each row as a JSON list, the same whichever database it was read from."""
    free = [at for at, field in enumerate(fields(model)) if isinstance(field, JSONField)]
    for values in given:
        row = list(values)
        for at in free:
            row[at] = _whole(row[at])
        line = json.dumps(row, default=_word, sort_keys=True, separators=(",", ":"))
        if "\\u0000" in line:
            # SQLite stores NUL in text and PostgreSQL refuses it; nobody ever means one.
            row = [_without_nul(value) for value in row]
            line = json.dumps(row, default=_word, sort_keys=True, separators=(",", ":"))
        yield line.encode() + b"\n"


def digest(model: type[Model]) -> tuple[int, str]:
    """How many rows the table has, and the SHA-256 of their `lines`."""
    count, told = 0, hashlib.sha256()
    for line in lines(model, rows(model)):
        count += 1
        told.update(line)
    return count, told.hexdigest()


def instances(model: type[Model], names: Sequence[str], given: Iterable[bytes]) -> list[Model]:
    """The rows of `lines` as instances to be inserted. Raises ValueError."""
    if list(names) != columns(model):
        raise ValueError(f"{label(model)} has other columns: {', '.join(names)}")
    known, made = fields(model), []
    for line in given:
        values = json.loads(line)
        if not isinstance(values, list) or len(values) != len(names):
            raise ValueError(f"a row of {label(model)} cannot be read")
        pairs = zip(known, values, strict=True)
        made.append(model(**{field.attname: field.to_python(value) for field, value in pairs}))
    return made


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a backup")


def _whole(value: Any) -> Any:
    """JSON with integers for integral floats: PostgreSQL does not tell 1e20 from an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return value


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value
