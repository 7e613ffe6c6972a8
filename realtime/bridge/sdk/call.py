"""A program's call: the core of a page's call, with a client that gets pure GA events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..audio import encode_base64
from ..call import Call
from ..client_side import ClientSide
from ..dialects.base import AUDIO_DELTA
from ..events import Event
from ..gate import Leg
from ..ids import new_id
from ..limits import Limits
from ..notices import NOTICES
from ..provider_side import ProviderSide
from ..taps import EndRecord, Tap
from .ends import ending_event, error
from .kept import Kept
from .provider import SdkProviderSide, without_ours
from .session import Terms, overlaid, shown
from .side import OUR_IDS, SdkSide
from .sound import Sound

__all__ = ["SDK_LIMITS", "SdkCall", "Terms"]

DELTA_BYTES = 24_000
"""At most half a second of audio in one event."""
TOLD_NOTICES = frozenset({"audio_dropped", "event_dropped", "turn_lost"})
"""Notices that a program must know of: something it sent is lost."""
AUDIO_OVER = frozenset({"response.output_audio.done", "response.output_item.done", "response.done"})
"""Events before which the rest of an answer's audio is sent."""
PLACES = ("conversation.item.added", "conversation.item.done")

SDK_LIMITS = Limits(
    # Programs send files as fast as the line takes them; a slow provider slows them down.
    flood_realtime=4.0,
    flood_burst=300.0,
    flood_messages=400.0,
    flood_messages_burst=40.0,
    flood_text=1_000_000.0,
    flood_text_burst=40.0,
    buffered_seconds=300.0,
    buffered_events=512,
)
"""The bounds of a program's call."""


class SdkCall(Call):
    """A call whose client speaks and understands GA only. `terms`: see `Terms`."""

    __slots__ = ("_at_root", "_kept", "_place", "_session_id", "_sound", "_terms")

    def __init__(
        self,
        browser: Leg,
        session: Mapping[str, Any],
        *,
        terms: Terms,
        taps: Sequence[Tap] = (),
        **others: Any,
    ) -> None:
        self._terms = terms
        self._session_id = new_id("sess")
        self._kept = Kept()
        self._sound = Sound(terms.formats)
        self._place: Event = {}
        self._at_root: set[str] = set()  # items the program put before all others
        super().__init__(browser, session, taps=(self._kept, *taps), **others)

    def sides(self) -> tuple[ClientSide, ProviderSide]:
        side = SdkSide(self, self._terms, self._kept, self._sound)
        return side, SdkProviderSide(self, side, self._shown)

    def _shown(self, session: Mapping[str, Any]) -> Event:
        whole = overlaid(self.settings.session, session)
        # Not the provider's echo: if that differs, the site's part could not be found and removed.
        whole["instructions"] = self.settings.session.get("instructions")
        return shown(whole, self._terms, self._session_id, self._sound.formats)

    def opened(self) -> None:
        session = self._shown({})
        self.tell({"type": "session.created", "event_id": new_id("event"), "session": session})

    def say_ready(self, created: Mapping[str, Any]) -> None:
        if self.ready_at is None:
            self.ready_at = self.clock()
        self.reconnecting = 0

    def to_upstream(self, event: Event, **fields: Any) -> None:
        if fields.get("previous_item_id") == "root":
            self._at_root.add(fields["item"]["id"])
        super().to_upstream(event, **fields)

    def tell(self, event: Mapping[str, Any]) -> None:
        if event["type"] in AUDIO_OVER:
            self._finish_audio()
        if not event["type"].startswith("nextvoice."):
            super().tell(self._strict(event))
        elif event["type"] == "nextvoice.audio":
            place = {name: value for name, value in event.items() if name != "type"}
            if place != self._place:
                self._finish_audio()
            self._place = place
        elif event["type"] == "nextvoice.notice" and event["code"] in TOLD_NOTICES:
            super().tell(error("server_error", event["code"], NOTICES[event["code"]].message))

    def send_to_browser(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), DELTA_BYTES):
            self._say_audio(self._place, self._sound.give(self._place, pcm[at : at + DELTA_BYTES]))

    def _finish_audio(self) -> None:
        if (rest := self._sound.finish()) is not None:
            self._say_audio(*rest)

    def _say_audio(self, place: Event, data: bytes) -> None:
        if data:
            told = {"type": AUDIO_DELTA, "event_id": new_id("event"), **place}
            told["delta"] = encode_base64(data)
            self._browser.send(orjson.dumps(told).decode())

    def ended_event(self, record: EndRecord) -> Event:
        told = super().ended_event(record)
        return ending_event(record.end, told["message"]) or told

    def _strict(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event, corrected where strict clients would otherwise ignore it."""
        kind = event["type"]
        if kind == "error":
            return {**event, "error": without_ours(event["error"], OUR_IDS)}
        if kind in PLACES:
            item_id = event["item"]["id"]
            if event["previous_item_id"] is None and item_id not in self._at_root:
                # To programs None means "first", but here that the provider left it out.
                event = {**event, "previous_item_id": self._before(item_id)}
        if kind == "conversation.item.input_audio_transcription.failed":
            told = {name: each for name, each in event["error"].items() if each is not None}
            return {**event, "error": told}
        if "item" in event and event["item"].get("role") == "user":
            return {**event, "item": _with_transcripts(event["item"])}
        return event

    def _before(self, item_id: str) -> str | None:
        order = self.items.order()
        if item_id not in order:
            return order[-1] if order else None
        at = order.index(item_id)
        return order[at - 1] if at else None


def _with_transcripts(item: Mapping[str, Any]) -> Event:
    content = [
        {"transcript": None, **part} if part.get("type") == "input_audio" else part
        for part in item.get("content") or []
    ]
    return {**item, "content": content}
