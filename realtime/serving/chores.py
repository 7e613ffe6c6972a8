"""What runs once for the site, however many workers there are: in the process of a site that has
only one, otherwise in a process of its own (`realtime.serving.chores_program`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError

from chats.spool import SHIP_SECONDS
from realtime.calls import janitor
from realtime.db import with_connection
from realtime.money import alerts

log = logging.getLogger(__name__)


@contextmanager
def chores() -> Iterator[None]:
    """While the block runs: clean up after dead processes, send budget alerts, and upload files to
    the object store, if there is one."""
    stop = threading.Event()
    # Separate loops: mail servers, webhooks and stores may be slow.
    loops: list[tuple[str, Callable[[], object], float]] = [
        ("janitor", janitor.sweep, janitor.PATIENCE_SECONDS),
        ("alerts", alerts.run, alerts.EVERY_SECONDS),
    ]
    if settings.MEDIA_S3_BUCKET:
        bucket: Any = default_storage
        loops.append(("spool", bucket.ship_waiting, SHIP_SECONDS))
    for name, work, seconds in loops:
        arguments = (stop, name, work, seconds)
        threading.Thread(target=_repeat, args=arguments, name=name, daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _repeat(stop: threading.Event, name: str, work: Callable[[], object], seconds: float) -> None:
    while True:
        try:
            with_connection(work)
        except (OperationalError, InterfaceError) as problem:
            log.warning("%s: waiting for the database: %s", name, str(problem).partition("\n")[0])
        except Exception:
            log.exception("%s: failed; it tries again", name)
        if stop.wait(seconds):
            return
