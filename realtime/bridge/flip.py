"""Keeps a spoken call spoken: an answer that comes as text where audio was wanted is stopped and
asked for again.

After text in the history a model tends to go on in text (see OpenAI's cookbook, “Context
summarization with the Realtime API”). The first time, the answer is deleted and asked for once
more; the second time, the conversation is packed into one system message. If that does not help
either, this and further text answers are shown with a notice, until the model speaks or another
session takes over: each attempt costs.
"""

from __future__ import annotations

from collections.abc import Iterable

from .core import Core
from .events import Event
from .memory import packed

AUDIO = ["audio"]
SPOKEN = ("response.output_audio.delta", "response.output_audio_transcript.delta")
TEXT = ("response.output_text.delta", "response.output_text.done")
ADDED = ("conversation.item.added", "response.output_item.added")
TEXT_PARTS = ("text", "output_text")


class FlipGuard:
    """Watches one answer at a time. Its beginning is held back until it is clear whether it comes
    as audio or text, so that nobody sees an answer that is then taken back."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._undecided: str | None = None  # a response that may still be audio or text
        self._held: list[Event] = []
        self._stopped: str | None = None  # the response that came in text and was cancelled
        self._items: set[str] = set()  # of the stopped one
        self._unseen: set[str] = set()  # items whose deletion nobody else is told of
        self._flips = 0  # in a row
        self._writes = False  # nothing has helped: text is let through

    @property
    def resting(self) -> bool:
        """Whether `sift` would only return an event unchanged."""
        return not (self._undecided or self._stopped or self._unseen)

    def begins(self, response_id: str, wanted: object) -> None:
        """A response begins. `wanted`: the output modalities that were asked for."""
        self._undecided = response_id if wanted == AUDIO else None
        self._held.clear()

    def lost(self) -> None:
        """The provider is gone."""
        self._undecided = self._stopped = None
        self._flips, self._writes = 0, False
        self._held.clear()
        self._items.clear()
        self._unseen.clear()

    def sift(self, event: Event) -> Iterable[Event]:
        """The events to handle now, in this order, in place of this one."""
        if event["type"] == "conversation.item.deleted" and event["item_id"] in self._unseen:
            self._unseen.discard(event["item_id"])
            return ()
        if self._is_of_stopped(event):
            return ()
        if self._undecided is None or not self._is_of_undecided(event):
            return (event,)
        return self._judged(event)

    def _is_of_stopped(self, event: Event) -> bool:
        if self._stopped is None:
            return False
        item_id = _item_id(event)
        if event.get("response_id") == self._stopped and item_id is not None:
            self._items.add(item_id)
            return True
        return item_id in self._items

    def _is_of_undecided(self, event: Event) -> bool:
        if "response_id" in event:
            return bool(event["response_id"] == self._undecided)
        if event["type"] == "response.done":
            return bool(event["response"]["id"] == self._undecided)
        item = event.get("item") or {}
        # An item's own events do not name its response.
        return item.get("role") == "assistant" and item.get("id") not in self._core.replayed

    def _judged(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        part = event["part"].get("type") if kind == "response.content_part.added" else None
        if part in TEXT_PARTS or kind in TEXT:
            return self._flipped(event)
        if kind in ADDED and event["item"].get("type") == "message":
            self._held.append(event)
            return ()
        if part is not None or kind in SPOKEN:
            self._undecided, self._flips, self._writes = None, 0, False
        elif kind == "response.done":
            self._undecided = None
        return (*self._let_go(), event)

    def _let_go(self) -> list[Event]:
        held, self._held = self._held, []
        return held

    def _flipped(self, event: Event) -> Iterable[Event]:
        response_id, self._undecided = self._undecided, None
        self._flips += 1
        if not self._writes and self._flips > (1 if self._core.packed else 2):
            self._writes = True
            self._core.notice("answered_in_text")
        if self._writes:
            return (*self._let_go(), event)
        self._stopped = response_id
        self._items = {_item_id(each) or "" for each in (*self._let_go(), event)}
        self._core.to_upstream({"type": "response.cancel"}, response_id=response_id)
        return ()

    def finished(self, response: Event) -> bool:
        """A response is done. Returns whether it was stopped here, in which case its items are
        deleted and it is to be asked for again."""
        if self._stopped is None or response["id"] != self._stopped:
            return False
        self._items |= {item["id"] for item in response["output"]}
        response["output"] = []
        for item_id in sorted(self._items):
            self._delete(item_id)
        self._stopped = None
        self._items = set()
        if self._flips > 1:
            self._pack()
        return True

    def _delete(self, item_id: str) -> None:
        self._unseen.add(item_id)
        self._core.to_upstream({"type": "conversation.item.delete"}, item_id=item_id)

    def _pack(self) -> None:
        """Turn everything before the last turn into one system message, here and from now on."""
        core, memory = self._core, self._core.memory
        core.packed = True
        turns = [each for each in memory.order() if memory.role(each) == "user"]
        last = turns[-1] if turns else None
        items = [item for item in memory.conversation() if item["id"] != last]
        for item in packed(items):
            for each in items:
                self._delete(each["id"])
            core.replayed.add(item["id"])
            create: Event = {"type": "conversation.item.create"}
            core.to_upstream(create, previous_item_id="root", item=item)


def _item_id(event: Event) -> str | None:
    item_id = event["item"].get("id") if "item" in event else event.get("item_id")
    return item_id if isinstance(item_id, str) else None
