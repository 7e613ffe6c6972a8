"""The writer between calls and the database, with the database there and away."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import orjson
import pytest
from django.core.files import locks
from django.db import IntegrityError, OperationalError, connection

from chats.models import Conversation, Message, Recording
from realtime.keeping.journal import replay_journals, write_journal
from realtime.keeping.rows import Row, write_rows
from realtime.keeping.store import Store
from realtime.models import Price, Usage
from realtime.money.ledger import Entry, Payer
from realtime.money.rollups import differences
from realtime.money.usage import Counts
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "journal")


# What each database needs to fail as if it could not be reached, and to be back.
AWAY = {
    "sqlite": ["ALTER TABLE chats_message RENAME TO chats_message_away"],
    "postgresql": [
        "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'away' USING ERRCODE = 'connection_failure'; END $$",
        "CREATE TRIGGER away BEFORE INSERT OR UPDATE ON chats_message EXECUTE FUNCTION away()",
    ],
}
BACK = {
    "sqlite": ["ALTER TABLE chats_message_away RENAME TO chats_message"],
    "postgresql": ["DROP TRIGGER away ON chats_message", "DROP FUNCTION away"],
}


@pytest.fixture
def database_away(db: None) -> Iterator[Callable[[], None]]:
    """The database is away, as far as writing messages can tell; call it to bring it back."""
    back = False

    def run(statements: list[str]) -> None:
        with connection.schema_editor() as editor:
            for statement in statements:
                editor.execute(statement)

    def come_back() -> None:
        nonlocal back
        run(BACK[connection.vendor])
        back = True

    run(AWAY[connection.vendor])
    yield come_back
    if not back:
        come_back()


def message(conversation: Conversation, **fields: Any) -> dict[str, Any]:
    return {"conversation_id": str(conversation.pk), "position": 1.0, "role": "user", **fields}


def waits(event: threading.Event) -> None:
    assert event.wait(30)


def texts() -> list[str]:
    return list(Message.objects.values_list("text", flat=True))


def test_a_row_is_made_once_and_then_kept_up(store: Store, conversation: Conversation) -> None:
    pk = str(uuid.uuid4())
    for text in ("a", "ab", "abc"):
        store.put("chats.Message", pk, message(conversation, text=text))
        assert store.flush(10)
        assert texts() == [text]


def test_the_newest_state_wins_and_all_are_told(store: Store, conversation: Conversation) -> None:
    pk, told = str(uuid.uuid4()), []
    for number in range(100):
        store.put(
            "chats.Message",
            pk,
            message(conversation, text=str(number)),
            lambda number=number: told.append(number),
        )
    assert store.flush(10)
    assert (texts(), sorted(told)) == (["99"], list(range(100)))


def test_the_ledger_waits_for_nothing_and_takes_along_what_waits(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.keeping.store.BATCH_SECONDS", 3600)
    written, told = threading.Event(), threading.Event()
    pk = str(uuid.uuid4())
    store.put("chats.Message", pk, message(conversation, text="first"), written.set)
    assert written.wait(10)  # nothing was written lately
    store.put("chats.Message", pk, message(conversation, text="waits"))
    entry = Entry(payer=Payer(), model="m", upstream_session="s", key="k", counts=Counts())
    store.append("realtime.Usage", "s k", entry.fields(), lambda rows: told.set())
    assert told.wait(10)
    assert (texts(), Usage.objects.count()) == (["waits"], 1)


def test_what_the_ledger_does_not_wait_for_is_written_in_its_time(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.keeping.store.BATCH_SECONDS", 3600)
    written, told, whole = threading.Event(), threading.Event(), threading.Event()
    growing, ended = str(uuid.uuid4()), str(uuid.uuid4())
    store.put("chats.Message", growing, message(conversation, text="so"), written.set)
    assert written.wait(10)
    said = ["so"]
    store.put_growing(
        "chats.Message",
        growing,
        lambda: message(conversation, text=" ".join(said)),
        lambda: None,
    )
    store.put("chats.Message", ended, message(conversation, text="over"))
    entry = Entry(payer=Payer(), model="m", upstream_session="s", key="k", counts=Counts())
    store.append("realtime.Usage", "s k", entry.fields(), lambda rows: told.set())
    assert told.wait(10)
    assert (sorted(texts()), store.waiting) == (["over", "so"], 1)
    store.put("chats.Message", growing, message(conversation, text="so far so good"), whole.set)
    said.append("late")
    # It may be handed over as it grows once more, and is no less awaited.
    store.put_growing("chats.Message", growing, dict, lambda: None)
    store.append("realtime.Usage", "s l", entry.fields() | {"key": "l"}, lambda rows: None)
    assert whole.wait(10)
    assert (sorted(texts()), store.waiting) == (["over", "so far so good"], 0)
    assert store.flush(10)  # which finds nothing to do


def test_a_row_that_grows_is_written_as_it_is_by_then(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk, said = str(uuid.uuid4()), ["so"]

    def growing() -> dict[str, Any]:
        return {"text": " ".join(said)}

    monkeypatch.setattr("realtime.keeping.store.BATCH_SECONDS", 3600)
    first = threading.Event()
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="before"), first.set)
    assert first.wait(10)
    store.put("chats.Message", pk, message(conversation, text="so"))
    store.put_growing("chats.Message", pk, growing, lambda: None)
    said += ["far", "so", "good"]
    assert store.flush(10)
    assert sorted(texts()) == ["before", "so far so good"]


def test_rows_that_are_added_under_one_key_are_none_of_them_lost(
    store: Store, conversation: Conversation
) -> None:
    free, busy = threading.Event(), threading.Event()

    def write(rows: list[Row]) -> None:
        busy.set()
        assert free.wait(10)
        write_rows(rows)

    store.write, told = write, list[list[tuple[str, int]]]()
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="one"))
    assert busy.wait(10)
    for tokens in (10, None, 20):
        store.append(
            "realtime.Usage",
            "session a",
            used("a", tokens).fields,
            lambda rows: told.append([(row.kind, row.text_in) for row in rows]),
        )
    assert store.waiting == 4
    free.set()
    assert store.flush(10)
    assert (ledger(), told) == ([("a", "response", 10)], [[("response", 10)]] * 3)


def test_nul_characters_do_not_reach_the_database(store: Store, conversation: Conversation) -> None:
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="a\0b"))
    assert store.flush(10)
    assert texts() == ["ab"]


def test_a_row_the_database_refuses_costs_only_itself(
    store: Store, conversation: Conversation
) -> None:
    gone = {"conversation_id": str(uuid.uuid4()), "position": 1.0, "role": "user", "text": "lost"}
    store.put("chats.Message", str(uuid.uuid4()), gone)
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="kept"))
    assert store.flush(10)
    assert texts() == ["kept"]


def test_a_value_the_driver_refuses_costs_only_its_row(
    store: Store, conversation: Conversation
) -> None:
    huge = message(conversation, text="lost", heard_ms=2**80)
    store.put("chats.Message", str(uuid.uuid4()), huge)
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="kept"))
    assert store.flush(10)
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="later", position=2.0))
    assert store.flush(10)
    assert texts() == ["kept", "later"]


def test_a_row_that_is_refused_was_not_written_with_the_others(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(rows: list[Row]) -> None:
        for row in rows:
            row.outcome = "written"
        raise IntegrityError("refused when all of it was to stand")

    monkeypatch.setattr("realtime.keeping.rows._write", write)
    rows = [Row("chats.Message", str(uuid.uuid4()), message(conversation)) for _ in range(2)]
    write_rows(rows)
    assert [row.outcome for row in rows] == [None, None]


def test_a_database_that_goes_away_between_rows_refuses_none_of_them(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(rows: list[Row]) -> None:
        raise IntegrityError("not all of them") if len(rows) > 1 else OperationalError("away")

    monkeypatch.setattr("realtime.keeping.rows._write", write)
    rows = [Row("chats.Message", str(uuid.uuid4()), message(conversation)) for _ in range(2)]
    with pytest.raises(OperationalError, match="away"):
        write_rows(rows)


def test_who_cannot_be_told_does_not_stop_the_writer(
    store: Store, conversation: Conversation
) -> None:
    def fail() -> None:
        raise LookupError

    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="one"), fail)
    assert store.flush(10)
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="two", position=2.0))
    assert store.flush(10)
    assert texts() == ["one", "two"]


def test_what_cannot_be_written_before_the_process_ends_is_left_to_the_next(
    store: Store, conversation: Conversation, database_away: Callable[[], None], tmp_path: Path
) -> None:
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="one"))
    assert not store.flush(0.5)
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="two", position=2.0))
    store.close(0.01)
    [journal] = (tmp_path / "journal").glob("*.jsonl")
    kept = [orjson.loads(line)[2]["text"] for line in journal.read_bytes().splitlines()]
    assert kept == ["one", "two"]
    database_away()
    assert store.flush(30)


def test_where_nothing_waits_there_is_nothing_to_secure(store: Store, tmp_path: Path) -> None:
    store.secure()
    assert (store.has_journal, (tmp_path / "journal").exists()) == (False, False)


def test_a_row_of_the_ledger_is_secured_beside_what_the_journal_has(
    store: Store,
    conversation: Conversation,
    database_away: Callable[[], None],
    tmp_path: Path,
) -> None:
    pk = str(uuid.uuid4())
    store.put("chats.Message", pk, message(conversation, text="one"))
    assert not store.flush(0.5)
    entry = Entry(payer=Payer(), model="m", upstream_session="s", key="k", counts=Counts())
    store.append("realtime.Usage", "s k", entry.fields(), lambda rows: None)
    store.secure()
    (journal,) = (tmp_path / "journal").glob("*.jsonl")
    kept = [orjson.loads(line)[1] for line in journal.read_bytes().splitlines()]
    assert (kept, store.has_journal) == ([pk, "s k"], True)
    database_away()
    assert store.flush(30)
    assert (texts(), Usage.objects.count()) == (["one"], 1)
    assert (store.has_journal, journal.exists()) == (False, False)


def test_of_many_that_want_their_rows_secured_at_a_time_one_does_it_for_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a database that is only slow has the process write the same rows over and over."""
    slow, writing, go_on = threading.Event(), threading.Event(), threading.Event()
    written: list[list[str]] = []

    def write(path: Path, rows: list[Row]) -> IO[bytes]:
        written.append([row.pk for row in rows])
        writing.set()
        assert go_on.wait(30)
        return write_journal(path, rows)

    def secured(name: str) -> threading.Thread:
        store.append("realtime.Usage", name, {}, lambda rows: None)
        thread = threading.Thread(target=store.secure)
        thread.start()
        return thread

    monkeypatch.setattr("realtime.keeping.store.write_journal", write)
    store.write = lambda rows: waits(slow)
    store.put("chats.Message", str(uuid.uuid4()), {"text": "for the database alone"})
    threads = [secured("first")]
    assert writing.wait(30)
    threads += [secured(name) for name in ("second", "third", "fourth")]
    go_on.set()
    for thread in threads:
        thread.join(30)
    slow.set()
    assert written == [["first"], ["first", "second", "third", "fourth"]]
    assert store.flush(30)


def test_an_update_does_not_revive_a_deleted_row(store: Store, conversation: Conversation) -> None:
    pk = str(conversation.pk)
    conversation.delete()
    store.put("chats.Conversation", pk, {"title": "back"})
    assert store.flush(10)
    assert Conversation.objects.count() == 0


def test_rows_wait_for_a_database_that_is_away(
    store: Store,
    conversation: Conversation,
    database_away: Callable[[], None],
    tmp_path: Path,
) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    store.put("chats.Message", first, message(conversation, text="old"))
    assert not store.flush(0.5)
    store.put("chats.Message", first, message(conversation, text="new"))
    store.put("chats.Message", second, message(conversation, text="more", position=2.0))
    assert not store.flush(0.5)
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 1
    database_away()
    assert store.flush(30)
    assert texts() == ["new", "more"]
    assert list((tmp_path / "journal").glob("*.jsonl")) == []


def test_what_grows_while_the_database_is_away_is_as_it_is_by_then(
    store: Store,
    conversation: Conversation,
    database_away: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.keeping.store.RETRY_SECONDS", (0.05,))
    pk = str(uuid.uuid4())
    store.put("chats.Message", pk, message(conversation, text="so"))
    assert not store.flush(0.5)
    store.put("chats.Message", pk, message(conversation, text="so far"))
    store.put_growing("chats.Message", pk, lambda: {"text": "so far so good"}, lambda: None)
    assert not store.flush(1)  # it is tried again meanwhile, and kept in the journal
    database_away()
    assert store.flush(30)
    assert texts() == ["so far so good"]


def test_a_dead_process_s_journal_is_replayed_once(
    conversation: Conversation, tmp_path: Path
) -> None:
    rows = [
        Row("chats.Message", str(uuid.uuid4()), message(conversation, text="one")),
        Row("chats.Message", str(uuid.uuid4()), message(conversation, text="two", position=2.0)),
    ]
    # The process id says nothing: after a container's restart it is the same again.
    dead = tmp_path / f"{os.getpid()}-aa.jsonl"
    write_journal(dead, rows).close()
    dead.write_bytes(dead.read_bytes() + b'["chats.Mess')
    assert replay_journals(tmp_path) == 2
    write_journal(dead, rows).close()
    assert replay_journals(tmp_path) == 2
    assert (texts(), dead.exists()) == (["one", "two"], False)


def test_a_living_process_s_journal_is_left_alone(
    conversation: Conversation, tmp_path: Path
) -> None:
    theirs = tmp_path / "7-aa.jsonl"
    row = Row("chats.Message", str(uuid.uuid4()), message(conversation, text="theirs"))
    with write_journal(theirs, [row]):
        assert (replay_journals(tmp_path), texts(), theirs.exists()) == (0, [], True)
    assert (replay_journals(tmp_path), texts(), theirs.exists()) == (1, ["theirs"], False)


def test_a_journal_that_takes_another_s_place_while_it_is_looked_at_is_left_alone(
    conversation: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, lock = tmp_path / "7-aa.jsonl", locks.lock
    rows = [
        Row("chats.Message", str(uuid.uuid4()), message(conversation, text=text, position=at))
        for at, text in enumerate(("older", "newer"))
    ]
    write_journal(theirs, rows[:1]).close()
    living: list[IO[bytes]] = []

    def replaced(file: IO[bytes], flags: int) -> bool:
        monkeypatch.undo()
        living.append(write_journal(theirs, rows))
        return lock(file, flags)

    monkeypatch.setattr(locks, "lock", replaced)
    assert (replay_journals(tmp_path), texts()) == (0, [])
    living[0].close()
    assert (replay_journals(tmp_path), texts()) == (2, ["older", "newer"])


def test_a_journal_that_another_process_replayed_keeps_no_other_from_it(
    conversation: Conversation, tmp_path: Path
) -> None:
    (tmp_path / "1-aa.jsonl").symlink_to(tmp_path / "gone")
    row = Row("chats.Message", str(uuid.uuid4()), message(conversation, text="one"))
    write_journal(tmp_path / "2-aa.jsonl", [row]).close()
    assert (replay_journals(tmp_path), texts()) == (1, ["one"])


def test_a_journal_that_cannot_be_written_leaves_the_one_before(
    conversation: Conversation, tmp_path: Path
) -> None:
    path = tmp_path / "7-aa.jsonl"
    row = Row("chats.Message", str(uuid.uuid4()), message(conversation, text="one"))
    with write_journal(path, [row]):
        before = path.read_bytes()
        assert b'"one"' in before
        with pytest.raises(TypeError):
            write_journal(path, [row, Row("chats.Message", "2", {"text": object()})])
        assert path.read_bytes() == before
    assert (replay_journals(tmp_path), texts()) == (1, ["one"])


def test_a_row_that_is_removed_stays_away_whatever_waited_for_it(
    store: Store, conversation: Conversation
) -> None:
    pk = str(uuid.uuid4())
    store.put("chats.Message", str(uuid.uuid4()), message(conversation, text="another"))
    store.put("chats.Message", pk, message(conversation, text="a cough"))
    assert store.flush(10)
    store.remove("chats.Message", pk)
    store.put("chats.Message", pk, message(conversation, text="a cough"))
    assert store.flush(10)
    assert texts() == ["another"]


def test_a_removal_is_journalled_and_replayed(tmp_path: Path, conversation: Conversation) -> None:
    kept = Message.objects.create(**message(conversation, text="one"))
    write_journal(
        tmp_path / "1-x.jsonl", [Row("chats.Message", str(kept.pk), {}, gone=True)]
    ).close()
    assert replay_journals(tmp_path) == 1
    assert Message.objects.count() == 0


# Many rows at once


@pytest.fixture
def price() -> Price:
    return Price.objects.create(model="m", text_in=1, since=datetime(2026, 1, 1, tzinfo=UTC))


def used(key: str, tokens: int | None = 10, **fields: Any) -> Row:
    """A row of the ledger, as a call hands it over; without `tokens` it estimates 7."""
    raw = None if tokens is None else {"input_token_details": {"text_tokens": tokens}}
    given: dict[str, Any] = {"payer": Payer(), "model": "m", "raw": raw}
    given["counts"] = Counts(text_in=7)
    entry = Entry(upstream_session="session", key=key, **given | fields)
    return Row("realtime.Usage", str(uuid.uuid4()), entry.fields())


def outcomes(rows: list[Row]) -> list[list[tuple[str, str, int]]]:
    """Of each row, what its ledger rows are: key, kind, tokens."""
    return [[(each.key, each.kind, each.text_in) for each in row.outcome] for row in rows]


def ledger() -> list[tuple[str, str, int]]:
    """The whole ledger, which the daily sums equal."""
    assert list(differences()) == []
    return sorted((each.key, each.kind, each.text_in) for each in Usage.objects.all())


def test_of_two_entries_with_the_same_key_at_once_the_first_counts(price: Price) -> None:
    rows = [used("a", 10), used("a", 20), used("b", 30)]
    write_rows(rows)
    assert ledger() == [("a", "response", 10), ("b", "response", 30)]
    assert outcomes(rows) == [[("a", "response", 10)]] * 2 + [[("b", "response", 30)]]


def test_what_is_in_the_ledger_already_is_told_and_not_counted_again(price: Price) -> None:
    write_rows([used("a", 10)])
    rows = [used("b", 20), used("a", 10)]
    write_rows(rows)
    assert ledger() == [("a", "response", 10), ("b", "response", 20)]
    assert outcomes(rows) == [[("b", "response", 20)], [("a", "response", 10)]]


def test_an_estimate_and_its_report_at_once_are_a_row_and_its_correction(price: Price) -> None:
    rows = [used("a", None), used("a", 10), used("a", None)]
    write_rows(rows)
    estimate, correction = ("a", "response", 7), ("a", "correction", 3)
    assert ledger() == [correction, estimate]
    assert outcomes(rows) == [[estimate], [correction], [estimate, correction]]


def test_one_entry_that_is_refused_costs_only_itself(
    price: Price, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    rows = [used("a", 10), used("b", payer=Payer(account_id=2**63)), used("c", 30)]
    write_rows(rows)
    assert ledger() == [("a", "response", 10), ("c", "response", 30)]
    assert [row.outcome and len(row.outcome) for row in rows] == [1, None, 1]
    [refused] = (tmp_path / "journal" / "refused.txt").read_bytes().splitlines()
    assert orjson.loads(refused)[2]["key"] == "b"


def test_sums_of_several_days_and_payers_at_once_are_those_of_the_ledger(price: Price) -> None:
    days = [datetime(2026, 11, day, 23, 59, tzinfo=UTC) for day in (1, 2, 1, 3, 2)]
    rows = [
        used(f"{at} {account}", 10 + at, created=day, payer=Payer(account_id=account))
        for at, day in enumerate(days)
        for account in (2, 1, 2)
    ]
    write_rows(rows)
    write_rows([used("later", 1, created=days[0], payer=Payer(account_id=2))])
    assert (len(ledger()), sum(tokens for _, _, tokens in ledger())) == (11, 121)


def test_processes_that_write_at_once_do_not_wait_for_each_other_for_ever(price: Price) -> None:
    def write(number: int) -> None:
        for at in range(15):
            # The same sums in another order, and one entry that all of them know of.
            models = [f"m{each}" for each in range(6)][:: -1 if number == 1 else 1]
            rows = [used(f"{number} {at} {model}", model=model) for model in models]
            write_rows([*rows, used(f"everybody's {at}")])

    assert at_once(3, write) == []
    assert len(ledger()) == 3 * 15 * 6 + 15


def test_rows_are_stored_as_django_stores_them(conversation: Conversation) -> None:
    tool = {"name": "clock", "arguments": {"a": [1, None]}}
    pk, call = uuid.uuid4(), uuid.uuid4()
    fields = message(conversation, text="a", call_id=str(call), tool=tool, heard_ms=5)
    write_rows(
        [
            Row("chats.Message", str(pk), fields),
            Row("chats.Recording", str(call), {"message_id": str(pk), "state": "live"}),
            Row("chats.Conversation", str(conversation.pk), {"title": "new", "updated": NOON}),
        ]
    )
    theirs = Message.objects.create(**fields)
    made = Message.objects.get(pk=pk)
    same = [f.attname for f in Message._meta.concrete_fields if f.attname not in ("id", "created")]
    theirs.refresh_from_db()
    assert [getattr(made, name) for name in same] == [getattr(theirs, name) for name in same]
    assert abs(theirs.created - made.created) < timedelta(seconds=30)
    conversation.refresh_from_db()
    assert (conversation.title, conversation.updated) == ("new", NOON)
    recording = Recording.objects.get(message_id=pk)
    assert (recording.pk, recording.state, recording.size) == (call, "live", 0)
