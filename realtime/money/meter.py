"""The meter: the tap that writes what a call uses into the ledger.

A row per answer and per transcription goes to the store at once, and an answer's last event waits
(`hold`) until its row is in the database, or, when that takes longer than `HOLD_SECONDS`, in the
journal on disk; while a journal is needed anyway it is put there at once. Frames are numbered in
the order in which they are told, so audio of the next answer waits with it; no other does.

What is under way is kept in the call's own row (`owing`), so that whoever finds this process dead
can write down what it cost.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

from realtime.bridge import EndRecord, Tap
from realtime.bridge.audio import BYTES_PER_SECOND, bytes_to_ms
from realtime.bridge.gate import Release
from realtime.db import in_database
from realtime.models import Usage
from realtime.money.estimate import Answer, Context, Turn
from realtime.money.ledger import Entry, Payer, record
from realtime.money.usage import Counts, counts_of
from realtime.money.why import Sum, cost_event
from realtime.store import Store

log = logging.getLogger(__name__)

HOLD_SECONDS = 0.01
"""How long an answer's end waits for the database before the journal has to do."""
SETTLE_SECONDS = 1.0
"""How long a call that is over waits for it."""
OWING_BYTES = BYTES_PER_SECOND
OWING_LETTERS = 200
"""How much more may be received of an answer than is kept of it."""
SLICE_SECONDS = 15
"""How much connected time a row has, where time is billed."""
REMEMBERED = 512

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
        self._store = store
        self._payer = payer
        self._call_id = uuid.UUID(call_id)
        self._model = model
        self._by_time = by_time
        self._save = save
        self._tell = tell
        self._on_row = on_row
        self._clock = clock
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
        self._since: float | None = None  # connected time is in the ledger up to here
        self._reported = Decimal(0)  # of connected time, by this session
        self._slices: list[Entry] = []  # of which nothing was reported yet
        self._slice = 0
        self._pending: dict[str, Entry] = {}  # of rows that are not known to be safe
        self._held: dict[Release, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._sum = Sum()
        _meters[call_id] = self

    def unsettled(self) -> Collection[str]:
        """The names of rows that are on their way into the ledger, or there a moment ago."""
        return self._pending.keys()

    def under_way(self, without: Collection[str] = ()) -> list[Counts]:
        """What this call's model used that is not yet in the ledger, as far as is known; without
        the unsettled rows of these names."""
        used = [
            counts_of(entry.raw) if entry.raw else entry.counts or Counts()
            for name, entry in self._pending.items()
            if entry.kind in (Usage.Kind.RESPONSE, Usage.Kind.TIME)
            and name not in without
            and entry.payer == self._payer
        ]
        if self._answer is not None:
            used.append(self._answer.counts())
        used += [aside.counts() for aside in self._asides.values()]
        if self._by_time and self._since is not None:
            seconds = Decimal(int((self._clock() - self._since) * 1000)) / 1000
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

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(self, event)

    def on_end(self, record: EndRecord) -> None:
        """Write down, as estimates, what nobody will report any more."""
        if self._answer is not None:
            self._put(self._entry_of_answer(self._answer, status=Usage.Status.INCOMPLETE))
            self._answer = None
        for aside in self._asides.values():
            self._put(self._entry_of_answer(aside, status=Usage.Status.INCOMPLETE))
        self._asides.clear()
        for item_id, turn in self._owed_turns().items():
            self._put(self._entry_of_turn(item_id, turn, status=Usage.Status.INCOMPLETE))
        self._turns.clear()
        self.tick(last=True)
        if self._owes:
            self._save(owing=None)

    # Sessions

    def _created(self, event: Event) -> None:
        self._end_session()
        if self._sessions:
            self._context.starts_again()
        self._sessions += 1
        session = event["session"]
        self._session = f"{self._call_id}/{self._sessions}/{session.get('id') or ''}"[:200]
        self._since = self._clock()
        self._updated(event)

    def _updated(self, event: Event) -> None:
        self._transcriber = _transcriber(event["session"]) or self._transcriber

    def _end_session(self) -> None:
        self.tick(last=True)
        self._since = None
        self._reported = Decimal(0)
        self._slices.clear()
        self._done.clear()

    # A person's turns

    def _speech_started(self, event: Event) -> None:
        self._turns[event["item_id"]] = Turn(started_ms=int(event["audio_start_ms"]))

    def _speech_stopped(self, event: Event) -> None:
        turn = self._turns.get(event["item_id"])
        if turn is not None and turn.started_ms is not None:
            turn.ms = max(0, int(event["audio_end_ms"]) - turn.started_ms)

    def _owed_turns(self) -> dict[str, Turn]:
        """Turns that somebody is writing down."""
        if self._transcriber is None:
            return {}
        return {item_id: turn for item_id, turn in self._turns.items() if turn.ms}

    def _committed(self, event: Event) -> None:
        item_id = event["item_id"]
        turn = self._turns.setdefault(item_id, Turn())
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
        self._answer = Answer(key, self._context.read())
        self._keep_owing()

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
            self._reported_time()

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

    # Connected time, where it is billed

    def tick(self, last: bool = False) -> None:
        """Write a slice of connected time, if one is due. To be called every few seconds."""
        if not self._by_time or self._since is None:
            return
        now = self._clock()
        if now - self._since < SLICE_SECONDS and not last:
            return
        seconds = Decimal(int((now - self._since) * 1000)) / 1000
        self._since = now
        if seconds:
            self._slice += 1
            entry = self._entry(
                f"time {self._slice}", Usage.Kind.TIME, counts=Counts(seconds=seconds)
            )
            self._slices.append(entry)
            self._put(entry)

    def _reported_time(self) -> None:
        """The provider has billed the time up to now itself: take back what was estimated."""
        slices, self._slices = self._slices, []
        if self._since is not None:
            self._since = self._clock()
        for entry in slices:
            assert entry.counts is not None
            self._put(self._entry(entry.key, Usage.Kind.CORRECTION, counts=Counts() - entry.counts))

    def _usage_updated(self, event: Event) -> None:
        """Connected time since the session began, as GPT-Live tells it."""
        usage = event.get("raw_usage") or event.get("usage")
        more = counts_of(usage).seconds - self._reported
        if more <= 0:
            return
        self._reported += more
        self._reported_time()
        raw = {"seconds": f"{more:f}", "in_all": usage}
        self._put(self._entry(f"time to {self._reported:f}", Usage.Kind.TIME, raw=raw))

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

    def _put(self, entry: Entry, **about: str) -> None:
        name = f"{entry.upstream_session}|{entry.key}|{entry.kind}"
        self._pending[name] = entry
        self._store.append(
            "realtime.Usage",
            name,
            entry.fields(),
            lambda rows: self._in_ledger(name, about, rows or []),
        )
        self._keep_owing()

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

    # Keeping the browser back until a row is safe

    def hold(self, release: Release) -> None:
        """Call `release` once every row that was put so far is safe. On the loop."""
        self._hold(release, 0.0 if self._store.has_journal else HOLD_SECONDS)

    def when_settled(self, then: Release) -> None:
        """Call `then` once every row is in the ledger; safe is enough when that takes long."""
        self._hold(then, SETTLE_SECONDS)

    def _hold(self, release: Release, patience: float) -> None:
        if self._pending:
            self._held[release] = self._loop.call_later(patience, self._secure, release)
        else:
            release()

    def _secure(self, release: Release) -> None:
        # One that began before its row was put would not do.
        securing = self._loop.run_in_executor(None, self._store.secure)
        securing.add_done_callback(lambda done: self._release(release))

    def _release(self, *releases: Release) -> None:
        """Let go those that are held still."""
        for release in releases:
            timer = self._held.pop(release, None)
            if timer is not None:
                timer.cancel()
                release()

    def _in_ledger(self, name: str, about: dict[str, str], rows: list[Usage]) -> None:
        """In the store's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settled, name, about, rows)
        except RuntimeError:
            pass  # the loop is gone, and everybody with it

    def _settled(self, name: str, about: dict[str, str], rows: list[Usage]) -> None:
        self._pending.pop(name, None)
        if not self._pending:
            self._release(*self._held)
        for row in rows:
            self._on_row(name, row)
            self._sum.add(row)
            self._tell(cost_event(row, self._sum, about, self._context.ahead()))

    _handlers: dict[str, Callable[[Meter, Event], None]] = {
        "session.created": _created,
        "session.updated": _updated,
        "session.usage.updated": _usage_updated,
        "input_audio_buffer.speech_started": _speech_started,
        "input_audio_buffer.speech_stopped": _speech_stopped,
        "input_audio_buffer.committed": _committed,
        "conversation.item.added": _added,
        "conversation.item.input_audio_transcription.completed": _transcribed,
        "conversation.item.input_audio_transcription.failed": _not_transcribed,
        "response.created": _response_created,
        "response.done": _response_done,
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
    value: Any = session
    for name in ("audio", "input", "transcription", "model"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else None


def _said(event: Event) -> Any:
    """What the provider said a transcription used; None where its `usage` was only filled in."""
    return event["raw_usage"] if "raw_usage" in event else event.get("usage")
