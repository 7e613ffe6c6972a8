"""Answers as the call follows them: audio received, heard and cut, and the response under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .audio import SAMPLE_BYTES, bytes_to_ms
from .events import Event
from .items import Item

TALKED_OVER = {"type": "cancelled", "reason": "turn_detected"}
STOPPED = {"type": "cancelled", "reason": "client_cancelled"}
"""Why an answer was cancelled, as its `status_details` say it."""


def take_audio(item: Item, content_index: int, pcm: bytes) -> bytes:
    """Count audio of an answer. Returns whole samples; half a sample waits for the next piece."""
    if item.odd_byte:
        pcm = item.odd_byte.pop(content_index, b"") + pcm
    if len(pcm) % SAMPLE_BYTES:
        item.odd_byte[content_index] = pcm[-1:]
        pcm = pcm[:-1]
    item.received[content_index] = item.received.get(content_index, 0) + len(pcm)
    return pcm


def received_ms(item: Item, content_index: int) -> int:
    """How much of an answer's audio has arrived."""
    return bytes_to_ms(item.received.get(content_index, 0))


def cut(item: Item, content_index: int, audio_end_ms: int) -> int:
    """Cut an answer. Returns where: never beyond what arrived or an earlier cut, because a
    provider refuses that, and then does not know what was heard."""
    most = received_ms(item, content_index)
    most = min(most, item.truncated_ms.get(content_index, most))
    item.truncated_ms[content_index] = min(audio_end_ms, most)
    return item.truncated_ms[content_index]


def heard(item: Item, content_index: int, audio_end_ms: int) -> int:
    """Note what left the speaker. Returns the position: it only grows, up to what arrived."""
    so_far = item.heard_ms.get(content_index, 0)
    position = max(so_far, min(audio_end_ms, received_ms(item, content_index)))
    item.heard_ms[content_index] = position
    return position


def answers_turns(session: Mapping[str, Any]) -> bool:
    """Whether the provider answers by itself when it hears the end of a turn."""
    audio_in = (session.get("audio") or {}).get("input") or {}
    turns = audio_in.get("turn_detection", {})
    return turns is not None and turns.get("create_response") is not False


class Answering:
    """The response under way, and a request for the next one that has to wait for its end.

    A provider makes one response at a time and refuses a second request, which would leave a typed
    message unanswered.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self.items: list[str] = []  # of the active response
        self.owed = False  # an answer was asked for, and nothing of it has come
        self.wanted: object = None  # output modalities of the answer asked for last
        self.on_held: Callable[[], None] = lambda: None
        """Called when a request begins to wait."""
        self.on_owed: Callable[[], None] = lambda: None
        """Called when an answer begins to be owed."""
        self._held: Event | None = None
        self._asked: Event | None = None
        self._ended = False  # a response has ended since it was asked for
        self._earlier: str | None = None  # the response that was active when the next became owed
        self._over: str | None = None  # the response that ended last
        self._cancel: str | None = None  # the event that first asked the active one to end

    def ask(self, event: Event) -> Event | None:
        """A `response.create` to send now, or None when it is held."""
        if self.active is not None:
            self._hold(event)
            return None
        return self.insist(event)

    def insist(self, event: Event) -> Event:
        """A `response.create` to send now, whatever else seems to be under way."""
        self._asked, self._ended = event, False
        self.owe()
        return event

    def owe(self) -> None:
        """Somebody was asked something."""
        self.owed = True
        self._earlier = self.active
        self.on_owed()

    def comes(self) -> bool:
        """Something of an answer can be heard or read; whether it is the one that is owed."""
        if self.active is not None and self.active == self._earlier:
            return False
        self.owed = False
        return True

    def _hold(self, event: Event) -> None:
        self._held = event
        self.on_held()

    def refused(self, client_event_id: str | None) -> Event | None:
        """The provider was already answering: hold the request that it refused. Returns the
        `response.create` to send now, if that other answer has ended in the meantime."""
        if self._asked is None:
            return None
        # If the provider does not say which, it may be what was asked for and has not begun.
        unnamed = client_event_id is None and self.wanted is not None
        if not unnamed and self._asked.get("event_id") != client_event_id:
            return None
        refused, self._asked = self._asked, None
        if self._ended:
            return self.ask(refused)
        self._hold(refused)
        return None

    def started(self, response_id: str) -> None:
        """A response has begun."""
        self.active = response_id
        self.items = []
        self.wanted = None
        self._cancel = self._over = None

    def cancels(self, client_event_id: str, response_id: str | None) -> None:
        """The provider is asked to stop a response; None: the one under way."""
        if response_id in (None, self.active) and self._cancel is None:
            self._cancel = client_event_id

    def nothing_to_stop(self, client_event_id: str | None) -> str | None:
        """The provider found nothing to stop for this event. If it was the first to ask the active
        response to stop, that must be over although its end was never reported: returns its id.
        None after a later one, since the end may still be on its way."""
        first = client_event_id is not None and client_event_id == self._cancel
        return self.active if first else None

    def speaks(self, item_id: str) -> None:
        """The active response has this item."""
        if item_id not in self.items:
            self.items.append(item_id)

    def done(self, response_id: str) -> Event | None:
        """A response has ended. Returns the `response.create` that waited for it."""
        if self.active not in (None, response_id):
            return None
        self.active = None
        # One that ends late, or whose end is told twice, is not what was asked for since.
        if response_id not in (self._earlier, self._over):
            self.owed = False
        self._over = response_id
        self._ended = True
        return self.next()

    def interrupted(self) -> None:
        """The provider is gone, and with it the answer it was making; what is held stays held."""
        self.active = None
        self.items = []

    def forget(self) -> None:
        """Drop the request that waits, and the answer that is owed: nobody wants them any more."""
        self._held = None
        self.owed = False

    def next(self) -> Event | None:
        """The `response.create` that waited, to send now."""
        held, self._held = self._held, None
        return self.insist(held) if held is not None else None

    @property
    def waits(self) -> bool:
        """Whether a request waits."""
        return self._held is not None
