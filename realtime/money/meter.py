"""The meter: the tap that writes what a call uses into the ledger.

A row per answer and per transcription goes to the store at once, and an answer's last event waits
until its row is safe (`settling`). Frames are numbered in the order in which they are told, so
audio of the next answer waits with it; no other does.

What is under way is kept in the call's own row (`owing`), so that whoever finds this process dead
can write down what it cost.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any
from weakref import WeakValueDictionary

from realtime.bridge import EndRecord, Tap
from realtime.bridge.audio import BYTES_PER_SECOND, bytes_to_ms
from realtime.bridge.dialects.base import SPENT
from realtime.db import in_database
from realtime.keeping.store import Store
from realtime.models import Usage
from realtime.money.connected_time import ConnectedTime
from realtime.money.estimate import Answer, Context, Turn
from realtime.money.ledger import Entry, Payer, record
from realtime.money.settling import Settling
from realtime.money.usage import Counts, counts_of
from realtime.money.why import Sum, cost_event

OWING_BYTES = BYTES_PER_SECOND
OWING_LETTERS = 200
"""How much more may be received of an answer than is kept of it."""
REMEMBERED = 512
LONGEST_TURN_MS = 3_600_000
"""Nobody speaks longer at a time: a provider that says so counts from somewhere else."""

Event = Mapping[str, Any]
WORDS = (
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.function_call_arguments.delta",
)


class Meter(Tap):
    """Counts one call. `save(owing=...)` writes to the call's row; `tell` sends the browser an
    event. Make it on the call's event loop, where both are called."""

    lingers = True

    def __init__(
        self,
        *,
        store: Store,
        payer: Payer,
        call_id: str,
        model: str,
        by_time: bool,
        session: Event,
        history: list[dict[str, Any]],
        save: Callable[..., None],
        tell: Callable[[dict[str, Any]], None],
        on_row: Callable[[str, Usage], None] = lambda name, row: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settling = Settling(store)
        """What is on its way into the ledger."""
        self._payer = payer
        self._call_id = uuid.UUID(call_id)
        self._model = model
        self._save = save
        self._tell = tell
        self._on_row = on_row
        self._context = Context()
        self._context.says(len(session.get("instructions") or ""))
        for item in history:
            self._context.says(letters(item))
        self._transcriber = _transcriber(session)
        self._sessions = 0
        self._session = f"{call_id}/0"
        self._answer: Answer | None = None
        self._asides: dict[str, Answer] = {}  # outside the conversation, under way
        self._done: dict[str, int] = {}  # answers that have ended, and how often
        self._turns: dict[str, Turn] = {}  # turns that are to be written down
        self._written: dict[str, None] = {}  # turns that have been
        self._by_hand = 0  # bytes of microphone audio since the last turn
        self._kept_bytes = self._kept_letters = 0  # of the answer under way
        self._owes = False
        self._time = ConnectedTime(self._put_new, estimates=by_time, clock=clock)
        self._sum = Sum()
        _meters[call_id] = self

    def under_way(self, without: Collection[str] = ()) -> list[Counts]:
        """What this call's model used that is not yet in the ledger, as far as is known; without
        the unsettled rows of these names."""
        used = [
            counts_of(entry.raw) if entry.raw else entry.counts or Counts()
            for name, entry in self.settling.entries.items()
            if entry.kind in (Usage.Kind.RESPONSE, Usage.Kind.TIME)
            and name not in without
            and entry.payer == self._payer
        ]
        if self._answer is not None:
            used.append(self._answer.counts())
        used += [aside.counts() for aside in self._asides.values()]
        if seconds := self._time.open_seconds:
            used.append(Counts(seconds=seconds))
        return used

    def charge(self, entry: Entry) -> None:
        """Count what the call used of a service besides its model. On the loop."""
        self._put(entry)

    # What the tap is told

    @property
    def awaits_usage(self) -> bool:
        return bool(self._owed_turns())

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        self._by_hand += len(pcm)

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        if self._answer is not None:
            self._answer.audio_bytes += len(pcm)
            if self._answer.audio_bytes - self._kept_bytes >= OWING_BYTES:
                self._keep_owing()

    def on_aside_audio(self, response_id: str, pcm: bytes) -> None:
        aside = self._asides.get(response_id)
        if aside is None:
            aside = self._asides[response_id] = Answer(response_id, self._context.read())
        kept = aside.audio_bytes // OWING_BYTES
        aside.audio_bytes += len(pcm)
        if aside.audio_bytes // OWING_BYTES > kept:
            self._keep_owing()

    def on_client_event(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.clear":
            self._by_hand = 0
        elif event["type"] == "session.update" and _stops_writing(event["session"]):
            # Until a session says otherwise; one that says nothing of it may go on.
            self._transcriber = None

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(self, event)

    def on_end(self, record: EndRecord) -> None:
        """Write down, as estimates, what nobody will report any more."""
        self._give_up_answer()
        for aside in self._asides.values():
            self._put(self._entry_of_answer(aside, status=Usage.Status.INCOMPLETE))
        self._asides.clear()
        self._give_up_turns()
        self._time.tick(last=True)
        if self._owes:
            self._save(owing=None)

    # Sessions

    def _created(self, event: Event) -> None:
        self._give_up_turns()
        self._time.end()
        self._done.clear()
        if self._sessions:
            self._context.starts_again()
        self._sessions += 1
        session = event["session"]
        self._session = f"{self._call_id}/{self._sessions}/{session.get('id') or ''}"[:200]
        self._time.begin()
        self._updated(event)

    def _updated(self, event: Event) -> None:
        self._transcriber = _transcriber(event["session"]) or self._transcriber

    # A person's turns

    def _speech_started(self, event: Event) -> None:
        self._turns[event["item_id"]] = Turn(started_ms=int(event["audio_start_ms"]))

    def _speech_stopped(self, event: Event) -> None:
        turn = self._turns.get(event["item_id"])
        if turn is not None and turn.started_ms is not None:
            ms = int(event["audio_end_ms"]) - turn.started_ms
            turn.ms = max(0, min(ms, LONGEST_TURN_MS))

    def _timed_out(self, event: Event) -> None:
        """What comes next under this id is silence, and no words of it are to be expected."""
        self._written[event["item_id"]] = None
        forget_old(self._written)

    def _owed_turns(self) -> dict[str, Turn]:
        """Turns that somebody is writing down."""
        if self._transcriber is None:
            return {}
        turns = self._turns.items()
        return {item_id: turn for item_id, turn in turns if turn.committed and turn.ms}

    def _give_up_turns(self) -> None:
        """Write down the turns whose words nobody will tell any more. One that was not committed
        yet costs nothing here: the next session is given it again."""
        for item_id, turn in self._owed_turns().items():
            self._put(self._entry_of_turn(item_id, turn, status=Usage.Status.INCOMPLETE))
        self._turns.clear()

    def _committed(self, event: Event) -> None:
        item_id = event["item_id"]
        turn = self._turns.setdefault(item_id, Turn())
        turn.committed = True
        turn.ms = turn.ms or bytes_to_ms(self._by_hand)
        self._by_hand = 0
        self._context.hears(turn.ms)
        if self._transcriber is None or item_id in self._written:
            self._turns.pop(item_id)
        else:
            self._keep_owing()

    def _added(self, event: Event) -> None:
        item = event["item"]
        if item.get("role") != "assistant":
            self._context.says(letters(item))

    def _transcribed(self, event: Event) -> None:
        item_id = event["item_id"]
        turn = self._turns.pop(item_id, Turn())
        raw = _said(event)
        known = item_id in self._written
        self._written[item_id] = None
        forget_old(self._written)
        if raw or (self._transcriber is not None and not known):
            words = str(event.get("transcript") or "")
            self._put(self._entry_of_turn(item_id, turn, raw=raw, words=words), item_id=item_id)

    def _not_transcribed(self, event: Event) -> None:
        """Not billed when the provider says that it failed; unknown when the line broke."""
        turn = self._turns.pop(event["item_id"], None)
        lost = event["error"].get("code") == "connection_lost"
        raw = _said(event)
        if raw or (lost and turn is not None and turn.ms and self._transcriber):
            entry = self._entry_of_turn(
                event["item_id"], turn or Turn(), raw=raw, status=Usage.Status.FAILED
            )
            self._put(entry, item_id=event["item_id"])

    # Answers

    def _response_created(self, event: Event) -> None:
        response_id = event["response"]["id"]
        times = self._done.get(response_id, 0)
        # A provider that numbers its answers badly is paid for each all the same.
        key = f"{response_id}#{times + 1}" if times else response_id
        if self._answer is not None and self._answer.key == key:
            return  # it was told before
        self._give_up_answer()
        self._answer = Answer(key, self._context.read())
        self._keep_owing()

    def _give_up_answer(self) -> None:
        """Write down the answer under way, whose end may never be told; if it is, that is what
        counts."""
        answer, self._answer = self._answer, None
        if answer is not None:
            self._context.told(answer.counts())
            self._put(self._entry_of_answer(answer, status=Usage.Status.INCOMPLETE))

    def _words(self, event: Event) -> None:
        if self._answer is not None:
            self._answer.letters += len(str(event.get("delta") or ""))
            if self._answer.letters - self._kept_letters >= OWING_LETTERS:
                self._keep_owing()

    def _response_done(self, event: Event) -> None:
        response = event["response"]
        answer, self._answer = self._ended(response["id"])
        status = response.get("status")
        raw = event.get("raw_usage") or response.get("usage")
        heard = answer.audio_bytes or answer.letters
        if status == Usage.Status.FAILED and not heard:
            # It was refused before it began: nothing is known to be billed.
            answer.read = Counts()
        entry = self._entry_of_answer(answer, raw=raw, status=str(status or ""))
        counts = counts_of(raw)
        self._context.told(counts if counts.tokens_in else answer.counts())
        self._put(entry, response_id=response["id"])
        if counts.seconds:
            self._time.billed()

    def _spent(self, event: Event) -> None:
        """What an answer used that has ended, and was estimated then."""
        response_id = event["response_id"]
        fields = {"raw": event["raw_usage"], "status": event["status"]}
        entry = self._entry(response_id, Usage.Kind.RESPONSE, **fields)
        self._put(entry, response_id=response_id)

    def _ended(self, response_id: str) -> tuple[Answer, Answer | None]:
        """The answer that has ended, and what is under way now."""
        times = self._done.get(response_id, 0)
        answer = self._answer
        if answer is not None and answer.key in (response_id, f"{response_id}#{times + 1}"):
            self._done[response_id] = times + 1
            forget_old(self._done)
            return answer, None
        self._done[response_id] = max(times, 1)
        aside = self._asides.pop(response_id, None)
        if aside is not None:
            return aside, answer
        return Answer(response_id, Counts() if times else self._context.read()), answer

    def bills_time(self, by_time: bool) -> None:
        """Whether connected time is billed by now: its price may have changed."""
        self._time.estimates_now(by_time)

    def tick(self) -> None:
        """Count connected time. To be called every few seconds."""
        self._time.tick()

    def _usage_updated(self, event: Event) -> None:
        self._time.told(event.get("raw_usage") or event.get("usage"))

    # Entries

    def _entry(self, key: str, kind: str, **fields: Any) -> Entry:
        given = {"model": self._model} | fields
        return Entry(
            payer=self._payer,
            call_id=self._call_id,
            upstream_session=self._session,
            key=key,
            kind=kind,
            **given,
        )

    def _entry_of_answer(self, answer: Answer, **fields: Any) -> Entry:
        return self._entry(answer.key, Usage.Kind.RESPONSE, counts=answer.counts(), **fields)

    def _entry_of_turn(self, item_id: str, turn: Turn, words: str = "", **fields: Any) -> Entry:
        given = {"model": self._transcriber or self._model, "counts": turn.counts(words)}
        return self._entry(item_id, Usage.Kind.TRANSCRIPTION, **(given | fields))

    def _put_new(self, key: str, kind: str, **fields: Any) -> Entry:
        entry = self._entry(key, kind, **fields)
        self._put(entry)
        return entry

    def _put(self, entry: Entry, **about: str) -> None:
        about |= {"key": f"{entry.upstream_session}|{entry.key}"}
        self.settling.put(entry, lambda name, rows: self._settled(name, about, rows))
        self._keep_owing()

    def _settled(self, name: str, about: dict[str, str], rows: list[Usage]) -> None:
        for row in rows:
            # One that was there has been told of: a correction would be added to it again.
            if self._sum.add(row):
                self._on_row(name, row)
                self._tell(cost_event(row, self._sum, about, self._context.ahead()))

    # What is under way, for who finds this process dead

    def _keep_owing(self) -> None:
        self._kept_bytes = self._answer.audio_bytes if self._answer else 0
        self._kept_letters = self._answer.letters if self._answer else 0
        owing = [
            self._entry_of_turn(item_id, turn, status=Usage.Status.INCOMPLETE).fields()
            for item_id, turn in self._owed_turns().items()
        ]
        if self._answer is not None:
            owing.append(self._owed(self._answer))
        owing += [self._owed(aside) for aside in self._asides.values()]
        if owing or self._owes:
            self._owes = bool(owing)
            self._save(owing=owing or None)

    def _owed(self, answer: Answer) -> dict[str, Any]:
        if not answer.owed:
            entry = self._entry_of_answer(answer, status=Usage.Status.INCOMPLETE)
            answer.owed = entry.fields()
        return answer.owed | {"counts": answer.counts().plain()}

    _handlers: dict[str, Callable[[Meter, Event], None]] = {
        "session.created": _created,
        "session.updated": _updated,
        "session.usage.updated": _usage_updated,
        "input_audio_buffer.speech_started": _speech_started,
        "input_audio_buffer.speech_stopped": _speech_stopped,
        "input_audio_buffer.timeout_triggered": _timed_out,
        "input_audio_buffer.committed": _committed,
        "conversation.item.added": _added,
        "conversation.item.input_audio_transcription.completed": _transcribed,
        "conversation.item.input_audio_transcription.failed": _not_transcribed,
        "response.created": _response_created,
        "response.done": _response_done,
        SPENT: _spent,
        **dict.fromkeys(WORDS, _words),
    }


_meters: WeakValueDictionary[str, Meter] = WeakValueDictionary()


async def charge(entry: Entry) -> None:
    """Write down what a service was used for: with all else of its call while that runs, so that
    it is in what the call costs so far; else at once. On the call's loop."""
    meter = _meters.get(str(entry.call_id))
    if meter is not None:
        meter.charge(entry)
    else:
        await in_database(record, entry)


def letters(item: Event) -> int:
    """How much text an item has."""
    parts = item.get("content")
    texts = [
        part.get("text") or part.get("transcript") or ""
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, Mapping)
    ]
    texts += [item.get("arguments") or "", item.get("output") or ""]
    return sum(len(text) for text in texts if isinstance(text, str))


def forget_old(known: dict[str, Any]) -> None:
    """Keep a dict of ids small; the oldest go."""
    while len(known) > REMEMBERED:
        del known[next(iter(known))]


def _transcriber(session: Event) -> str | None:
    """The model that writes down what the person says, in a GA session."""
    written = _hearing(session).get("transcription")
    model = written.get("model") if isinstance(written, Mapping) else None
    return model if isinstance(model, str) and model else None


def _stops_writing(session: Event) -> bool:
    """Whether a change of the session asks for nothing to be written down."""
    hearing = _hearing(session)
    return "transcription" in hearing and hearing["transcription"] is None


def _hearing(session: Event) -> Event:
    audio = session.get("audio")
    hearing = audio.get("input") if isinstance(audio, Mapping) else None
    return hearing if isinstance(hearing, Mapping) else {}


def _said(event: Event) -> Any:
    """What the provider said a transcription used; None where its `usage` was only filled in."""
    return event["raw_usage"] if "raw_usage" in event else event.get("usage")
