"""Keeps the log readable while something is away: what every call has to say is said once."""

from __future__ import annotations

import logging
import threading
import time

from realtime.logs import why


class Seldom(logging.Filter):
    """Lets each message through once in `seconds`, with a short reason in place of the traceback,
    and with how many were left out since. `whole`: all messages of a logger count as the same one.
    """

    def __init__(self, seconds: float = 10.0, *, whole: bool = False) -> None:
        super().__init__()
        self._seconds = seconds
        self._whole = whole
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}  # when it was logged, and how many since

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = time.monotonic(), str(record.msg)
        key = record.name if self._whole else text
        with self._lock:
            said, left_out = self._last.get(key, (now - self._seconds, 0))
            if now - said < self._seconds:
                self._last[key] = (said, left_out + 1)
                return False
            self._last[key] = (now, 0)
        message = record.getMessage()
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            message = f"{message} {why(record.exc_info[1])}"
        record.exc_info = record.exc_text = None
        if left_out:
            message = f"{message} (and {left_out} more of these)"
        record.msg, record.args = message, None
        return True
