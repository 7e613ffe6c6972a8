"""What is made of a call whose process died."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from chats.models import Attachment, Conversation, Message, Recording
from realtime.calls import janitor, live
from realtime.calls.janitor import sweep
from realtime.keeping import mp3
from realtime.keeping.encoding import NotEncoded
from realtime.keeping.journal import write_journal
from realtime.keeping.rows import Row
from realtime.keeping.tracks import live_folder
from realtime.models import CallRecord, Usage
from realtime.money.ledger import Entry, Payer, entry_of, record
from realtime.money.usage import Counts
from tests.realtime.keeping.test_tracks import length_ms, tone

pytestmark = pytest.mark.django_db(transaction=True)

DEAD = timedelta(seconds=janitor.DEAD_SECONDS + 1)


def owed(key: str) -> dict[str, Any]:
    """An answer that was under way, as a call's row has it."""
    counts = Counts(audio_out=40)
    entry = Entry(payer=Payer(), model="m", upstream_session="call/1", key=key, counts=counts)
    return entry.fields()


def call_of(conversation: Conversation, silent: timedelta = DEAD, **fields: Any) -> CallRecord:
    """A call that was heard of `silent` ago and had run for five seconds by then."""
    heartbeat = timezone.now() - silent
    began = heartbeat - timedelta(seconds=5)
    given = {"state": CallRecord.State.LIVE, "connected": began} | fields
    return CallRecord.objects.create(
        conversation=conversation, started=began, heartbeat=heartbeat, **given
    )


def spoken(
    call: CallRecord, pcm: bytes | None, state: str = Recording.State.LIVE, **fields: Any
) -> Recording:
    """A message of the call as it was while it was spoken, its audio on disk."""
    message = Message.objects.create(
        conversation=call.conversation, call_id=call.pk, position=1, role="user", **fields
    )
    recording = Recording.objects.create(message=message, state=state)
    if pcm is not None:
        live_folder(str(call.pk)).mkdir(parents=True, exist_ok=True)
        (live_folder(str(call.pk)) / f"{recording.pk}.pcm").write_bytes(pcm)
    return recording


def facts(recording: Recording) -> tuple[str, str, int]:
    """Status of the message, state and length of the recording."""
    recording = Recording.objects.select_related("message").get(pk=recording.pk)
    return recording.message.status, recording.state, recording.duration_ms


def sweep_at(now: float, patch: pytest.MonkeyPatch) -> int:
    """Sweep when the clock that only goes on says `now`."""
    patch.setattr(janitor, "time", SimpleNamespace(monotonic=lambda: now))
    return sweep()


def test_what_was_being_said_is_interrupted_and_can_be_heard(conversation: Conversation) -> None:
    call = call_of(conversation)
    recording = spoken(call, tone(2500), text="Half a sent")
    assert sweep(patience=0) == 1
    assert facts(recording) == ("interrupted", "ready", 2500)
    recording.refresh_from_db()
    with recording.file.open() as file:
        content = file.read()
    assert (length_ms(content), len(content)) == (2500, recording.size)
    assert Message.objects.get().text == "Half a sent"
    call.refresh_from_db()
    assert (call.state, call.end_reason, call.ended, call.duration_ms) == (
        "ended",
        "process_died",
        call.heartbeat,
        5000,
    )
    assert not live_folder(str(call.pk)).exists()


def test_a_call_whose_process_died_in_its_first_seconds_ends_no_sooner_than_it_began(
    conversation: Conversation,
) -> None:
    connected = timezone.now() - DEAD + timedelta(seconds=2)
    call = call_of(conversation, connected=connected, owing=[])
    never = call_of(conversation, connected=None)
    assert sweep(patience=0) == 2
    for each, ended in ((call, connected), (never, never.heartbeat)):
        each.refresh_from_db()
        assert (each.ended, each.duration_ms, each.owing) == (ended, 0, None)


def test_of_an_answer_that_was_cut_only_what_was_heard_is_recovered(
    conversation: Conversation,
) -> None:
    recording = spoken(call_of(conversation), tone(2000), status="interrupted", heard_ms=1200)
    assert sweep(patience=0) == 1
    assert facts(recording) == ("interrupted", "ready", 1200)


def test_sweeping_again_changes_nothing(conversation: Conversation) -> None:
    call = call_of(conversation)
    recording = spoken(call, tone(500))
    expired = spoken(call, None, Recording.State.EXPIRED, status="completed")
    assert [sweep(patience=0) for _ in range(3)] == [1, 0, 0]
    assert facts(recording) == ("interrupted", "ready", 500)
    assert facts(expired) == ("completed", "expired", 0)


def test_finished_messages_keep_their_status(conversation: Conversation) -> None:
    call = call_of(conversation)
    for status in ("completed", "failed"):
        Message.objects.create(
            conversation=conversation, call_id=call.pk, position=1, role="user", status=status
        )
    assert sweep(patience=0) == 1
    assert sorted(Message.objects.values_list("status", flat=True)) == ["completed", "failed"]


def test_a_call_with_a_heartbeat_is_left_alone(conversation: Conversation) -> None:
    call = call_of(conversation, timedelta(seconds=janitor.DEAD_SECONDS - 5))
    recording = spoken(call, tone(500))
    assert sweep(patience=0) == 0
    assert facts(recording) == ("in_progress", "live", 0)
    assert live_folder(str(call.pk)).is_dir()


def test_a_call_of_this_very_process_is_left_alone(conversation: Conversation) -> None:
    call = call_of(conversation)
    live.enter(str(call.pk), str(conversation.pk), lambda reason: None)
    try:
        assert sweep(patience=0) == 0
    finally:
        live.leave(str(call.pk))
    assert sweep(patience=0) == 1


def test_a_call_is_watched_for_a_while_before_it_counts_as_dead(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = call_of(conversation)
    patience = janitor.PATIENCE_SECONDS
    assert [sweep_at(now, monkeypatch) for now in (100, 99 + patience)] == [0, 0]
    # The database was away; its process writes the heartbeat it kept, an old one as well.
    call.heartbeat += timedelta(seconds=0.5)
    call.save()
    later = [patience + now for now in (100, 99 + patience, 100 + patience)]
    assert [sweep_at(now, monkeypatch) for now in later] == [0, 0, 1]


def test_a_call_beside_a_dead_one_keeps_all_it_has(conversation: Conversation) -> None:
    dead = call_of(conversation, owing=[owed("dead")])
    going = call_of(conversation, timedelta(0), owing=[owed("going")])
    silenced, growing = spoken(dead, tone(500)), spoken(going, tone(700))
    assert sweep(patience=0) == 1
    assert facts(silenced) == ("interrupted", "ready", 500)
    assert facts(growing) == ("in_progress", "live", 0)
    assert live_folder(str(going.pk)).is_dir()
    going.refresh_from_db()
    assert (going.state, going.end_reason, len(going.owing)) == ("live", "", 1)
    assert [row.key for row in Usage.objects.all()] == ["dead"]


def test_what_a_dead_call_owes_is_in_the_ledger_once(conversation: Conversation) -> None:
    told = Entry(**{**vars(entry_of(owed("told"))), "raw": {"output_tokens": 7}})
    record(told)
    call = call_of(conversation, owing=[owed("told"), {"payer": 5}, owed("cut")])
    assert [sweep(patience=0), sweep(patience=0)] == [1, 0]
    assert {row.key: (row.doubts, row.audio_out, row.other_out) for row in Usage.objects.all()} == {
        "told": ("", 0, 7),
        "cut": ("estimated", 40, 0),
    }
    call.refresh_from_db()
    assert call.owing is None


def test_who_was_not_dead_writes_down_itself_what_it_used(conversation: Conversation) -> None:
    of_dead = {"end_reason": "process_died", "owing": [owed("resp_1")]}
    back = call_of(conversation, timedelta(0), **of_dead)
    here = call_of(conversation, state=CallRecord.State.ENDED, **of_dead)
    live.enter(str(here.pk), str(conversation.pk), lambda reason: None)
    try:
        assert sweep(patience=0) == 0
    finally:
        live.leave(str(here.pk))
    assert not Usage.objects.exists()
    assert CallRecord.objects.filter(pk__in=[back.pk, here.pk], owing__isnull=True).count() == 0


def test_other_calls_are_none_of_its_business(conversation: Conversation) -> None:
    ended = call_of(conversation, state=CallRecord.State.ENDED, end_reason="hang_up")
    typed = Message.objects.create(conversation=conversation, position=1, role="user")
    assert sweep(patience=0) == 0
    ended.refresh_from_db()
    assert (ended.end_reason, Message.objects.get(pk=typed.pk).status) == ("hang_up", "in_progress")


def test_a_recording_without_audio_failed(conversation: Conversation) -> None:
    call = call_of(conversation)
    absent, empty = spoken(call, None), spoken(call, b"")
    assert sweep(patience=0) == 1
    assert (facts(absent)[1], facts(empty)[1]) == ("failed", "failed")


def test_a_recording_stored_just_before_the_end_is_found(conversation: Conversation) -> None:
    recording = spoken(call_of(conversation), None)
    name = f"recordings/{str(recording.pk)[:2]}/{recording.pk}.mp3"
    default_storage.save(name, ContentFile(mp3.encode([tone(1500)])))
    assert sweep(patience=0) == 1
    assert facts(recording) == ("interrupted", "ready", 1500)


def test_audio_that_no_message_has_is_removed(conversation: Conversation) -> None:
    call = call_of(conversation)
    recording = spoken(call, tone(500))
    (live_folder(str(call.pk)) / f"{uuid.uuid4()}.pcm").write_bytes(tone(500))
    assert sweep(patience=0) == 1
    assert (facts(recording)[1], live_folder(str(call.pk)).exists()) == ("ready", False)
    assert Recording.objects.count() == 1


def test_a_recording_that_could_not_be_made_is_made_later(conversation: Conversation) -> None:
    ago = timezone.now() - DEAD
    call = call_of(conversation, state=CallRecord.State.ENDED, ended=ago)
    recording = spoken(call, tone(700), Recording.State.FAILED, status="completed")
    assert sweep(patience=0) == 0
    assert facts(recording) == ("completed", "ready", 700)
    assert not live_folder(str(call.pk)).exists()


def test_a_call_that_has_just_ended_is_not_raced(conversation: Conversation) -> None:
    call = call_of(conversation, state=CallRecord.State.ENDED, ended=timezone.now())
    recording = spoken(call, tone(700), status="completed")
    assert sweep(patience=0) == 0
    assert facts(recording) == ("completed", "live", 0)


def test_a_storage_that_is_away_leaves_the_audio_for_the_next_time(
    conversation: Conversation, tmp_path: Path
) -> None:
    call = call_of(conversation)
    recording = spoken(call, tone(700))
    (tmp_path / "media").write_bytes(b"in the way")
    assert sweep(patience=0) == 1
    assert facts(recording) == ("interrupted", "live", 0)
    (tmp_path / "media").unlink()
    CallRecord.objects.update(ended=timezone.now() - DEAD)
    assert sweep(patience=0) == 0
    assert facts(recording) == ("interrupted", "ready", 700)


@pytest.mark.parametrize("broken", [0, 1])
def test_audio_that_cannot_be_recovered_stays_though_other_is(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    call = call_of(conversation)
    both = [spoken(call, tone(500)), spoken(call, tone(500))]
    encode_file = janitor.encode_file

    def encode(path: Path, recording_id: str, keep_ms: int | None) -> Any:
        if recording_id == str(both[broken].pk):
            raise NotEncoded("not this one")
        return encode_file(path, recording_id, keep_ms)

    monkeypatch.setattr(janitor, "encode_file", encode)
    assert sweep(patience=0) == 1
    states = [facts(each)[1] for each in both]
    assert (states[broken], states[1 - broken]) == ("live", "ready")
    kept = [path.stem for path in live_folder(str(call.pk)).iterdir()]
    assert kept == [str(both[broken].pk)]


def test_files_that_were_sent_with_nothing_are_kept_for_a_day(conversation: Conversation) -> None:
    message = Message.objects.create(conversation=conversation, position=1, role="user")
    for name, of, hours in (("sent", message, 99), ("new", None, 23), ("old", None, 25)):
        Attachment.objects.create(
            conversation=conversation,
            owner=conversation.owner,
            message=of,
            name=name,
            created=timezone.now() - timedelta(hours=hours),
        )
    sweep()
    assert sorted(Attachment.objects.values_list("name", flat=True)) == ["new", "sent"]


def test_what_was_said_goes_when_its_time_is_over(
    conversation: Conversation, settings: Any
) -> None:
    settings.KEEP_TEXT_DAYS = 30
    now = timezone.now()
    for days in (29, 31):
        at = now - timedelta(days=days)
        Message.objects.create(conversation=conversation, position=days, role="user", created=at)
    sweep()
    assert [message.position for message in Message.objects.all()] == [29]


def test_names_that_a_deletion_left_are_looked_for_once_an_hour(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []
    monkeypatch.setattr(janitor, "_looked", float("-inf"))
    monkeypatch.setattr(janitor.anonymous, "finish", lambda: looks.append(None))
    many = []
    for now in (5, 3604, 3605, 3606):
        sweep_at(now, monkeypatch)
        many.append(len(looks))
    assert many == [1, 1, 2, 2]


def test_a_journal_is_replayed_before_calls_are_closed(
    conversation: Conversation, tmp_path: Path
) -> None:
    call = call_of(conversation)
    row = {"conversation_id": str(conversation.pk), "call_id": str(call.pk), "position": 1.0}
    rows = [
        Row("chats.Message", str(uuid.uuid4()), {**row, "role": "user", "text": "Kept"}),
    ]
    write_journal(tmp_path / "journal" / "1-aa.jsonl", rows).close()
    assert sweep(patience=0) == 1
    assert list(Message.objects.values_list("text", "status")) == [("Kept", "interrupted")]
    assert list((tmp_path / "journal").iterdir()) == []
