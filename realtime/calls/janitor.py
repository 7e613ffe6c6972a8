"""Closes what a dead process left open: its calls, half-written messages and raw audio."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from chats import retention
from chats.models import Attachment, Message, Recording
from realtime.calls import live
from realtime.keeping.journal import replay_journals
from realtime.keeping.tracks import encode_file, live_folder, recording_columns
from realtime.models import CallRecord
from realtime.money import anonymous
from realtime.money.ledger import entry_of, record
from realtime.money.quotas import release_dead

log = logging.getLogger(__name__)

# A live call writes its heartbeat every `HEARTBEAT_SECONDS`. Three missed ones mean that it is
# dead, if it then stays silent while the janitor watches: when the database comes back after an
# outage, every heartbeat is old until the calls have caught up.
HEARTBEAT_SECONDS = 10
DEAD_SECONDS = 3 * HEARTBEAT_SECONDS
# if it then stays silent for so long while the janitor looks: when the database was away, every
# heartbeat is old on its return, until the calls have written what they kept meanwhile.
PATIENCE_SECONDS = 15

# How long a file waits for the message it was uploaded for.
UNSENT_FOR = timedelta(days=1)
# How many expired rows one sweep removes, so that dead calls need not wait for it.
PURGED_AT_ONCE = 1000
HOUR = 3600.0
_looked = float("-inf")

# Recordings that need nothing more.
DONE = [Recording.State.READY, Recording.State.EXPIRED]

# Silent calls: their last heartbeat, and when this process first saw it.
_silent: dict[str, tuple[datetime, float]] = {}


def sweep(patience: float = PATIENCE_SECONDS) -> int:
    """Close every call whose process died; returns how many. Safe to run anywhere, any time.

    A call is closed by the first sweep `patience` seconds after the one that found it silent.
    """
    replay_journals(Path(settings.DATA_DIR) / "journal")
    closed = 0
    for call in _silent_calls():
        if _waited(call, patience):
            _close(call)
            closed += 1
    for call in _owing():
        _settle(call)
    for call_id in _left_over():
        _recover(call_id)
    release_dead(timezone.now())
    Attachment.objects.never_sent(timezone.now() - UNSENT_FOR).delete()
    retention.run(most=PURGED_AT_ONCE)
    if _hourly():
        anonymous.finish()
    if closed:
        log.warning("closed %d calls of processes that died", closed)
    return closed


def _hourly() -> bool:
    global _looked
    now = time.monotonic()
    if now - _looked < HOUR:
        return False
    _looked = now
    return True


def _silent_calls() -> list[CallRecord]:
    silent_since = timezone.now() - timedelta(seconds=DEAD_SECONDS)
    open_calls = CallRecord.objects.exclude(state=CallRecord.State.ENDED)
    calls = [
        call
        for call in open_calls.filter(heartbeat__lt=silent_since)
        if not live.here(str(call.pk))
    ]
    for known in _silent.keys() - {str(call.pk) for call in calls}:
        del _silent[known]
    return calls


def _waited(call: CallRecord, patience: float) -> bool:
    now = time.monotonic()
    heartbeat, seen = _silent.get(str(call.pk), (None, now))
    if heartbeat != call.heartbeat:
        seen = now
        _silent[str(call.pk)] = (call.heartbeat, seen)
    return now - seen >= patience


def _close(call: CallRecord) -> None:
    Message.objects.filter(call_id=call.pk, status=Message.Status.IN_PROGRESS).update(
        status=Message.Status.INTERRUPTED
    )
    _recover(str(call.pk))
    # It may have died after connecting and before the next heartbeat.
    since = call.connected or call.heartbeat
    ended = max(since, call.heartbeat)
    # Last, so that a janitor that dies half-way leaves the rest to the next one.
    CallRecord.objects.filter(pk=call.pk).update(
        state=CallRecord.State.ENDED,
        end_reason="process_died",
        ended=ended,
        duration_ms=round((ended - since).total_seconds() * 1000),
    )


def _owing() -> list[CallRecord]:
    """Ended calls whose process died before it had written down what they cost."""
    return _over(owing__isnull=False)


def _over(**of: Any) -> list[CallRecord]:
    """Ended calls whose process has had time to finish with them, or is dead."""
    quiet_since = timezone.now() - timedelta(seconds=DEAD_SECONDS)
    quiet = Q(ended__lt=quiet_since) | Q(end_reason="process_died")
    ended = CallRecord.objects.filter(quiet, state=CallRecord.State.ENDED, **of)
    return [call for call in ended if not live.here(str(call.pk))]


def _settle(call: CallRecord) -> None:
    """Write what was under way into the ledger, as estimates; rows that are there stay as
    they are."""
    for fields in call.owing or []:
        try:
            entry = entry_of(fields)
        except (KeyError, TypeError, ValueError) as problem:
            log.error("what call %s owes cannot be read: %s", call.pk, problem)
            continue
        record(entry)
    CallRecord.objects.filter(pk=call.pk).update(owing=None)


def _left_over() -> list[str]:
    """Calls that ended a while ago but whose audio was not encoded, for example on a full disk."""
    folders = Path(settings.DATA_DIR) / "live"
    names = [path.name for path in folders.iterdir()] if folders.is_dir() else []
    return [str(call.pk) for call in _over(pk__in=names)]


def _recover(call_id: str) -> None:
    """Make recordings of the audio that an ended call left."""
    whole = True
    found = Recording.objects.filter(message__call_id=call_id).exclude(state__in=DONE)
    for recording in found.select_related("message"):
        whole = _recover_recording(call_id, recording) and whole
    if whole:
        # Audio without a message cannot be played: a turn that was never committed.
        shutil.rmtree(live_folder(call_id), ignore_errors=True)


def _recover_recording(call_id: str, recording: Recording) -> bool:
    recording_id = str(recording.pk)
    try:
        path = live_folder(call_id) / f"{recording_id}.pcm"
        encoded = encode_file(path, recording_id, recording.message.heard_ms)
    except Exception as problem:
        # Storages raise errors of their own.
        log.error("recording %s cannot be recovered: %s", recording_id, problem)
        return False
    fields = recording_columns(encoded)
    Recording.objects.filter(pk=recording.pk).exclude(state__in=DONE).update(**fields)
    return True
