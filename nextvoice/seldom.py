"""Keeps the log readable while something is away: what every call has to say is said once."""

from __future__ import annotations

import logging
import threading
import time


class Seldom(logging.Filter):
    """Lets each message through once in `seconds`, with the name of its error in place of the
    traceback, and with how many were left out since. `whole`: whatever a logger says is one."""

    def __init__(self, seconds: float = 10.0, *, whole: bool = False) -> None:
        super().__init__()
        self._seconds = seconds
        self._whole = whole
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}  # when it was said, and left out since

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = time.monotonic(), str(record.msg)
        key = record.name if self._whole else text
        with self._lock:
            said, left_out = self._last.get(key, (now - self._seconds, 0))
            if now - said < self._seconds:
                self._last[key] = (said, left_out + 1)
                return False
            self._last[key] = (now, 0)
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            record.msg = f"{text} {record.exc_info[0].__name__}"
        record.exc_info = record.exc_text = None
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more of these)"
        return True
