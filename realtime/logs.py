"""The log: lines for people or JSON for machines, with the ids of the call, without secrets.

A task says what it works on with `chats.asking.about(call=..., account=..., ...)`; each line that
it, or a task it starts, logs then has these ids as JSON. Secrets are removed from the finished
text, so that messages, arguments, tracebacks and extra fields are all covered; and from what a
crash, or a program of ours beside the site, writes on standard error.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from chats import asking
from realtime.bridge.redact import without_secrets

MOST_LETTERS = 200
"""Characters of an error's text in a line about it."""


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
        # Django's records carry their request, whose `repr` says no more than the message does.
        log_data.update(asking.ids(log_data.pop("request", None)))
        # Uvicorn's message once more, with colours and without its values.
        log_data.pop("color_message", None)

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class Brief(logging.Filter):
    """Drops the traceback of what Django answers with 4xx: nothing of ours has failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.exc_info = record.exc_text = None
        return True


@contextmanager
def told_to(log: logging.Logger | None) -> Iterator[int | None]:
    """The standard error for a program to be started: its lines become lines of this log. None
    without a log: the program then shares ours."""
    if log is None:
        yield None
        return
    reading, writing = os.pipe()
    threading.Thread(target=_relay, args=(reading, log), name="stderr", daemon=True).start()
    try:
        yield writing
    finally:
        os.close(writing)  # the program has it


def _relay(reading: int, log: logging.Logger) -> None:
    with open(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            log.warning("%s", line.rstrip())


def why(problem: BaseException) -> str:
    """An error as the log shows it: its type, and the beginning of its text."""
    said = " ".join(str(problem).split())[:MOST_LETTERS]
    kind = type(problem).__name__
    return f"{kind}: {said}" if said else kind


def last_words(message: str, trouble: Any = None) -> str:
    """What a program that ends writes on standard error, where the log may not be set up yet: text,
    or a line of JSON if the log is JSON. `trouble`: type, exception and traceback."""
    if os.environ.get("LOG_FORMAT", "").strip().lower() == "json":
        told = logging.LogRecord("nextvoice", logging.CRITICAL, "", 0, message, None, trouble)
        return Json().format(told)
    text = "".join(traceback.format_exception(*trouble)).rstrip() if trouble else message
    return without_secrets(text)


def hide_in_crashes() -> None:
    """Make what Python writes when it crashes, in any thread, look like the log, without secrets in
    it."""

    def crashed(
        kind: type[BaseException], problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.write(last_words("crashed", (kind, problem, trace)) + "\n")

    sys.excepthook = crashed
    threading.excepthook = lambda told: crashed(told.exc_type, told.exc_value, told.exc_traceback)
