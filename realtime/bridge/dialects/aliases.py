"""Renames the items of a server that gives all of them the same id, as LocalAI did for a long time.

An id that comes for a second item is such a shared id. From then on, each turn and each item of an
answer that has it gets an id of ours; all other ids stay as they are.
"""

from __future__ import annotations

from typing import Any

from ..events import Event
from ..ids import new_id

SPEECH_STARTED = "input_audio_buffer.speech_started"
TURN_EVENTS = (
    SPEECH_STARTED,
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
)
ITEM_EVENTS = ("conversation.item.created", "conversation.item.added", "conversation.item.done")
WORDS = "conversation.item.input_audio_transcription."


class Aliases:
    """The aliases of one session. Events may be of any shape."""

    def __init__(self) -> None:
        # What each id stands for: 0 for a turn, otherwise the number of an answer.
        self._seen: dict[str, int] = {}
        self._answer = 1
        self._shared: str | None = None
        self._turn = ""
        self._told: set[str] = set()  # types of events seen of the turn
        self._items: dict[Any, str] = {}  # the answer's items, by output index
        self._ours: set[str] = set()
        self._asked: str | None = None  # the last item that the server was told something about

    def theirs(self, item_id: Any) -> Any:
        """The server's id of an item that an event for the server is about."""
        if not isinstance(item_id, str) or item_id not in self._ours:
            return item_id
        self._asked = item_id
        return self._shared

    def rename(self, event: Event) -> bool:
        """Rename the item of an event. False for an event to be left out."""
        kind, item = event["type"], event.get("item")
        item = item if isinstance(item, dict) else {}
        item_id = item.get("id") if "item" in event else event.get("item_id")
        of_turn = kind in TURN_EVENTS or (kind in ITEM_EVENTS and item.get("role") == "user")
        if isinstance(item_id, str) and (of_turn or kind == "response.output_item.added"):
            self._look(item_id, 0 if of_turn else self._answer)
        if kind in ("response.created", "response.done"):
            self._next_answer(kind, event.get("response"))
        if self._shared is None:
            return True
        if event.get("previous_item_id") == self._shared:
            event["previous_item_id"] = None
        if item_id != self._shared:
            return True
        if kind in ITEM_EVENTS and not of_turn:
            return False  # an answer's item, which the answer's own events announce
        if of_turn or kind.startswith(WORDS):
            name = self._of_turn(kind)
        elif kind.startswith("response."):
            name = self._of_answer(event)
        else:
            name = self._asked or item_id
        if "item" in event:
            item["id"] = name
        else:
            event["item_id"] = name
        return True

    def _look(self, item_id: str, what: int) -> None:
        if self._seen.setdefault(item_id, what) != what and self._shared is None:
            self._shared = item_id
            if not self._seen[item_id]:
                # The turn that has it so far keeps it.
                self._turn, self._told = item_id, {*TURN_EVENTS, *ITEM_EVENTS}

    def _next_answer(self, kind: str, response: Any) -> None:
        if kind == "response.done":
            self._answer += 1
            output = response.get("output") if isinstance(response, dict) else None
            if self._shared is not None and isinstance(output, list):
                # Items that are left out here are filled in from the answer's events.
                response["output"] = [each for each in output if not self._is_shared(each)]
        self._items.clear()

    def _is_shared(self, item: Any) -> bool:
        return isinstance(item, dict) and item.get("id") == self._shared

    def _of_turn(self, kind: str) -> str:
        begins = kind in self._told or (kind == SPEECH_STARTED and bool(self._told))
        if not self._turn or (begins and not kind.startswith(WORDS)):
            self._turn = self._name()
            self._told.clear()
        self._told.add(kind)
        return self._turn

    def _of_answer(self, event: Event) -> str:
        place = str(event.get("output_index") or 0)
        if place not in self._items:
            self._items[place] = self._name()
        return self._items[place]

    def _name(self) -> str:
        name = new_id("item")
        self._ours.add(name)
        return name
