"""Hands-free talking with a provider that has no turn detection.

Such a provider (MiniMax) takes audio, a commit and a request for an answer. Turns are detected here
instead, in the microphone's audio on its way, and what a provider with turn detection does is done
for it: the start and stop of speech are reported, the turn is committed, an answer is asked for,
and an answer that is talked over is cancelled. Between turns no audio is sent, because the provider
takes all it gets as part of a turn, and bills it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..hearing.turns import Started
from ..hearing.vad import Vad
from .answers import STOPPED, TALKED_OVER
from .audio import samples_to_ms
from .core import Core
from .dialects.names import ID_FIELDS
from .errors import is_no_commit, judge
from .events import Event
from .ids import new_id
from .listener import Listener

COMMIT = "input_audio_buffer.commit"
ITEM_EVENTS = ("conversation.item.added", "conversation.item.done")


class OwnTurns:
    """The turns of one call. `make` sends page and taps an event of our own; `on_cut` is called
    when all that comes of the answer under way, even its audio, has to pass `sift` from here on."""

    def __init__(
        self, core: Core, vad: Vad, make: Callable[..., None], on_cut: Callable[[], None]
    ) -> None:
        self._core = core
        self._vad = vad
        self._make = make
        self._on_cut = on_cut
        self._listener: Listener | None = None  # None while the page decides where turns end
        self._settings: object = None  # the turn detection in use
        self._started_ms = 0  # where the turn under way began
        # By the id of the commit, oldest first: the item ids of our turns, None for the page's.
        # The provider gives each turn an id of its own, which nobody else knows.
        self._commits: dict[str, str | None] = {}
        self._ours: dict[str, str] = {}  # the provider's item ids to those everybody else knows
        self._theirs: dict[str, str] = {}
        self._cancels: deque[str] = deque(maxlen=8)
        self._stops: deque[str] = deque(maxlen=8)  # the page's; `_cancels` are ours
        self._cut: str | None = None  # the response that was talked over, or stopped
        self._why = TALKED_OVER
        self._doomed = False  # the response that was asked for is talked over before it begins

    # --- the microphone ------------------------------------------------------------------------

    def hear(self, pcm: bytes, start: int) -> Iterable[bytes]:
        """Yield what to send of audio that begins at this sample of the call's timeline. Turns
        begin and end in between, so send each piece before taking the next."""
        self.follow(start)
        if self._listener is None:
            yield pcm
            return
        for found in self._listener.hear(pcm):
            if isinstance(found, bytes):
                yield found
            elif isinstance(found, Started):
                self._begin(found.at_ms)
            else:
                self._end(found.at_ms)

    def follow(self, now: int | None = None) -> None:
        """Apply changed settings. `now`: the sample at which the next audio begins."""
        detection = self._detection()
        if detection is self._settings:
            return
        now = self._core.samples if now is None else now
        self._settings = detection
        if detection is None:
            self.end_turn(answer=True)
            self._listener = None
        elif self._listener is not None:
            self._listener.configure(detection)
        else:
            self._listener = Listener(self._vad, now, detection)
            tail = self._core.tail
            if self._core.upstream is not None and tail.size and tail.commit is None:
                # Spoken while the page decided where turns end, and never committed.
                tail.clear()
                self._core.to_upstream({"type": "input_audio_buffer.clear"})

    def end_turn(self, *, answer: bool, commit: bool = True) -> bool:
        """End the turn under way, for another reason than silence; False when there is none."""
        if self._listener is None or not self._listener.speaking:
            return False
        self._listener.end_turn()
        self._end(samples_to_ms(self._core.samples), answer=answer, commit=commit)
        return True

    def _detection(self) -> Mapping[str, Any] | None:
        if self._core.settings.manual:
            return None
        audio_in = (self._core.settings.session.get("audio") or {}).get("input") or {}
        detection: Mapping[str, Any] = audio_in.get("turn_detection") or DEFAULT
        return detection

    def _begin(self, at_ms: int) -> None:
        self._started_ms = at_ms
        self._say_started()
        if self._wants("interrupt_response"):
            self._interrupt()

    def _say_started(self) -> None:
        self._core.speaking = item_id = new_id("item")
        at_ms = self._started_ms
        self._make("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=at_ms)

    def _end(self, at_ms: int, *, answer: bool = True, commit: bool = True) -> None:
        core = self._core
        item_id, core.speaking = core.speaking, None
        if item_id is None:
            return
        self._make("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=at_ms)
        core.tail.clear()
        self._doomed = False
        if commit and core.upstream is not None:
            self._commit(item_id)
            if answer and self._wants("create_response"):
                self._ask()

    def _commit(self, item_id: str) -> None:
        event_id = new_id("nextvoice")
        self._commits[event_id] = item_id
        self._core.to_upstream({"type": COMMIT, "event_id": event_id})

    def _ask(self) -> None:
        asked = self._core.answering.ask({"type": "response.create"})
        if asked is not None:
            self._core.ask(asked)

    def _interrupt(self) -> None:
        answering = self._core.answering
        if answering.active is not None:
            self._cancel(answering.active)
        else:
            self._doomed = answering.owed

    def _cancel(self, response_id: str) -> None:
        if self._cut != response_id:
            self._cut_off(response_id, TALKED_OVER)
            event_id = new_id("nextvoice")
            self._cancels.append(event_id)
            cancel: Event = {"type": "response.cancel", "event_id": event_id}
            self._core.to_upstream(cancel, response_id=response_id)

    def _cut_off(self, response_id: str, why: Event) -> None:
        self._cut, self._why = response_id, why
        self._on_cut()

    def _wants(self, name: str) -> bool:
        detection = self._detection()
        return detection is None or detection.get(name) is not False

    # --- the provider --------------------------------------------------------------------------

    def lost(self) -> None:
        """The provider is gone. A turn under way has been closed for everybody."""
        self._commits.clear()
        self._ours.clear()
        self._theirs.clear()
        self._cut, self._doomed = None, False

    def resume(self) -> None:
        """Another session has been given the turn under way: report its start again."""
        if self._listener is not None and self._listener.speaking and self._core.speaking is None:
            self._say_started()

    def to_provider(self, event: Event) -> Event:
        """A client event with the ids that the provider knows."""
        if event["type"] == COMMIT:
            self._commits.setdefault(event["event_id"], None)
        elif event["type"] == "response.cancel" and self._core.ended is None:
            self._stop(event)
        names = [name for name in ID_FIELDS if event.get(name) in self._theirs]
        return event | {name: self._theirs[event[name]] for name in names}

    def _stop(self, event: Event) -> None:
        """Cut the answer that the page cancels, in case the provider cannot cancel it."""
        active = self._core.answering.active
        if event["event_id"] in self._cancels or active is None:
            return
        if event.get("response_id") in (None, active):
            self._stops.append(event["event_id"])
            if self._cut != active:
                self._cut_off(active, STOPPED)

    def sift(self, event: Event) -> Iterable[Event]:
        """The events to handle in place of the provider's, with the ids everybody knows."""
        kind = event["type"]
        if kind == "error":
            return () if self._is_refusal(event["error"]) else (event,)
        if kind == "input_audio_buffer.committed":
            self._name(event["item_id"])
        self._rename(event)
        if kind == "response.created" and self._doomed:
            self._doomed = False
            self._cancel(event["response"]["id"])
        if kind in ("session.created", "session.updated"):
            self._tell_settings(event["session"])
        return (event,) if self._cut is None else self._after_cut(event)

    def _is_refusal(self, error: Mapping[str, Any]) -> bool:
        """Whether an error only says that there was nothing to commit or to cancel."""
        event_id = error["event_id"]
        # If the error does not say which commit: they are answered in order.
        refused = next(iter(self._commits), None) if is_no_commit(error) else None
        self._commits.pop(event_id or refused or "", None)
        if event_id in self._stops:
            # A benign one, for a cancel that came too late, is handled elsewhere.
            return judge(error).kind == "recoverable"
        return event_id in self._cancels

    def _name(self, theirs: str) -> None:
        first = next(iter(self._commits), None)
        ours = self._commits.pop(first) if first is not None else None
        if ours is not None:
            self._ours[theirs], self._theirs[ours] = ours, theirs

    def _rename(self, event: Event) -> None:
        for name in ID_FIELDS:
            if event.get(name) in self._ours:
                event[name] = self._ours[event[name]]
        item = event.get("item")
        if item is not None and item.get("id") in self._ours:
            item["id"] = self._ours[item["id"]]

    def _tell_settings(self, session: Event) -> None:
        """The provider does not know how turns are found: we do."""
        audio_in = session.setdefault("audio", {}).setdefault("input", {})
        audio_in["turn_detection"] = self._detection()

    def _after_cut(self, event: Event) -> Iterable[Event]:
        """Drop what still comes of the answer that was cut, should the provider go on with it."""
        if event["type"] == "response.done" and event["response"]["id"] == self._cut:
            self._cut = None
            heard = self._core.memory.spoken(self._core.answering.items, "incomplete")
            done = {"status": "cancelled", "status_details": self._why, "output": heard}
            return (event | {"response": event["response"] | done},)
        items = self._core.answering.items
        is_item = event["type"] in ITEM_EVENTS and event["item"]["id"] in items
        if not is_item and event.get("response_id") != self._cut:
            return (event,)
        self._core.heard_at = self._core.clock()
        return ()


DEFAULT: Mapping[str, Any] = {"type": "server_vad"}
"""OpenAI's default for a session that does not mention turn detection."""
