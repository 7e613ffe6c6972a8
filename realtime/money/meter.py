"""The meter: the tap that writes what a call uses into the ledger.

A row per answer and per transcription goes to the store at once, and an answer's last event waits
until its row is safe (`settling`). The browser gets frames in order, so audio of the next answer
waits with it; no other does.

What is under way is kept in the call's own row (`owing`), so that its cost is known if this process
dies.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any
from weakref import WeakValueDictionary

from realtime.bridge import EndRecord, Tap
from realtime.bridge.audio import BYTES_PER_SECOND
from realtime.bridge.dialects.base import SPENT
from realtime.db import in_database
from realtime.keeping.store import Store
from realtime.models import Usage
from realtime.money.connected_time import ConnectedTime
from realtime.money.estimate import Answer, Context
from realtime.money.ledger import Entry, Payer, record
from realtime.money.settling import Settling
from realtime.money.turns import Turns, forget_old
from realtime.money.usage import Counts, counts_of
from realtime.money.why import Sum, cost_event

OWING_BYTES = BYTES_PER_SECOND
OWING_LETTERS = 200
"""How much more may be received of an answer before `owing` is updated."""

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
            self._context.takes(item)
        self._turns = Turns(session, self._context, self._entry, self._put, self._keep_owing)
        self._sessions = 0
        self._session = f"{call_id}/0"
        self._answer: Answer | None = None
        self._asides: dict[str, Answer] = {}  # outside the conversation, under way
        self._done: dict[str, int] = {}  # finished answers, and how often they finished
        self._kept_bytes = self._kept_letters = 0  # what `owing` says of the answer under way
        self._owes = False
        self._time = ConnectedTime(self._put_new, estimates=by_time, clock=clock)
        self._sum = Sum()
        _meters[call_id] = self

    def under_way(self, without: Collection[str] = ()) -> list[Counts]:
        """What this call's model used that is not in the ledger yet, as far as is known; without
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
        """Count what the call used of another service than its model. On the loop."""
        self._put(entry)

    # What the tap is told

    @property
    def awaits_usage(self) -> bool:
        return bool(self._turns.owed)

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        self._turns.unclaimed += len(pcm)

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
        self._turns.on_client_event(event)

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(self, event)
        else:
            self._turns.on_event(event)

    def on_end(self, record: EndRecord) -> None:
        """Estimate everything that nobody will report any more."""
        self._give_up_answer()
        for aside in self._asides.values():
            self._put(self._entry_of_answer(aside, status=Usage.Status.INCOMPLETE))
        self._asides.clear()
        self._turns.give_up()
        self._time.tick(last=True)
        if self._owes:
            self._save(owing=None)

    # Sessions

    def _created(self, event: Event) -> None:
        self._turns.give_up()
        self._time.begin()
        self._done.clear()
        if self._sessions:
            self._context.starts_again()
        self._sessions += 1
        session = event["session"]
        self._session = f"{self._call_id}/{self._sessions}/{session.get('id') or ''}"[:200]
        self._turns.follow(event["session"])

    def _added(self, event: Event) -> None:
        item = event["item"]
        if item.get("role") != "assistant":
            self._context.takes(item)

    # Answers

    def _response_created(self, event: Event) -> None:
        response_id = event["response"]["id"]
        times = self._done.get(response_id, 0)
        # A provider that reuses ids is paid for each answer all the same.
        key = f"{response_id}#{times + 1}" if times else response_id
        if self._answer is not None and self._answer.key == key:
            return  # it was told before
        self._give_up_answer()
        self._answer = Answer(key, self._context.read())
        self._keep_owing()

    def _give_up_answer(self) -> None:
        """Estimate the answer under way, whose end may never come; if it does, that is what
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
        """Usage of an answer that has ended and was estimated then."""
        response_id = event["response_id"]
        fields = {"raw": event["raw_usage"], "status": event["status"]}
        entry = self._entry(response_id, Usage.Kind.RESPONSE, **fields)
        self._put(entry, response_id=response_id)

    def _ended(self, response_id: str) -> tuple[Answer, Answer | None]:
        """The answer that has ended, and the one that is under way now."""
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
        """Whether connected time is billed from now on: its price may have changed."""
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
            # A row that was there has been told of: a correction would be added to it again.
            if self._sum.add(row):
                self._on_row(name, row)
                self._tell(cost_event(row, self._sum, about, self._context.ahead()))

    # What is under way, in case this process dies

    def _keep_owing(self) -> None:
        self._kept_bytes = self._answer.audio_bytes if self._answer else 0
        self._kept_letters = self._answer.letters if self._answer else 0
        owing = self._turns.owing()
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
        "session.usage.updated": _usage_updated,
        "conversation.item.added": _added,
        "response.created": _response_created,
        "response.done": _response_done,
        SPENT: _spent,
        **dict.fromkeys(WORDS, _words),
    }


_meters: WeakValueDictionary[str, Meter] = WeakValueDictionary()


async def charge(entry: Entry) -> None:
    """Write down what a service was used for: through the meter of its call while that runs, so
    that it is part of what the call costs so far; otherwise directly. On the call's loop."""
    meter = _meters.get(str(entry.call_id))
    if meter is not None:
        meter.charge(entry)
    else:
        await in_database(record, entry)
