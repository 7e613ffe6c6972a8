"""Renames the items of a provider that numbers them from the beginning in each session.

The id of an item in an earlier session or call must not be used for another one: the new item gets
an id of ours, while the provider goes on using its own.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..events import Event
from ..ids import new_id

BEGINS = ("input_audio_buffer.", "response.")
"""Prefixes of events about items that begin in this session, never about earlier items that it was
told."""
ID_FIELDS = ("item_id", "previous_item_id")
REQUEST = "approval_request_id"
"""The field with the id of another item, the approval request that this one follows from."""


class Names:
    """The names of one session. Events may be of any shape."""

    def __init__(self) -> None:
        self.taken: Collection[str] = ()
        """Ids of the items of earlier sessions and calls."""
        self._told: set[str] = set()  # items that the provider was told of, by their ids
        self._ours: dict[str, str] = {}  # by the provider's ids
        self._theirs: dict[str, str] = {}

    def tell(self, event: Event) -> Event:
        """A client event with the ids that the provider knows."""
        if not self.taken:
            return event
        if event["type"] == "conversation.item.create":
            item = event["item"]
            self._told.add(item.get("id"))
            if REQUEST in item:
                event |= {"item": item | {REQUEST: self._as_theirs(item[REQUEST])}}
        elif event["type"] == "response.create" and isinstance(event.get("response"), dict):
            event |= {"response": self._referring(event["response"])}
        names = [name for name in ID_FIELDS if name in event]
        return event | {name: self._as_theirs(event[name]) for name in names}

    def ours(self, item_id: str) -> str:
        """Our name for an item that the provider calls this."""
        return self._ours.get(item_id, item_id)

    def rename(self, event: Event) -> None:
        """Put our names into an event of the provider."""
        if not self.taken:
            return
        begins = event["type"].startswith(BEGINS)
        if "item_id" in event:
            event["item_id"] = self._as_ours(event["item_id"], begins)
        if "previous_item_id" in event:
            event["previous_item_id"] = self._as_ours(event["previous_item_id"], False)
        response = event.get("response")
        output = response.get("output") if isinstance(response, dict) else None
        for item in (event.get("item"), *(output if isinstance(output, list) else ())):
            if isinstance(item, dict) and "id" in item:
                item["id"] = self._as_ours(item["id"], begins)
                if REQUEST in item:
                    item[REQUEST] = self._as_ours(item[REQUEST], False)

    def _referring(self, response: Event) -> Event:
        given = response.get("input")
        if not isinstance(given, list):
            return response
        told = [
            each | {"id": self._as_theirs(each.get("id"))} if _is_reference(each) else each
            for each in given
        ]
        return response | {"input": told}

    def _as_ours(self, item_id: Any, begins: bool) -> Any:
        if not isinstance(item_id, str):
            return item_id
        new = item_id in self.taken and item_id not in self._ours
        if new and (begins or item_id not in self._told):
            self._pair(item_id, new_id("item"))
        return self.ours(item_id)

    def _as_theirs(self, item_id: Any) -> Any:
        if item_id in self._ours and item_id not in self._theirs:
            # The provider uses this id for another item, so it gets one that it does not know.
            self._pair(new_id("item"), item_id)
        return self._theirs.get(item_id, item_id)

    def _pair(self, theirs: str, ours: str) -> None:
        self._ours[theirs], self._theirs[ours] = ours, theirs


def _is_reference(item: Any) -> bool:
    """Whether an input of a response only refers to an existing item."""
    return isinstance(item, dict) and item.get("type") == "item_reference"
