"""Google Gemini Live: a protocol of its own, translated to GA.

There is one object per session. `setup` makes what a session is sent at its beginning, `talk`
follows what comes, with `turn` for the person and `answer` for the model, and `usage` counts
tokens. What only GA has (retrieving, truncating and deleting items, changing settings) is answered
here.

A setup lasts as long as its connection. Changing it takes another session, which goes on from this
one's resumption handle; so does Gemini's announcement that it will close the connection (`goAway`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ...events import Event, error_event
from ...ids import new_id
from ...newest import Newest
from ...resample import Resampler
from ...words import gettext_noop as _
from ...writer import Frame
from ..base import RENEW
from ..reading import read
from ..target import Target
from ..traits import Traits
from .answer import event as ga
from .setup import (
    address,
    credentials,
    images_of,
    merged,
    setup_of,
    takes_turns,
    turns_of,
    words_of,
)
from .talk import Talk
from .wire import audio_of, function_response, message_of, text_of

RENEW_SECONDS = 600.0
"""How long a changed setting may wait for a quiet moment."""
MOST_ITEMS = 256
STOPPED = "The person stopped the answer, so this was not done."
NUDGE = "."
"""Asks for an answer to nothing in particular; an empty message is refused."""


class GeminiLive:
    """The Gemini Live dialect for one upstream session."""

    name: ClassVar[str] = "gemini"
    traits: ClassVar[Traits] = Traits(
        label="Google Gemini Live",
        url_hint="wss://generativelanguage.googleapis.com",
        auth="x-goog-api-key: KEY",
        turn_detection=("server_vad",),
        input_rate=16_000,
        images=True,
        truncate=False,
        retrieve=False,
        usage="tokens by modality per turn, cached ones too; thoughts count as text",
        asks=("api_version",),
        note=_(
            "Answers are always spoken; an answer in writing is what it would have said. A changed "
            "setting begins a new session in the next pause, which remembers the old one. "
            "Connections last about 10 minutes and are renewed without a gap."
        ),
    )
    history_mode: ClassVar[Literal["items", "packed"]] = "items"
    waits_for_tools: ClassVar[bool] = True

    def __init__(self) -> None:
        self.subprotocols: Sequence[str] = ()
        self.skipped = 0
        self.recalls = False
        self._model = self._session_id = ""
        self._session: Mapping[str, Any] = {}
        self._setup: Event = {}
        self._handle: str | None = None
        self._told = False  # whether the session is told a conversation
        self._talk = Talk()
        self._down = Resampler(24_000, self.traits.input_rate)
        self._answers: list[Event] = []
        self._items = Newest(MOST_ITEMS)
        self._typed: list[Event] = []  # messages to be sent when an answer is asked for
        self._outputs: list[Event] = []
        self._last_words = ""  # of the person, in the history
        self._active = False  # a turn that the page will end is under way
        self._committed = False

    # --- before the session --------------------------------------------------------------------

    def url(self, target: Target) -> str:
        self._model = target.model
        return address(target)

    def headers(self, target: Target) -> Mapping[str, str]:
        return {**credentials(target), **target.headers}

    def succeed(self, handle: str | None, told: bool) -> None:
        self._handle, self._told = handle, told and handle is None
        self.recalls = handle is not None

    @property
    def hears_from(self) -> int | None:
        begins = self._talk.person.hears_from
        return None if begins is None or self._manual else begins

    def handle(self) -> str | None:
        return self._talk.handle

    def greeting(self, session: Mapping[str, Any]) -> Iterable[Frame]:
        self._session = session
        self._setup = setup_of(self._model, session)
        resumption = {"handle": self._handle} if self._handle else {}
        setup = self._setup | {"sessionResumption": resumption}
        if self._told and not takes_turns(self._model):
            setup["historyConfig"] = {"initialHistoryInClientContent": True}
        yield message_of("setup", setup)

    def taken(self, item_ids: Collection[str]) -> None:
        """Ignored: all ids are made here."""

    def opening(
        self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> Iterable[Frame]:
        self._follow(session)
        for item in history:
            if item.get("id"):
                self._items.put(item["id"], dict(item))
        if history:
            self._talk.last_item_id = history[-1].get("id")
            if history[-1].get("role") == "user":
                self._last_words = words_of(history[-1])
        if self.recalls:
            return
        turns, anytime = turns_of(history), takes_turns(self._model)
        if turns or (self._told and not anytime):
            content = {"turns": turns, "turnComplete": not anytime}
            yield message_of("clientContent", content)

    def _follow(self, session: Mapping[str, Any]) -> None:
        """Apply settings; if they change the setup, ask for another session."""
        self._session = session
        if setup_of(self._model, session) != self._setup:
            self._answers.append(ga(RENEW, seconds=RENEW_SECONDS))
        self._talk.written = session.get("output_modalities") == ["text"]

    # --- from the provider ---------------------------------------------------------------------

    def decode(self, frame: Frame) -> Iterable[Event]:
        try:
            message = read(frame)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self.skipped += 1
            return self.answers()
        events = [*self.answers(), *self._decoded(message)]
        for each in events:
            self._keep(each)
        return events

    def more_audio(self, frame: Frame) -> None:
        return None

    def _decoded(self, message: Event) -> Iterator[Event]:
        if isinstance(done := message.get("setupComplete"), dict):
            yield self._session_event("session.created", done.get("sessionId"))
        elif not self._talk.knows(message):
            self.skipped += 1
        yield from self._talk.take(message)

    def _session_event(self, kind: str, session_id: object = None) -> Event:
        self._session_id = session_id if isinstance(session_id, str) else new_id("sess")
        pcm = {"format": {"type": "audio/pcm", "rate": 24_000}}
        shape = {"audio": {"input": dict(pcm), "output": dict(pcm)}}
        whole = merged(merged({"output_modalities": ["audio"]}, self._session), shape)
        told = {"type": "realtime", "object": "realtime.session", "id": self._session_id}
        return ga(kind, session=whole | told | {"model": self._model})

    def _keep(self, event: Event) -> None:
        if event["type"] in ("conversation.item.added", "conversation.item.done"):
            self._items.put(event["item"]["id"], event["item"])

    # --- to the provider -----------------------------------------------------------------------

    def answers(self) -> Sequence[Event]:
        given, self._answers = self._answers, []
        return given

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        wire = self._down.feed(pcm)
        if wire and self._manual and not self._active:
            self._active = True
            self._answers += self._talk.person.transcribed()
            yield message_of("realtimeInput", {"activityStart": {}})
        self._answers += self._talk.person.hear(pcm, wire)
        if wire:
            yield audio_of(wire)

    @property
    def _manual(self) -> bool:
        """Whether this connection is told where turns end."""
        return bool(self._setup["realtimeInputConfig"]["automaticActivityDetection"]["disabled"])

    def encode(self, event: Mapping[str, Any]) -> Iterable[Frame]:
        match event["type"]:
            case "session.update":
                self._session_update(event)
            case "conversation.item.create":
                self._create(event)
            case "input_audio_buffer.commit":
                self._commit(event)
            case "input_audio_buffer.clear":
                self._answers.append(ga("input_audio_buffer.cleared"))
            case "response.create":
                return list(self._ask(event.get("response") or {}))
            case "response.cancel":
                self._cancel(event)
            case "conversation.item.retrieve":
                self._retrieve(event)
            case "conversation.item.truncate":
                place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                self._answers.append(ga("conversation.item.truncated", **place))
            case "conversation.item.delete":
                self._items.pop(event["item_id"])
                self._answers.append(ga("conversation.item.deleted", item_id=event["item_id"]))
            case kind:
                self._refuse(event, "unknown_event", f"Gemini has no {kind}.")
        return ()

    def _session_update(self, event: Mapping[str, Any]) -> None:
        self._follow(merged(self._session, event["session"]))
        self._answers.append(self._session_event("session.updated", self._session_id))

    def _create(self, event: Mapping[str, Any]) -> None:
        item = {"id": new_id("item"), **event["item"]}
        item |= {"object": "realtime.item", "status": "completed"}
        if item["type"] == "function_call_output":
            self._outputs.append(item)
        elif item["type"] == "message" and item.get("role") != "assistant":
            self._typed.append(item)
        previous = event.get("previous_item_id") or self._talk.last_item_id
        self._talk.last_item_id = item["id"]
        for kind in ("added", "done"):
            made = ga(f"conversation.item.{kind}", previous_item_id=previous, item=item)
            self._keep(made)
            self._answers.append(made)

    def _commit(self, event: Mapping[str, Any]) -> None:
        if not self._active:
            self._refuse(event, "input_audio_buffer_commit_empty", "There is nothing to commit.")
            return
        self._committed = True
        item_id, person = new_id("item"), self._talk.person
        for each in person.committed(item_id, self._talk.last_item_id):
            self._keep(each)
            self._answers.append(each)
        self._talk.last_item_id = item_id

    def _ask(self, wanted: Mapping[str, Any]) -> Iterator[Frame]:
        """Send what is to be answered: only now, because Gemini answers whatever it is sent."""
        modalities = wanted.get("output_modalities") or self._session.get("output_modalities")
        self._talk.written = modalities == ["text"]
        self._talk.changed()
        given, outputs, self._outputs = self._outputs, list(self._responses()), []
        typed, self._typed = self._typed, []
        if self._committed:
            self._active = self._committed = False
            if rest := self._down.flush():
                yield audio_of(rest)
            yield message_of("realtimeInput", {"activityEnd": {}})
        elif not given and not typed:
            yield text_of(self._model, wanted.get("instructions") or self._last_words or NUDGE)
        if outputs:
            yield message_of("toolResponse", {"functionResponses": outputs})
        for item in typed:
            for image in images_of(item):
                yield message_of("realtimeInput", {"video": image})
        if words := "\n".join(filter(None, map(words_of, typed))):
            yield text_of(self._model, words)
        self._last_words = ""

    def _responses(self) -> Iterator[Event]:
        unwanted, self._talk.unwanted = self._talk.unwanted, []
        for theirs, name in unwanted:
            yield function_response(theirs, name, {"output": {"error": STOPPED}})
        for item in self._outputs:
            # A call that Gemini has cancelled gets no output.
            theirs, name = self._talk.calls.pop(item["call_id"], ("", ""))
            if name:
                yield function_response(theirs, name, item)

    def _cancel(self, event: Mapping[str, Any]) -> None:
        if self._talk.answer is None:
            self._refuse(event, "response_cancel_not_active", "There is no answer under way.")
        else:
            self._answers += self._talk.stop()

    def _retrieve(self, event: Mapping[str, Any]) -> None:
        item = self._items.get(event["item_id"])
        if item is None:
            self._refuse(event, "item_retrieve_invalid_item_id", "There is no such item.")
        else:
            self._answers.append(ga("conversation.item.retrieved", item=item))

    def _refuse(self, event: Mapping[str, Any], code: str, message: str) -> None:
        self._answers.append(error_event(code, message, client_event_id=event.get("event_id")))


__all__ = ["GeminiLive"]
