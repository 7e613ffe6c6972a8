"""The log: lines for people or JSON for machines, with the call a line is about, without secrets.

A task binds what it works on with `about(call=..., conversation=..., account=..., user=...)`; each
line that it, or what it starts, writes then has these ids as JSON. Secrets are taken out of the
finished text, so that messages, arguments, tracebacks and extra fields are all covered.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from realtime.bridge.redact import without_secrets

_about: ContextVar[dict[str, str | int]] = ContextVar("about", default={})  # noqa: B039 (never changed)


def about(**ids: str | int | None) -> None:
    """Name what the running task works on, from now on."""
    given = {f"{name}_id": value for name, value in ids.items() if value is not None}
    _about.set({**_about.get(), **given})


class Line(logging.Formatter):
    """A line of text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class Json(JsonFormatter):
    """A line of JSON: time (ISO 8601), level, logger, message, process, exc_info, and ids."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message", "process"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.update(_about.get())
        # Django's records carry their request; its `repr` says no more than the message does.
        log_data.pop("request", None)

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))
