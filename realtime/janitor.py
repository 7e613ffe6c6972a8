"""Closes what a dead process left open: its calls, half-written messages and raw audio."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from chats.models import Message, Recording
from realtime.models import CallRecord
from realtime.store import replay_journals
from realtime.tracks import encode_file, live_folder, remove_folder

log = logging.getLogger(__name__)

# A live call writes its heartbeat every `HEARTBEAT_SECONDS`; three missed ones mean it is dead.
HEARTBEAT_SECONDS = 10
DEAD_SECONDS = 3 * HEARTBEAT_SECONDS


def sweep() -> int:
    """Close every call whose process died; returns how many. Safe to run anywhere, any time."""
    replay_journals(Path(settings.DATA_DIR) / "journal")
    silent_since = timezone.now() - timedelta(seconds=DEAD_SECONDS)
    dead = CallRecord.objects.exclude(state=CallRecord.State.ENDED).filter(
        heartbeat__lt=silent_since
    )
    closed = 0
    for call in dead:
        _close(call)
        closed += 1
    if closed:
        log.warning("closed %d calls of processes that died", closed)
    return closed


def _close(call: CallRecord) -> None:
    Message.objects.filter(call_id=call.pk, status=Message.Status.IN_PROGRESS).update(
        status=Message.Status.INTERRUPTED
    )
    for recording in Recording.objects.filter(message__call_id=call.pk, state=Recording.State.LIVE):
        _recover(call, recording)
    remove_folder(str(call.pk))
    # Last, so that a janitor that dies half-way leaves the rest to the next one.
    CallRecord.objects.filter(pk=call.pk).update(
        state=CallRecord.State.ENDED, end_reason="process_died", ended=call.heartbeat
    )


def _recover(call: CallRecord, recording: Recording) -> None:
    try:
        path = live_folder(str(call.pk)) / f"{recording.pk}.pcm"
        encoded = encode_file(path, str(recording.pk))
    except OSError as problem:
        log.error("recording %s cannot be recovered: %s", recording.pk, problem)
        return
    fields = (
        {
            "state": Recording.State.READY,
            "file": encoded.name,
            "duration_ms": encoded.duration_ms,
            "size": encoded.size,
        }
        if encoded
        else {"state": Recording.State.FAILED}
    )
    Recording.objects.filter(pk=recording.pk, state=Recording.State.LIVE).update(**fields)
