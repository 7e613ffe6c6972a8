"""The browser's half of a call: checks its frames, and sends them on or answers them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .answers import cut, heard, received_ms
from .core import Core
from .events import Event, Problem, check_pcm, parse, problem_event
from .ids import new_id
from .items import Item
from .limits import FloodGuard
from .session import changes_of
from .waiting import Waiting

Handler = Callable[[Event], None]

WITHOUT_PROVIDER = frozenset(
    {
        "session.update",
        "conversation.item.truncate",
        "response.cancel",
        "nextvoice.approve",
        "nextvoice.played",
        "nextvoice.received",
        "nextvoice.hang_up",
        "nextvoice.start",
        "nextvoice.resume",
    }
)
"""Events that can be handled without a provider; others wait until one is attached."""
OF_ITSELF = frozenset({"nextvoice.played", "nextvoice.received"})
"""Events that a page sends even if nobody is there."""


class ClientSide:
    """Handles the browser's frames. A bad one is answered with an `error` event and changes
    nothing."""

    at_once = WITHOUT_PROVIDER

    def __init__(self, core: Core) -> None:
        self._core = core
        self._flood = FloodGuard(core.limits)
        self._waiting = Waiting(core.limits)
        self._told_dropped = False  # one notice per gap between providers
        self._handlers: dict[str, Handler] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._end_turn,
            "input_audio_buffer.clear": self._end_turn,
            "conversation.item.create": self._item_create,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
            "nextvoice.start": self._second_start,
            "nextvoice.resume": self._second_start,
            "nextvoice.approve": self._approve,
            "nextvoice.played": self._played,
            "nextvoice.received": self._received,
            "nextvoice.hang_up": self._hang_up,
        }

    def take_audio(self, pcm: bytes) -> None:
        """Take one binary frame."""
        if self._admits(len(pcm)):
            try:
                check_pcm(pcm)
            except Problem as problem:
                self._core.tell(problem_event(problem))
            else:
                self._send_audio(pcm)

    def take_text(self, text: str) -> None:
        """Take one text frame."""
        if self._admits(text=len(text)):
            try:
                event = self.parse(text)
            except Problem as problem:
                self._core.tell(problem_event(problem))
            else:
                self._take(event)

    def put(self, event: Event, shown: list[Event]) -> None:
        """Take a message of the person whose content the site has made; see `Call.put`."""
        if self._admits():
            self._core.shown[event["item"]["id"]] = shown
            self._take(event)

    def parse(self, text: str) -> Event:
        """The event of a text frame. Raises `Problem`."""
        return parse(text)

    def flush(self) -> None:
        """Send on what waited for a provider."""
        self._told_dropped = False
        for kept in self._waiting.take():
            if isinstance(kept, bytes):
                self._core.unsure_until = math.inf
                self._send_audio(kept)
            else:
                self._take(kept)

    def _take(self, event: Event) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            self._append(event)
            return
        self._core.stir(person=kind not in OF_ITSELF)
        if self._core.upstream is None and kind not in self.at_once:
            if not self._waiting.add_event(event):
                self._notice_dropped("event_dropped")
            return
        try:
            self._handlers[kind](event)
        except Problem as problem:
            problem.event_id = event.get("event_id")
            self._core.tell(problem_event(problem))

    def _admits(self, audio: int = 0, text: int = 0, frames: int = 1) -> bool:
        if self._core.ended is not None:
            return False
        if not self._flood.admits(self._core.clock(), audio, text, frames):
            self._core.end("flood")
            return False
        return True

    def _append(self, event: Event) -> None:
        if self._admits(len(event["audio"]), frames=0):
            self._send_audio(event["audio"])

    def _send_audio(self, pcm: bytes) -> None:
        if self._core.upstream is not None:
            self._core.send_audio(pcm)
        elif not self._waiting.add_audio(pcm):
            self._notice_dropped("audio_dropped")

    def _notice_dropped(self, code: str) -> None:
        if not self._told_dropped:
            self._told_dropped = True
            self._core.notice(code)

    def _session_update(self, event: Event) -> None:
        changes = changes_of(event["session"])
        event["event_id"] = event.get("event_id") or new_id("nextvoice")
        part = self._core.settings.change(changes, event["event_id"])
        if self._core.own_turns is not None:
            self._core.own_turns.follow()
        # Without a provider it is enough to remember: the next session opens with it.
        if self._core.upstream is not None:
            self._core.to_upstream(event, session=part)

    def _end_turn(self, event: Event) -> None:
        commit = event["type"] == "input_audio_buffer.commit"
        own = self._core.own_turns
        if own is not None and own.end_turn(answer=False, commit=commit) and commit:
            return
        if commit and self._core.tail.size:
            event["event_id"] = event.get("event_id") or new_id("nextvoice")
            self._core.tail.commit = event
        else:
            self._core.tail.clear()
        self._core.to_upstream(event)

    def _item_create(self, event: Event) -> None:
        after: dict[str, Any] = {}
        if (previous := event.get("previous_item_id")) is not None:
            after = {
                "previous_item_id": previous if previous == "root" else self._known(previous).id
            }
        item = {
            "id": event["item"].get("id") or new_id("item"),
            "type": "message",
            "role": "user",
            "content": [_told(part) for part in event["item"]["content"]],
        }
        event["event_id"] = event.get("event_id") or new_id("nextvoice")
        if self._core.sent.is_new(event["event_id"], item):
            self._core.to_upstream(event, **after, item=item)

    def _truncate(self, event: Event) -> None:
        item, index = self._known(event["item_id"]), event["content_index"]
        # Without any audio there is nothing to truncate, and the provider would refuse.
        if not received_ms(item, index):
            return
        at = cut(item, index, event["audio_end_ms"])
        self._core.playing_until = 0.0
        place = {"item_id": item.id, "content_index": index, "audio_end_ms": at}
        if self._core.upstream is None or item.id in self._core.replayed:
            # The session that spoke it is gone, and later ones get it as text. Browser and taps
            # still have to learn where it was cut.
            done = {"type": "conversation.item.truncated", "event_id": new_id("event"), **place}
            self._core.taps.on_event(done)
            self._core.tell(done)
        else:
            self._core.to_upstream(event, **place)

    def _delete(self, event: Event) -> None:
        self._core.to_upstream(event, item_id=self._known(event["item_id"]).id)

    def _response_create(self, event: Event) -> None:
        if (asked := self._core.answering.ask(event)) is not None:
            self._core.ask(asked)

    def _response_cancel(self, event: Event) -> None:
        if self._core.upstream is None:
            self._core.answering.forget()
            self._waiting.drop("response.create")
            return
        response_id = event.get("response_id") or self._core.answering.active
        self._core.to_upstream(event, **({"response_id": response_id} if response_id else {}))

    def _played(self, event: Event) -> None:
        item, index = self._known(event["item_id"]), event["content_index"]
        self._core.taps.on_played(item.id, index, heard(item, index, event["audio_end_ms"]))

    def _received(self, event: Event) -> None:
        self._core.on_received(event["received"])

    def _approve(self, event: Event) -> None:
        self._core.on_approve(event)

    def _hang_up(self, event: Event) -> None:
        self._core.end("hang_up")

    def _second_start(self, event: Event) -> None:
        raise Problem("already_started", "The call has started.", "type")

    def _known(self, item_id: str) -> Item:
        item = self._core.items.get(item_id)
        if item is None:
            raise Problem("item_not_found", "There is no such item.", "item_id")
        return item


def _told(part: Event) -> Event:
    """A content part with only those fields that a provider gets."""
    names = ("image_url", "detail") if part["type"] == "input_image" else ("text",)
    return {"type": part["type"]} | {name: part[name] for name in names if name in part}
