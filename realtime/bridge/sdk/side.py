"""A program's half of a call: checks its GA events, and sends them on or answers them."""

from __future__ import annotations

from collections.abc import Iterable

from ..answers import received_ms
from ..audio import BYTES_PER_MS, decode_base64, encode_base64
from ..client_side import ClientSide
from ..core import Core
from ..errors import is_busy, judge
from ..events import Event, Problem, problem_event
from ..ids import new_id
from ..items import Item
from ..tools import in_words
from .events import parse_event
from .kept import Kept
from .session import (
    Terms,
    check_response_format,
    checked_session,
    merged,
    on_terms,
    with_site,
)
from .sound import Sound

PIECE = 48_000
"""Bytes of one second: longer audio is sent on in pieces."""
OUR_IDS = "nextvoice_"
"""How event ids begin that we make if a program gives none."""


class SdkSide(ClientSide):
    """Handles a program's frames. What the provider answers itself is not answered here too."""

    at_once = frozenset({"conversation.item.truncate"})

    def __init__(self, core: Core, terms: Terms, kept: Kept, sound: Sound) -> None:
        super().__init__(core)
        self.sound = sound
        self._terms = terms
        self._kept = kept
        self.aside: list[str] = []
        """Event ids of requests for responses outside the conversation that have not begun."""
        self._newest: Event = {}  # the last event that the program sent, except audio
        self.updating = False
        """A change of the session is being sent: a `session.updated` meanwhile answers it."""
        self._handlers = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._end_turn,
            "input_audio_buffer.clear": self._end_turn,
            "conversation.item.create": self._item_create,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
        }

    def refused(self, error: Event) -> None:
        """If this error refuses a request for a response outside the conversation, expect that
        response no more. An error without an event id is about what was sent last."""
        about = error["event_id"]
        if about is None and (judge(error).kind != "benign" or is_busy(error)):
            about = self._newest.get("event_id")
        if about in self.aside:
            self.aside.remove(about)

    def _take(self, event: Event) -> None:
        if event["type"] != "input_audio_buffer.append":
            self._newest = event
        super()._take(event)

    def parse(self, text: str) -> Event:
        event = parse_event(text)
        try:
            self._sounds(event)
        except Problem as problem:
            problem.event_id = event.get("event_id")
            raise
        return event

    def _sounds(self, event: Event) -> None:
        """Check and convert an event's audio, and apply changed formats: at once, even if no
        provider is attached yet."""
        sound = self.sound
        match event["type"]:
            case "input_audio_buffer.append":
                sound.check(event["audio"])
            case "input_audio_buffer.commit":
                if rest := sound.rest():
                    self._send_audio(rest)
            case "input_audio_buffer.clear":
                sound.rest()
            case "session.update":
                event["event_id"] = event.get("event_id") or new_id("nextvoice")
                sound.ask(checked_session(event["session"]), event["event_id"])
            case "conversation.item.create":
                _as_ours([event["item"]], sound)
            case "response.create":
                response = event.get("response") or {}
                check_response_format(response, sound.formats)
                _as_ours(response.get("input") or (), sound)

    def take_audio(self, pcm: bytes) -> None:
        if self._admits(len(pcm)):
            wrong = Problem("invalid_frame", "Send audio in input_audio_buffer.append events.")
            self._core.tell(problem_event(wrong))

    def _append(self, event: Event) -> None:
        if self._admits(self.sound.size(event["audio"]), frames=0):
            audio = self.sound.take(event["audio"])
            self._core.active_at = self._core.clock()
            for at in range(0, len(audio), PIECE):
                self._send_audio(audio[at : at + PIECE])

    def _session_update(self, event: Event) -> None:
        wanted = checked_session(event["session"])
        terms = self._terms
        self._core.settings.put(lambda session: merged(session, wanted, terms), event["event_id"])
        if self._core.own_turns is not None:
            self._core.own_turns.follow()
        told = {"type": "realtime", **on_terms(wanted, self._terms)}
        self.updating = True
        try:
            self._core.to_upstream(event, session=told)
        finally:
            self.updating = False

    def _item_create(self, event: Event) -> None:
        item = event["item"] | {"id": event["item"].get("id") or new_id("item")}
        if item["type"] == "function_call_output":
            item = self._known_output(item)
        if item.get("role") == "assistant":
            item["content"] = [_spoken_as_text(part) for part in item["content"]]
        previous = event.get("previous_item_id")
        after = {"previous_item_id": previous} if previous is not None else {}
        self._core.to_upstream(event, **after, item=item)

    def _known_output(self, item: Event) -> Event:
        """A function's output as the session in use can take it: as a message if an earlier session
        made the call."""
        call = self._kept.asked_before(item["call_id"])
        if call is None:
            return item
        asked, most = (call["name"], call.get("arguments") or ""), self._core.limits.tool_bytes
        return {"id": item["id"], **in_words(*asked, item["output"], most)}

    def _retrieve(self, event: Event) -> None:
        core, item_id = self._core, event["item_id"]
        traits = core.dialect.traits if core.dialect is not None else None
        # From our own copy if there is one: a provider would include a turn's audio, which nobody
        # gets here and which, for a long turn, is larger than a frame may be.
        if (item := self._kept.get(item_id)) is not None:
            told = {"type": "conversation.item.retrieved", "event_id": new_id("event")}
            core.tell(told | {"item": item})
        elif traits is not None and traits.retrieve and item_id not in core.replayed:
            core.to_upstream(event, item_id=item_id)
        else:
            raise _no_item("retrieve", item_id)

    def _truncate(self, event: Event) -> None:
        item = self._core.items.get(event["item_id"])
        if item is None:
            raise _no_item("truncate", event["item_id"])
        index, wanted = event["content_index"], event["audio_end_ms"]
        length = _length_ms(item, index)
        # Refused here, because for a page a cut beyond the end is one at the end.
        if not received_ms(item, index) or wanted > length:
            message = f"Audio content of {length}ms is already shorter than {wanted}ms"
            raise Problem("invalid_value", message, "audio_end_ms")
        super()._truncate(event)

    def _delete(self, event: Event) -> None:
        self._core.to_upstream(event, item_id=event["item_id"])

    def _response_create(self, event: Event) -> None:
        response = event.get("response") or {}
        response = {name: value for name, value in response.items() if value is not None}
        if "instructions" in response:
            site = self._terms.instructions
            response["instructions"] = with_site(site, response["instructions"])
        if output := (response.get("audio") or {}).get("output"):
            output.pop("format", None)
        event["response"] = response
        if response.get("conversation") == "none":
            event["event_id"] = event.get("event_id") or new_id("nextvoice")
            self.aside.append(event["event_id"])
            self._core.to_upstream(event, response=response)
        elif (active := self._core.answering.active) is not None and not self._core.is_silent():
            raise Problem(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active}. "
                "Wait until the response is finished before creating a new one.",
            )
        else:
            self._core.ask(self._core.answering.insist(event))

    def _response_cancel(self, event: Event) -> None:
        response_id = event.get("response_id")
        self._core.to_upstream(event, **({"response_id": response_id} if response_id else {}))


def _as_ours(items: Iterable[Event], sound: Sound) -> None:
    """Convert audio inside items, which has the format of the session's input, to ours."""
    for item in items:
        for part in item.get("content") or ():
            if part.get("type") == "input_audio" and sound.formats.input["type"] != "audio/pcm":
                try:
                    part["audio"] = encode_base64(sound.whole(decode_base64(part["audio"])))
                except ValueError:
                    raise Problem("invalid_audio", "The audio is not valid base64.") from None


def _spoken_as_text(part: Event) -> Event:
    """An answer's audio part as text: no provider takes an answer's audio back, but its text."""
    if part["type"] != "output_audio":
        return part
    return {"type": "output_text", "text": part["transcript"]}


def _length_ms(item: Item, content_index: int) -> int:
    """How long an answer's audio is, up to its cut, rounded up as a program may do."""
    received = -(-item.received.get(content_index, 0) // BYTES_PER_MS)
    return min(received, item.truncated_ms.get(content_index, received))


def _no_item(verb: str, item_id: str) -> Problem:
    message = f"The item with id '{item_id}' does not exist."
    return Problem(f"item_{verb}_invalid_item_id", message, "item_id")
