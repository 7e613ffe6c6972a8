"""The base of all dialects with OpenAI's events or something close, as JSON text frames.

decode: a frame -> read -> translated (from a subclass's form to GA's) -> checked and filled
        -> completed (unless the provider is known to be complete) -> audio as our PCM
        (a further delta of the same part of an answer takes only the last step: `_more`; audio
        in a frame like the one before is not even parsed: `more_audio`)
encode: a GA event -> answered here, or fitted to what the provider has -> told (in its form)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import orjson

from ..audio import SAMPLE_BYTES, decode_base64, encode_base64, samples_to_ms
from ..events import Event, error_event
from ..ids import new_id
from ..writer import Frame
from .alike import Alike
from .base import AUDIO_DELTA, OPENING, OPENING_IDS
from .checks import Checks
from .complete import Completing
from .endpoint import Endpoint
from .fit import fit_response, fit_session
from .kept import Kept
from .names import Names
from .reading import read
from .repeats import Repeats
from .sound import Sound, ours
from .traits import Traits

ENDS_AUDIO = ("response.output_audio.done", "response.content_part.done", "response.done")
CAPTION = "response.output_audio_transcript.delta"
CAPTIONS = (CAPTION, "response.audio_transcript.delta")
"""Transcript deltas, by GA's name and the beta's: they come between an answer's audio, and do not
affect it."""
Place = tuple[Any, ...]
"""An event's type and the part of an answer that it is about, by the provider's own names."""
NOTHING: tuple[Place, Event] = (), {}
NO_SUCH_ITEM = "item_retrieve_invalid_item_id"


class JsonDialect(Endpoint):
    """The base of dialects: GA itself, unless a subclass overrides something."""

    name: ClassVar[str]
    traits: ClassVar[Traits]
    history_mode: ClassVar[Literal["items", "packed"]] = "packed"
    waits_for_tools: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    """Whether the provider is known to leave nothing out."""
    recalls = False
    hears_from: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.subprotocols: Sequence[str] = ()
        self.skipped = 0
        self._sound = Sound(self.traits)
        self._answers: list[Event] = []
        self._completing = None if self.complete else Completing()
        self._checks = Checks(self._completing, self.judged, lambda: self.heard_ms)
        self._repeats = Repeats()
        self._changing: str | None = None  # the event that changes the audio format
        self._kept = None if self.traits.retrieve else Kept()
        self._names = Names()
        self._samples = 0  # of the microphone, in this session
        # The `Place`s of the answer's last audio and caption, and the events they became. Reset
        # when anything comes that may have changed their meaning.
        self._more_audio = self._more_words = NOTHING
        self._alike: Alike | None = None  # the frames that audio comes in
        self._audio_event: Event = {}  # the last audio delta

    @property
    def heard_ms(self) -> int:
        """How much microphone audio the provider was given."""
        return samples_to_ms(self._samples)

    def taken(self, item_ids: Collection[str]) -> None:
        self._names.taken = item_ids

    # Towards the provider

    def greeting(self, session: Mapping[str, Any]) -> Iterable[Frame]:
        return ()

    def opening(
        self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> Iterable[Frame]:
        # The model belongs to the connection, and the server sets the other fields.
        told = ("id", "object", "expires_at", "model")
        config = {name: value for name, value in session.items() if name not in told}
        yield from self.encode(
            {
                "type": "session.update",
                "event_id": OPENING,
                "session": config | {"type": "realtime"},
            }
        )
        for number, item in enumerate(history):
            yield from self.encode(
                {
                    "type": "conversation.item.create",
                    "event_id": f"{OPENING_IDS}item_{number}",
                    "item": item,
                }
            )

    def encode(self, event: Mapping[str, Any]) -> Iterable[Frame]:
        event, frames = dict(event), list[Frame]()
        kind = event["type"]
        if kind in ("input_audio_buffer.commit", "input_audio_buffer.clear"):
            frames += self._append(self._sound.rest())
        elif kind == "session.update":
            event["session"] = self._authorized(fit_session(event["session"], self.traits))
            frames += self._change_sound(event)
        elif kind == "response.create" and isinstance(event.get("response"), Mapping):
            event["response"] = fit_response(event["response"], self.traits)
        if not self._answered(event):
            told = self.told(self._names.tell(event))
            frames += [orjson.dumps(each).decode() for each in told]
        return frames

    def _authorized(self, session: Event) -> Event:
        """A session with the authorizations for its MCP servers. Only the provider sees this
        one."""
        if not self._authorizations or "tools" not in session:
            return session
        labels = self._authorizations
        tools = [
            {**tool, "authorization": labels[tool["server_label"]]}
            if tool.get("type") == "mcp" and tool.get("server_label") in labels
            else tool
            for tool in session["tools"]
        ]
        return {**session, "tools": tools}

    def told(self, event: Event) -> Iterable[Event]:
        """A GA client event in the provider's form: any number of events."""
        return (event,)

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        self._samples += len(pcm) // SAMPLE_BYTES
        return self._append(self._sound.to_wire(pcm))

    def answers(self) -> Sequence[Event]:
        if not self._answers:
            return ()
        answers, self._answers = self._answers, []
        return answers

    def answer(self, kind: str, **fields: Any) -> None:
        """Answer in place of the provider."""
        event = {"type": kind, "event_id": new_id("event"), **fields}
        self._answers += self._checked(event)

    def _append(self, data: bytes) -> list[Frame]:
        if not data:
            return []
        return [f'{{"type":"input_audio_buffer.append","audio":"{encode_base64(data)}"}}']

    def _change_sound(self, event: Event) -> list[Frame]:
        audio = event["session"].get("audio") or {}
        if not any("format" in (audio.get(side) or {}) for side in ("input", "output")):
            return []
        frames = self._append(self._sound.rest())
        self._sound.asks(event["session"])
        self._changing = event.get("event_id")
        return frames

    def _answered(self, event: Event) -> bool:
        kind, item_id = event["type"], event.get("item_id")
        if kind == "conversation.item.truncate" and not self.traits.truncate:
            names = ("item_id", "content_index", "audio_end_ms")
            self.answer("conversation.item.truncated", **{name: event[name] for name in names})
            return True
        if kind == "conversation.item.retrieve" and self._kept is not None:
            if (item := self._kept.get(item_id)) is not None:
                self.answer("conversation.item.retrieved", item=item)
            else:
                refusal = error_event(
                    NO_SUCH_ITEM, "There is no such item.", "item_id", event.get("event_id")
                )
                self._answers.append(refusal)
            return True
        return False

    # From the provider

    def more_audio(self, frame: Frame) -> tuple[Event, bytes] | None:
        if self._alike is None or not isinstance(frame, str):
            return None
        delta = self._alike.delta(frame)
        if not delta:
            return None
        try:
            pcm = decode_base64(delta)
        except ValueError:
            return None
        return None if self._repeats.came(frame) else (self._more_audio[1], pcm)

    def decode(self, frame: Frame) -> Iterable[Event]:
        event = _read(frame)
        found: list[Event] = []
        if event is not None and not self._repeats.seen(event, frame):
            place = _place(event)
            # The same part of the same answer: only the delta is new.
            if place == self._more_audio[0]:
                found = self._more(event, self._more_audio[1])
                if found:
                    self._more_audio = place, found[0]
            elif place == self._more_words[0]:
                found = self._more(event, self._more_words[1])
            else:
                found = self._whole(place, event, frame)
        if not found:
            self.skipped += 1
        return found

    def _more(self, event: Event, before: Event) -> list[Event]:
        delta = event.get("delta")
        if not isinstance(delta, str):
            return []
        try:
            added = decode_base64(delta) if before["type"] == AUDIO_DELTA else delta
        except ValueError:
            return []
        return [before | {"event_id": event["event_id"], "delta": added}]

    def _whole(self, place: Place, event: Event, frame: Frame) -> list[Event]:
        event_id, delta = event["event_id"], event.get("delta")  # as they stand in the frame
        found = list[Event]()
        for each in self.translated(event):
            self._names.rename(each)
            found += self._checked(each)
        kind = found[0]["type"] if len(found) == 1 else ""
        if kind == AUDIO_DELTA and self._sound.speaks_plainly:
            self._more_audio = place, found[0]
            self._alike = Alike.of(frame, event_id, delta)
        elif kind != CAPTION or place[0] not in CAPTIONS:
            self._more_audio = self._more_words = NOTHING
            self._alike = None
        elif self._completing is None:
            # `Completing` has to see every caption, so this needs a complete provider.
            self._more_words = place, found[0]
        return found

    def translated(self, event: Event) -> Iterable[Event]:
        """A provider's event, a JSON object with a type, in GA's form: any number of events."""
        return (event,)

    def judged(self, error: Event) -> Event:
        """A provider's error, changed so that the tables of `errors` recognise it."""
        return error

    def _checked(self, event: Event) -> list[Event]:
        if not self._checks.take(event):
            return []
        completing = self._completing
        if completing is None:
            return self._follow(event)
        return [out for each in completing.take(event) for out in self._follow(each)]

    # What the events mean here

    def _follow(self, event: Event) -> list[Event]:
        kind, before = event["type"], list[Event]()
        if kind == AUDIO_DELTA:
            return self._with_pcm(event)
        if kind in ENDS_AUDIO:
            before = self._rest_of_audio(event)
        elif kind in ("session.created", "session.updated"):
            self._sound.told(event["session"], accepted=kind == "session.updated")
            ours(event["session"])
        elif kind == "response.created":
            self._sound.answers(event["response"])
        elif kind == "error" and event["error"]["event_id"] == self._changing is not None:
            self._sound.refused()
        if kind in ("response.created", "response.done"):
            ours(event["response"])
        if self._kept is not None:
            self._kept.follow(event)
        return [*before, event]

    def _with_pcm(self, event: Event) -> list[Event]:
        try:
            data = decode_base64(event["delta"])
        except ValueError:
            return []
        place = (event["item_id"], event["content_index"])
        before = []
        if self._sound.unfinished() not in (None, place):
            before = self._rest_of_audio(event)
        event["delta"] = self._sound.from_wire(place, data)
        self._audio_event = event
        return [*before, event]

    def _rest_of_audio(self, event: Event) -> list[Event]:
        """The end of an answer's audio, which a resampler held back."""
        if self._sound.unfinished() is None:
            return []
        last, pcm = self._audio_event, self._sound.finish()
        return [last | {"event_id": new_id("event"), "delta": pcm}] if pcm else []


def _place(event: Event) -> Place:
    return (
        event["type"],
        event.get("item_id"),
        event.get("response_id"),
        event.get("content_index"),
        event.get("output_index"),
    )


def _read(frame: Frame) -> Event | None:
    try:
        event = read(frame)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return None
    return event
