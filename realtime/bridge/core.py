"""What the two sides of a call share: its state, its legs, its taps and its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from .answers import Answering
from .approvals import nothing_waits
from .audio import (
    BYTES_PER_SECOND,
    SAMPLE_BYTES,
    bytes_to_ms,
    bytes_to_samples,
    ms_to_bytes,
    samples_to_ms,
)
from .dialects.base import Dialect
from .ends import ENDS, End, ended_event
from .events import Event
from .gate import Gate, Leg, Release
from .ids import new_id
from .items import Items
from .limits import Limits
from .memory import Memory
from .notices import notice_event
from .redact import shown_message
from .sent import Sent
from .session import Offered, Settings
from .taps import EndRecord, Tap, Taps
from .waiting import Tail
from .words import Translate, untranslated
from .writer import Frame

if TYPE_CHECKING:
    from .own_turns import OwnTurns


class Core:
    """The state of one call and its basic operations; see `call.Call`."""

    # More than thirty attributes in a `__dict__` make an object slower, and far larger.
    __slots__ = (
        "_browser",
        "_detail",
        "_hold",
        "_on_end",
        "_provider_message",
        "_ready",
        "_skipped",
        "_translate",
        "_words",
        "active_at",
        "answering",
        "asked",
        "clock",
        "dialect",
        "ended",
        "expired",
        "heard_at",
        "items",
        "last_error",
        "limits",
        "memory",
        "on_approve",
        "on_received",
        "on_renew",
        "own_turns",
        "packed",
        "playing_until",
        "proven",
        "ready_at",
        "received",
        "reconnecting",
        "replayed",
        "samples",
        "samples_before",
        "sent",
        "settings",
        "shown",
        "speaking",
        "tail",
        "taps",
        "unsure_until",
        "upstream",
    )

    def __init__(
        self,
        browser: Leg,
        session: Mapping[str, Any],
        *,
        ready: Mapping[str, Any] | None = None,
        offered: Offered | None = None,
        taps: Sequence[Tap] = (),
        limits: Limits | None = None,
        translate: Translate = untranslated,
        on_end: Callable[[End], None] = lambda end: None,
        hold: Callable[[Release], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.clock = clock
        self.items = Items()
        self.sent = Sent()
        self.settings = Settings(session, offered)
        self.answering = Answering()
        self.memory = Memory(self.items, self.limits.remembered_letters)
        self.taps = Taps((self.memory, *taps))
        self.ended: End | None = None
        self.active_at = clock()  # when somebody last did something
        self.asked = False  # the provider has asked who is there, and nobody has answered
        self.heard_at = self.active_at  # when the provider last sent anything but audio
        self.last_error: Mapping[str, Any] = {}  # the provider's, since its last answer began
        self.received = 0  # bytes of answers' audio
        self.samples_before = 0  # microphone samples sent before this upstream session
        self.tail = Tail(self._repeated)
        self.unsure_until = 0.0  # the sample; see `unsure`
        # The sample up to which the provider is known to have been there; see `Pulse`.
        self.proven = math.inf
        self.playing_until = 0.0  # when all audio received will have been played
        self.replayed: set[str] = set()  # items that a session was told as text
        # By item id: the content that browser and taps see, in place of what the provider got.
        self.shown: dict[str, list[Event]] = {}
        self.packed = False  # the conversation is told as one system message
        self.speaking: str | None = None  # the item of a person who is heard speaking
        self.expired = False  # the upstream session says that it is at its end
        # Told within how many seconds the upstream session should be replaced.
        self.on_renew: Callable[[float], None] = lambda seconds: None
        # Takes a `nextvoice.approve`. Raises `Problem`.
        self.on_approve: Callable[[Event], None] = nothing_waits
        # Told how many frames of the call have arrived at the browser.
        self.on_received: Callable[[int], None] = lambda frames: None
        self.reconnecting = 0  # attempts since the last session was lost
        self.own_turns: OwnTurns | None = None  # if the provider does not detect turns
        self.upstream: Leg | None = None
        self.dialect: Dialect | None = None
        self.ready_at: float | None = None
        self._provider_message: str | None = None
        self._detail: str | None = None
        self._words: tuple[str, str] | None = None
        self._hold = hold
        self._browser = Gate(browser, self.limits.queued_bytes)
        self._ready = dict(ready or {})
        self._translate = translate
        self._on_end = on_end
        self.samples = 0  # microphone samples sent upstream, in the whole call
        self._skipped = 0  # by dialects already detached

    def stir(self, *, person: bool = False) -> None:
        """Note activity, for the idle limit. Once the provider has asked whether anybody is there,
        only activity of the person counts."""
        self.asked = self.asked and not person
        if not self.asked:
            self.active_at = self.clock()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Send the browser an event, `nextvoice.*` or GA."""
        self._browser.send(orjson.dumps(event).decode())

    def notice(self, code: str) -> None:
        """Send the browser a notice of `notices.NOTICES`."""
        self.tell(notice_event(code, self._translate))

    def end(
        self,
        reason: str,
        provider_message: str | None = None,
        detail: str | None = None,
        words: tuple[str, str] | None = None,
    ) -> None:
        """End the call for a reason of `ends.ENDS`. The first reason stands. `words`: message and
        remedy for the person, translated, instead of the table's."""
        if self.ended is None:
            self.ended = ENDS[reason]
            self._provider_message = shown_message(provider_message or "", ()) or None
            self._detail = detail
            self._words = words
            self._on_end(self.ended)

    def finish(self) -> EndRecord:
        """Make the call's end record, tell it to the taps as the last thing, and return it."""
        since = self.ready_at
        record = EndRecord(
            end=self.ended or ENDS["internal_error"],
            duration_ms=0 if since is None else round((self.clock() - since) * 1000),
            provider_message=self._provider_message,
            detail=self._detail,
            user_ms=samples_to_ms(self.samples),
            assistant_ms=bytes_to_ms(self.received),
            skipped_events=self._skipped + (self.dialect.skipped if self.dialect else 0),
            tap_errors=self.taps.errors,
        )
        self.taps.on_end(record)
        return record

    def close(self) -> None:
        """Nothing more comes from the provider: tell the taps that linger of the end."""
        self.taps.close()

    @property
    def awaits_usage(self) -> bool:
        """Whether a tap that lingers still waits for the provider to report usage."""
        return self.taps.linger and (self.answering.active is not None or self.taps.awaits_usage)

    def shut(self) -> None:
        """Hold back all frames for the browser from here on, until whoever asked for `hold`
        releases them."""
        if self._hold is not None and self.ended is None:
            self._hold(self._browser.shut())

    def say_ended(self, record: EndRecord) -> None:
        """Tell the browser that the call is over; nothing is sent to it after that."""
        self._browser.open()
        self.tell(self.ended_event(record))
        self._browser.close()

    def ended_event(self, record: EndRecord) -> Event:
        """The `nextvoice.ended` frame of this call."""
        return ended_event(
            record.end,
            self._translate,
            duration_ms=record.duration_ms,
            provider_message=record.provider_message,
            words=self._words,
        )

    # Towards the provider

    def send_audio(self, pcm: bytes) -> None:
        """Send microphone audio to the attached provider; with own turns, only that of turns."""
        start = self.samples
        self.taps.on_user_audio(pcm, start)
        self.samples += len(pcm) // SAMPLE_BYTES
        if self.own_turns is None:
            self._send_on(pcm)
            return
        for piece in self.own_turns.hear(pcm, start):
            self._send_on(piece)

    def _send_on(self, pcm: bytes) -> None:
        assert self.dialect is not None
        self.tail.add(pcm)
        self._say(self.dialect, self.dialect.audio(pcm))

    @property
    def unsure(self) -> bool:
        """Whether the provider may still have to report speech in audio that it was given at once
        (replayed, or kept while no provider was attached)."""
        return self.samples < self.unsure_until

    def _repeated(self) -> int:
        """How many bytes of the newest audio are given again to another session."""
        limits = self.limits
        seconds = limits.repeated_seconds if self.tail.recall is None else limits.recalled_seconds
        most = int(seconds * BYTES_PER_SECOND)
        if self.speaking is None and not (self.unsure or self.tail.asked or self.settings.manual):
            onset = int(limits.onset_seconds * BYTES_PER_SECOND)
            most = min(most, onset + max(self._unproven, self._untold))
        return most

    @property
    def _unproven(self) -> int:
        """Bytes sent since the provider was last known to be there: it may have had no way to
        report speech in them."""
        return (self.samples - int(min(self.proven, self.samples))) * SAMPLE_BYTES

    @property
    def _untold(self) -> int:
        """Bytes sent since somebody seems to have begun to speak of whom the provider has told
        nothing yet."""
        begins = self.dialect.hears_from if self.dialect is not None else None
        if begins is None:
            return 0
        return max(0, (self.samples - self.samples_before) * SAMPLE_BYTES - ms_to_bytes(begins))

    @property
    def awaits(self) -> bool:
        """Whether the provider has anything to do besides listening."""
        answering = self.answering
        answers = answering.active is not None or answering.owed
        return answers or self.tail.commit is not None or self.settings.asks

    def to_upstream(self, event: Event, **fields: Any) -> None:
        """Send on a client event with these fields only, under its own id or a new one."""
        event_id = event.get("event_id") or new_id("nextvoice")
        sent = {"type": event["type"], "event_id": event_id, **fields}
        if event["type"] == "response.cancel":
            self.answering.cancels(event_id, fields.get("response_id"))
        self.taps.on_client_event(sent)
        if self.own_turns is not None:
            sent = self.own_turns.to_provider(sent)
        if self.dialect is not None:
            self._say(self.dialect, self.dialect.encode(sent))

    def _say(self, dialect: Dialect, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.send(frame)
        if answers := dialect.answers():
            self.take_answers(answers)

    def take_answers(self, events: Sequence[Event]) -> None:
        """Handle events that the dialect made itself, in place of its provider."""
        raise NotImplementedError

    def ask(self, event: Event) -> None:
        """Send a `response.create`."""
        # Repeated in each request: after text in the history a model tends to answer in text.
        modalities = self.settings.session.get("output_modalities", ["audio"])
        response = {"output_modalities": modalities} | (event.get("response") or {})
        self.answering.wanted = response["output_modalities"]
        event["event_id"] = event.get("event_id") or new_id("nextvoice")
        self.to_upstream(event, response=response)

    def send(self, frame: Frame) -> None:
        """Send the provider a frame that its dialect has made."""
        if self.upstream is not None:
            self.upstream.send(frame)

    def send_to_browser(self, pcm: bytes) -> None:
        """Send the browser audio of the answer last announced."""
        self._browser.send(pcm)

    # One upstream session after another

    def is_quiet(self) -> bool:
        """Whether nobody is speaking, nothing is playing and no answer is awaited."""
        return (
            self.answering.active is None
            and not self.answering.owed
            and self.speaking is None
            and not self._untold
            and self.clock() > self.playing_until
            and not (self.settings.manual and self.tail.size)
        )

    def is_silent(self) -> bool:
        """Whether an answer that seems to be under way may have ended without saying so."""
        last = max(self.heard_at, self.playing_until)
        return self.clock() - last >= self.limits.silent_seconds

    @property
    def _nothing_came(self) -> bool:
        """Whether a turn is over, was to be answered, and neither its words nor an answer came."""
        last = self.memory.last()
        if last is None or self.speaking is not None or not self.answering.owed:
            return False
        return self.memory.role(last) == "user" and not self.memory.has_words(last)

    def plug(self, upstream: Leg, dialect: Dialect) -> None:
        """Begin to use an upstream session."""
        self.upstream, self.dialect = upstream, dialect
        self.samples_before = self.samples - bytes_to_samples(self.tail.size)
        self.expired = False
        self.packed = self.packed or dialect.history_mode == "packed"

    def unplug(self) -> None:
        """Stop using the upstream session, and fetch the audio of the turn under way: this comes
        before that turn is closed, after which its audio may no longer be had."""
        if self.ended is None:
            self.taps.catch_up()
            now = self.samples * SAMPLE_BYTES
            unsure = self.unsure or self._unproven > 0 or self._untold > 0
            self.tail.gather(now)
            asks = self._nothing_came and self.tail.ask_again(now)
            self.unsure_until = math.inf if unsure or asks or self.speaking else 0
        if self.dialect is not None:
            self._skipped += self.dialect.skipped
        self.upstream = self.dialect = None

    def say_ready(self, created: Mapping[str, Any]) -> None:
        """Tell the browser that a provider is there: the first time, or again after a break."""
        shown = self.settings.shown(created)
        if self.ready_at is None:
            self.ready_at = self.clock()
            self.tell({"type": "nextvoice.ready", **self._ready, "session": shown})
        elif self.reconnecting:
            self.tell({"type": "nextvoice.reconnected", "session": shown})
        self.reconnecting = 0
