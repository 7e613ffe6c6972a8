"""The provider's half of a call: its events change the call's state and go to taps and browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from .answers import STOPPED, answers_turns, take_audio
from .audio import BYTES_PER_SECOND, SAMPLE_BYTES, ms_to_bytes, samples_to_ms
from .core import Core
from .dialects.base import AUDIO_DELTA, OPENING, OPENING_IDS, RENEW, SPENT, TAKEN_BACK
from .errors import FATAL_CODES, is_busy, is_no_commit, judge
from .events import Event
from .flip import AUDIO, FlipGuard
from .ids import new_id
from .items import Item
from .session import shown_session

AUDIO_PLACE = ("item_id", "response_id", "output_index", "content_index")
_audio_place = itemgetter(*AUDIO_PLACE)
TRANSCRIPTION = "conversation.item.input_audio_transcription"
TRANSCRIPTION_FAILED = f"{TRANSCRIPTION}.failed"
CONNECTION_LOST = "connection_lost"
FILTERED = "content_filter"
RATE_LIMITED = ("rate_limit_exceeded", "inference_rate_limit_exceeded")


class ProviderSide:
    """Handles GA events, with every field filled in by a dialect."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._announced: tuple[Any, ...] | None = None  # by the last nextvoice.audio
        # The audio delta last passed on, and its item.
        self._last: Event = {}
        self._speaking = Item("")
        self._flips = FlipGuard(core)
        self._coming: list[Event] = []
        self._taking = False
        self._closed: set[str] = set()  # turns whose transcript will never come
        # Parts of the answer whose text is complete, as item id and content index.
        self._said: set[tuple[str, int]] = set()
        self._handlers: dict[str, Callable[[Event], None]] = {
            AUDIO_DELTA: self._audio,
            "session.created": self._session,
            "session.updated": self._session,
            "conversation.item.added": self._item,
            "conversation.item.done": self._item,
            "conversation.item.deleted": self._deleted,
            f"{TRANSCRIPTION}.delta": self._heard,
            f"{TRANSCRIPTION}.completed": self._written,
            "input_audio_buffer.committed": self._committed,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._timed_out,
            "response.created": self._response_created,
            "response.output_item.added": self._output_item,
            "response.output_text.delta": self._text,
            "response.output_text.done": self._all_words,
            "response.output_audio_transcript.delta": self._words,
            "response.output_audio_transcript.done": self._all_words,
            "response.done": self._response_done,
            "error": self._error,
            RENEW: self._renew,
            SPENT: core.taps.on_event,
            TAKEN_BACK: core.taps.on_event,
        }

    def take(self, events: Iterable[Event]) -> None:
        """Handle events in the order in which they came."""
        if self._taking:
            self._coming.extend(events)  # the event being handled caused these, so they follow it
            return
        self._taking = True
        try:
            for event in events:
                self._take(event)
            while self._coming:
                self._take(self._coming.pop(0))
        finally:
            self._taking = False

    def take_more(self, before: Event, pcm: bytes) -> None:
        """Handle audio that continues that of the audio delta `before`."""
        item, index = self._speaking, before["content_index"]
        # The most frequent event has a fast path, if nothing has to be put together or judged.
        plain = before is self._last and not (self._taking or item.odd_byte or len(pcm) % 2)
        if plain and self._core.ended is None:
            item.received[index] += len(pcm)
            self._pass_audio(item.id, index, pcm)
        else:
            self.take((before | {"delta": pcm},))

    def take_no_more(self) -> None:
        """Judge whatever comes of the answer under way again: no fast path for its audio."""
        self._last = {}

    def _take(self, event: Event) -> None:
        own, flips = self._core.own_turns, self._flips
        if own is None and flips.resting:
            self._follow(event)
            return
        for each in (event,) if own is None else own.sift(event):
            for decided in flips.sift(each):
                self._follow(decided)

    def _follow(self, event: Event) -> None:
        self._handlers.get(event["type"], self._pass_on)(event)

    def lost(self) -> None:
        """The provider is gone: close everything that it left open."""
        self._announced, self._last = None, {}
        self._flips.lost()
        if self._core.ended is None:
            self._close_turns()
        if self._core.own_turns is not None:
            self._core.own_turns.lost()
        answering = self._core.answering
        if answering.active is not None:
            for item_id in answering.items:
                self._core.items.touch(item_id).broken = True
            if answering.owed:
                self._core.memory.unsay(self._unheard())
            self._break_off(answering.active)

    def _unheard(self) -> list[str]:
        """Messages of the answer under way that should be spoken and of which no audio came."""
        core = self._core
        if core.settings.session.get("output_modalities", AUDIO) != AUDIO:
            return []
        touch = core.items.touch
        return [each for each in core.answering.items if not any(touch(each).received.values())]

    def _break_off(self, response_id: str) -> None:
        """End the answer under way as incomplete: the provider will never report its end."""
        output = self._so_far()
        self._core.answering.interrupted()
        self.make("response.done", response=incomplete(response_id, output))

    def _close_turns(self) -> None:
        core = self._core
        if core.speaking is not None:
            now = samples_to_ms(core.samples)
            self.make("input_audio_buffer.speech_stopped", item_id=core.speaking, audio_end_ms=now)
            core.speaking = None
        for item_id in core.memory.order():
            if core.memory.role(item_id) == "user" and not core.memory.has_all_words(item_id):
                self._no_words(item_id)

    def _no_words(self, item_id: str) -> None:
        if item_id in self._closed:
            return
        self._closed.add(item_id)
        error = {"type": "server_error", "code": CONNECTION_LOST, "message": "", "param": None}
        self.make(TRANSCRIPTION_FAILED, item_id=item_id, content_index=0, error=error)

    def _so_far(self, status: str = "incomplete") -> list[Event]:
        """The messages of the answer under way."""
        return self._core.memory.spoken(self._core.answering.items, status)

    def make(self, kind: str, **fields: Any) -> None:
        """Send page and taps an event of our own, in place of the provider."""
        self._pass_on({"type": kind, "event_id": new_id("event"), **fields})

    def _pass_on(self, event: Event) -> None:
        self._core.heard_at = self._core.clock()
        self._core.stir()
        self._core.taps.on_event(event)
        # Usage in the provider's own format is for the taps only.
        event.pop("raw_usage", None)
        if event["type"] == "response.done":
            self._core.shut()
        self._core.tell(event)

    def _audio(self, event: Event) -> None:
        core, item_id, index = self._core, event["item_id"], event["content_index"]
        if core.ended is not None:
            # Nobody will hear this; the taps that linger count it as usage.
            core.taps.on_late_audio(item_id, index, event["delta"])
            return
        item = core.items.touch(item_id)
        pcm, event["delta"] = take_audio(item, index, event["delta"]), b""
        if not pcm:
            return
        place = _audio_place(event)
        if place != self._announced:
            self._announced = place
            core.tell({"type": "nextvoice.audio"} | dict(zip(AUDIO_PLACE, place, strict=True)))
        core.answering.speaks(item_id)
        self._last, self._speaking = event, item
        self._pass_audio(item_id, index, pcm)

    def _pass_audio(self, item_id: str, index: int, pcm: bytes) -> None:
        core, size = self._core, len(pcm)
        core.received += size
        now, until = core.clock(), core.playing_until
        core.playing_until = (until if until > now else now) + size / BYTES_PER_SECOND
        if core.answering.owed:
            self._comes()
        core.taps.on_assistant_audio(item_id, index, pcm)
        core.send_to_browser(pcm)

    def _renew(self, event: Event) -> None:
        self._core.on_renew(event["seconds"])

    def _session(self, event: Event) -> None:
        if event["type"] == "session.updated":
            self._core.settings.accepted()
        self._core.taps.on_event(event)
        self._core.tell(event | {"session": shown_session(event["session"])})

    def _item(self, event: Event) -> None:
        item = self._core.items.place(event["item"]["id"], event["previous_item_id"])
        if (shown := self._core.shown.get(item.id)) is not None:
            event["item"]["content"] = shown
        if item.id not in self._core.replayed:
            self._pass_on(event)

    def _committed(self, event: Event) -> None:
        core = self._core
        core.items.place(event["item_id"], event["previous_item_id"])
        # Otherwise the next turn has begun in the meantime.
        if core.speaking in (None, event["item_id"]):
            core.speaking = None
            if core.tail.commit is not None or not core.settings.manual:
                core.taps.catch_up()
                core.tail.over(core.samples * SAMPLE_BYTES)
        silent = core.memory.is_silent(event["item_id"])
        if answers_turns(core.settings.session) and not silent:
            core.answering.owe()
        self._pass_on(event)

    def _deleted(self, event: Event) -> None:
        self._core.items.delete(event["item_id"])
        self._core.sent.forget(event["item_id"])
        self._pass_on(event)

    def _heard(self, event: Event) -> None:
        # Deltas that come after the complete transcript would repeat words.
        if not self._core.memory.has_all_words(event["item_id"]):
            self._pass_on(event)

    def _written(self, event: Event) -> None:
        self._core.tail.asked = b""
        self._pass_on(event)

    def _speech(self, event: Event) -> None:
        # A provider counts from the start of its session, a call from its own.
        for name in ("audio_start_ms", "audio_end_ms"):
            if name in event:
                event[name] += samples_to_ms(self._core.samples_before)
        self._pass_on(event)

    def _timed_out(self, event: Event) -> None:
        self._core.asked = True
        self._speech(event)

    def _speech_started(self, event: Event) -> None:
        self._core.asked = False
        if self._core.speaking == event["item_id"]:
            self._core.stir()
            return  # some providers repeat it, each time with a later time
        self._core.speaking = self._core.items.touch(event["item_id"]).id
        self._speech(event)
        now = self._core.samples * SAMPLE_BYTES
        self._core.tail.begins(ms_to_bytes(event["audio_start_ms"]), now)

    def _speech_stopped(self, event: Event) -> None:
        core = self._core
        core.speaking = None
        core.proven = max(core.proven, core.samples)
        self._speech(event)
        end, now = ms_to_bytes(event["audio_end_ms"]), core.samples * SAMPLE_BYTES
        if now - end <= core.limits.onset_seconds * BYTES_PER_SECOND:
            core.unsure_until = 0
        elif core.unsure:
            core.tail.ends(end)  # there may be another turn in the rest of that audio

    def _output_item(self, event: Event) -> None:
        if event["item"].get("type") == "message":
            self._core.answering.speaks(event["item"]["id"])
        self._pass_on(event)

    def _comes(self) -> None:
        """Something of an answer can be heard or read."""
        if self._core.answering.comes():
            self._core.tail.asked = b""

    def _text(self, event: Event) -> None:
        self._comes()
        self._core.answering.speaks(event["item_id"])
        self._words(event)

    def _words(self, event: Event) -> None:
        # Deltas that come after the complete text would repeat words.
        if (event["item_id"], event["content_index"]) not in self._said:
            self._pass_on(event)

    def _all_words(self, event: Event) -> None:
        self._said.add((event["item_id"], event["content_index"]))
        self._pass_on(event)

    def _response_created(self, event: Event) -> None:
        core, response_id = self._core, event["response"]["id"]
        if core.answering.active not in (None, response_id):
            self._break_off(core.answering.active)  # it must have ended without saying so
        if core.tail.commit is not None:
            core.tail.clear()  # not every provider confirms a commit
        modalities = core.settings.session.get("output_modalities", AUDIO)
        self._flips.begins(response_id, core.answering.wanted or modalities)
        core.answering.started(response_id)
        self._said.clear()
        self._core.last_error = {}
        self._pass_on(event)

    def _response_done(self, event: Event) -> None:
        response = event["response"]
        if not response["output"] and response["id"] == self._core.answering.active:
            # Browser and taps look here for the items of the answer.
            whole = response.get("status") == "completed"
            response["output"] = self._so_far("completed" if whole else "incomplete")
        held = self._core.answering.done(response["id"])
        if not self._core.answering.owed:
            self._core.tail.asked = b""
        if self._flips.finished(response) and held is None and self._core.speaking is None:
            request: Event = {"type": "response.create", "response": {"output_modalities": AUDIO}}
            held = self._core.answering.ask(request)
        self._pass_on(event)
        if response.get("status") == "failed":
            self._core.notice(_failure_notice(response))
        elif (response.get("status_details") or {}).get("reason") == FILTERED:
            self._core.notice("answer_filtered")
        if held is not None and self._core.ended is None:
            self._core.ask(held)

    def _error(self, event: Event) -> None:
        error = event["error"]
        verdict = judge(error)
        self._core.taps.on_event(event)
        commit = self._core.tail.commit
        if commit is not None and (is_no_commit(error) or error["event_id"] == commit["event_id"]):
            self._core.tail.clear()
        if verdict.kind == "benign":
            self._benign(event)
            over = self._core.answering.nothing_to_stop(error["event_id"])
            if over is not None:
                self._stopped(over)
            return
        self._core.last_error = error
        if verdict.reason == "session_limit":
            # This does not end the call: another session takes over.
            self._core.expired = True
            return
        if verdict.reason is not None:
            self._core.end(verdict.reason, error["message"])
            return
        self._core.settings.refused(error["event_id"])
        self._core.sent.refused(error["event_id"])
        if (error["event_id"] or "").startswith(OPENING_IDS):
            self._core.notice("setting_refused")
            if error["event_id"] == OPENING:
                self._open_without(error["param"])
        self._core.tell(event)

    def _open_without(self, param: object) -> bool:
        """Configure the session again without what was refused, `param`; False if that leaves
        nothing out."""
        core = self._core
        if core.dialect is None or not core.settings.opens_without(param, OPENING):
            return False
        for frame in core.dialect.opening(core.settings.session, ()):
            core.send(frame)
        return True

    def _benign(self, event: Event) -> None:
        """An error from a harmless race, of which the person need not know."""
        if is_busy(event["error"]):
            held = self._core.answering.refused(event["error"]["event_id"])
            if held is not None and self._core.ended is None:
                self._core.ask(held)

    def _stopped(self, response_id: str) -> None:
        """End an answer that the provider says is not under way, though it never reported its end.
        A request that waits for that end is then sent."""
        response = incomplete(response_id, self._so_far())
        response |= {"status": "cancelled", "status_details": STOPPED}
        self._follow({"type": "response.done", "event_id": new_id("event"), "response": response})


def incomplete(response_id: str, output: list[Event]) -> Event:
    """The response of an answer whose provider is gone."""
    return {
        "id": response_id,
        "object": "realtime.response",
        "status": "incomplete",
        "status_details": {"type": "incomplete", "reason": CONNECTION_LOST},
        "output": output,
        "usage": None,
    }


def _failure_notice(response: Mapping[str, Any]) -> str:
    details = response.get("status_details")
    error = details.get("error") if isinstance(details, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if code in RATE_LIMITED:
        return "rate_limited"
    if isinstance(code, str) and FATAL_CODES.get(code) == "provider_quota":
        return "provider_quota"
    return "answer_failed"
