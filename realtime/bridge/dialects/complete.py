"""Adds what providers leave out of an answer: every answer comes as complete as OpenAI's.

Strict clients need each item announced, each part opened and closed, each item done. What a
provider says itself is passed on; what it omits is derived from earlier events, once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from ..events import Event
from ..ids import new_id
from .base import AUDIO_DELTA
from .parts import (
    AUDIO_DONE,
    TEXT,
    TRANSCRIPT,
    Made,
    Part,
    end_part,
    follow,
    invent,
    part_event,
    whole,
    words_at,
)

FINISHED = 64
"""How many finished answers are remembered; late events for them are dropped."""

ARGUMENTS = ("response.function_call_arguments.delta", "response.function_call_arguments.done")
IN_PART = (
    AUDIO_DELTA,
    AUDIO_DONE,
    f"{TRANSCRIPT}.delta",
    f"{TRANSCRIPT}.done",
    f"{TEXT}.delta",
    f"{TEXT}.done",
    "response.content_part.added",
    "response.content_part.done",
)


class Completing:
    """Follows one session. `take` gets checked events, whose missing ids are filled in if they are
    known, and empty otherwise."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Made]] = {}  # items of responses under way
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._placed: dict[str, str | None] = {}  # announced items, and what each follows
        self._done: set[str] = set()
        self._last: str | None = None  # the newest item

    @property
    def newest(self) -> str | None:
        """The response under way that began last."""
        return next(reversed(self._answers), None)

    def take(self, event: Event) -> list[Event]:
        """The events to pass on instead of this one."""
        kind = event["type"]
        if kind in ("conversation.item.created", "conversation.item.added"):
            return self._added(event)
        if kind == "conversation.item.done":
            return self._item_done(event["item"])
        if kind == "input_audio_buffer.committed":
            # The place of a turn that became an item earlier is known.
            last = self._placed.get(event["item_id"], self._last)
            event["previous_item_id"] = event["previous_item_id"] or last
            return [event]
        if kind == "conversation.item.deleted":
            if event["item_id"] == self._last:
                self._last = None
            return [event]
        return self._of_answer(event) if kind.startswith("response.") else [event]

    # Items

    def _added(self, event: Event) -> list[Event]:
        item, older = event["item"], event["type"] == "conversation.item.created"
        if item["id"] in self._placed:
            return []
        if event["previous_item_id"] is None and self._last != item["id"]:
            event["previous_item_id"] = self._last
        self._last = item["id"]
        self._placed[item["id"]] = event["previous_item_id"]
        event["type"] = "conversation.item.added"
        # An answer's item is done later; of other items the beta sends nothing more.
        own = item.get("role") == "assistant" or item.get("type") == "function_call"
        if older and not own:
            item["status"] = "completed"
            return [event, *self._item_done(dict(item))]
        return [event]

    def _item_done(self, item: Event) -> list[Event]:
        if item["id"] in self._done:
            return []
        before = self._place(item)
        self._done.add(item["id"])
        previous = self._placed[item["id"]]
        return [*before, invent("conversation.item.done", previous_item_id=previous, item=item)]

    def _place(self, item: Mapping[str, object]) -> list[Event]:
        if item["id"] in self._placed:
            return []
        added = invent("conversation.item.added", previous_item_id=None, item=dict(item))
        return self._added(added)

    # Answers

    def _of_answer(self, event: Event) -> list[Event]:
        kind = event["type"]
        if kind == "response.created":
            return self._created(event)
        response_id = event["response"]["id"] if kind == "response.done" else self._id_of(event)
        if response_id in self._finished:
            return []
        before = self._begin(response_id)
        items = self._answers[response_id]
        if kind == "response.done":
            return [*before, *self._close_all(response_id, event)]
        if kind == "response.output_item.added":
            return [*before, *self._output_item(items, event)]
        if kind == "response.output_item.done":
            return [*before, *self._close(items, response_id, event["item"], event)]
        if kind in IN_PART:
            return [*before, *self._in_part(items, event)]
        if kind in ARGUMENTS:
            return [*before, *self._arguments(items, event)]
        return [*before, event]

    def _id_of(self, event: Event) -> str:
        if not event.get("response_id"):
            event["response_id"] = self.newest or new_id("resp")
        return str(event["response_id"])

    def _created(self, event: Event) -> list[Event]:
        response_id = event["response"]["id"]
        if response_id in self._answers:
            return []
        # Some servers give every answer the same id: when it begins again, it is another one.
        self._finished.pop(response_id, None)
        self._answers[response_id] = {}
        return [event]

    def _begin(self, response_id: str) -> list[Event]:
        if response_id in self._answers:
            return []
        self._answers[response_id] = {}
        response: Event = {
            "id": response_id,
            "object": "realtime.response",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "usage": None,
        }
        return [invent("response.created", response=response)]

    def _output_item(self, items: dict[str, Made], event: Event) -> list[Event]:
        item = event["item"]
        if item["id"] in items:
            return []
        items[item["id"]] = Made(dict(item), event["output_index"])
        return [event]

    def _open(self, items: dict[str, Made], event: Event, item: Event) -> list[Event]:
        """Announce an item, unless it is announced already."""
        if item["id"] in items:
            return self._place(items[item["id"]].item)
        item = {"object": "realtime.item", "status": "in_progress"} | item
        index = event.get("output_index", len(items))
        items[item["id"]] = Made(item, index)
        names = {"response_id": event["response_id"], "output_index": index}
        announced = invent("response.output_item.added", **names, item=dict(item))
        return [announced, *self._place(item)]

    def _in_part(self, items: dict[str, Made], event: Event) -> list[Event]:
        if not event["item_id"]:
            event["item_id"] = next(reversed(items), None) or new_id("item")
        item_id, kind, index = event["item_id"], event["type"], event["content_index"]
        message = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        out = self._open(items, event, message)
        made = items[item_id]
        if made.over:
            return out
        opens = kind == "response.content_part.added"
        if index not in made.parts:
            words = event["part"]["type"] if "part" in event else None
            part_kind = words or ("text" if kind.startswith(TEXT) else "audio")
            made.parts[index] = Part(part_kind)
            if not opens:
                out.append(part_event("response.content_part.added", event, made.parts[index]))
        elif opens:
            return out
        part = made.parts[index]
        if kind == "response.content_part.done":
            part.text = event["part"].get("transcript") or event["part"].get("text") or part.text
            return [*out, *end_part(event, part)]
        if kind.endswith(".done") and kind in part.ended:
            return out
        follow(part, event)
        return [*out, event]

    def _arguments(self, items: dict[str, Made], event: Event) -> list[Event]:
        if not event["item_id"]:
            calls = (i for i, made in items.items() if made.item.get("type") == "function_call")
            event["item_id"] = next((i for i in calls if not items[i].said), None) or new_id("item")
        known = items[event["item_id"]].item if event["item_id"] in items else {}
        item = {
            "id": event["item_id"],
            "type": "function_call",
            "name": event.get("name") or "",
            "call_id": event.get("call_id") or event["item_id"],
            "arguments": "",
        }
        out = self._open(items, event, item)
        event["call_id"] = event.get("call_id") or known.get("call_id") or item["call_id"]
        if event["type"].endswith(".done"):
            event["name"] = event.get("name") or known.get("name") or ""
            made = items[event["item_id"]]
            made.item["arguments"], made.said = event["arguments"], True
        return [*out, event]

    # Ends

    def _close(
        self, items: dict[str, Made], response_id: str, item: Event, event: Event | None = None
    ) -> list[Event]:
        """Finish an item, because `event` says so or its answer is over."""
        made = items.get(item["id"])
        if made is not None and made.over:
            return []
        place: Event = {"response_id": response_id, "output_index": made.index if made else 0}
        out = self._open(items, (event or {}) | place, dict(item) | {"status": "in_progress"})
        made = items[item["id"]]
        place |= {"output_index": made.index, "item_id": item["id"]}
        for index, part in made.parts.items():
            part.text = part.text or words_at(item, index)
            out += end_part(place | {"content_index": index}, part)
        made.over = True
        made.item = whole(item, made)
        if event is None:
            place.pop("item_id")
            event = invent("response.output_item.done", **place)
        event["item"] = dict(made.item)
        return [*out, *self._item_done(dict(made.item)), event]

    def _close_all(self, response_id: str, event: Event) -> list[Event]:
        response, items, out = event["response"], self._answers.pop(response_id), list[Event]()
        status = "completed" if response["status"] == "completed" else "incomplete"
        told = {item["id"]: item for item in response["output"]}
        for item_id, made in list(items.items()):
            if not made.over:
                item = dict(told.get(item_id, made.item)) | {"status": status}
                out += self._close(items, response_id, item)
        if not told:
            response["output"] = [dict(made.item) for made in items.values()]
        else:
            response["output"] = [
                whole(item, items[item["id"]]) if item["id"] in items else item
                for item in response["output"]
            ]
        self._finished[response_id] = None
        if len(self._finished) > FINISHED:
            self._finished.popitem(last=False)
        return [*out, event]
