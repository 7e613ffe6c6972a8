"""Probes, without sign-in: whether this process is alive, and whether it can take calls."""

import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from chats.spool import spool
from realtime.calls import live
from realtime.db import is_behind

_tables_seen = False
"""Whether this process has seen that all tables exist and are of this version: they stay so."""


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and has all tables, there is room on disk and the process is
    not stopping; otherwise 503.

    Files that wait for the object store are reported, but calls are taken all the same.
    """
    if live.stopping() and not live.retired():
        return JsonResponse({"status": "stopping"}, status=503)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _tables_are_there():
            return JsonResponse({"status": "migrations missing"}, status=503)
    except Exception:
        return JsonResponse({"status": "database away"}, status=503)
    if not _has_room():
        return JsonResponse({"status": "disk nearly full"}, status=503)
    waiting = spool().names()
    told = {"status": "ok", "calls": live.count()}
    return JsonResponse(told | {"files_waiting": len(waiting)} if waiting else told)


def _tables_are_there() -> bool:
    global _tables_seen
    _tables_seen = _tables_seen or not is_behind()
    return _tables_seen


def _has_room() -> bool:
    """Whether the disks have room for the audio of calls. Each folder may be a disk of its own."""
    data = Path(settings.DATA_DIR)
    least = settings.DISK_FREE_MB * 1024 * 1024
    kept = "spool" if settings.MEDIA_S3_BUCKET else "media"
    folders = [data, *(data / name for name in ("live", "journal", kept))]
    return all(shutil.disk_usage(each).free >= least for each in folders if each.is_dir())
