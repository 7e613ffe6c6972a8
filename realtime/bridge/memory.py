"""The conversation as another upstream session is told it: what was said in this call, and the
history that the call was opened with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import received_ms
from .events import Event
from .heard import split_heard
from .ids import new_id
from .items import Item, Items
from .taps import Tap

PICTURES = 2
"""How many of the newest pictures are shown again; each costs about as much as a page of text."""
SHOWN_EARLIER = "[The person showed a picture here.]"
MOST_ASKED = 64
"""How many messages may wait for the provider to confirm them."""
MAX_ID = 32
"""Providers refuse longer ids."""
ROLES = ("user", "assistant")


@dataclass(slots=True)
class Words:
    """What one side said in one item, by content index."""

    role: str
    parts: dict[int, str] = field(default_factory=dict)
    pictures: dict[int, Event] = field(default_factory=dict)


class Memory(Tap):
    """Follows a call and returns its conversation as GA message items, without audio.

    At most `letters` characters of it, the newest: history is billed with every answer.
    """

    def __init__(self, items: Items, letters: int) -> None:
        self._items = items
        self._letters = letters
        self.elsewhere: Collection[str] = ()
        """Ids of items in other calls, which no item of this one may have."""
        self._opening: list[Event] = []
        self._words: dict[str, Words] = {}
        self._pictures: list[tuple[Words, int]] = []  # oldest first
        self._silent: set[str] = set()  # items in which nobody spoke
        self._so_far: dict[str, str] = {}  # text of turns that are being transcribed
        self._asked: dict[str, str] = {}  # the client's newest items, by the ids of its events

    def opens_with(self, history: Sequence[Mapping[str, Any]]) -> None:
        """The call's first session is given these items."""
        self._opening = [{**item, "id": item.get("id") or new_id("item")} for item in history]

    def conversation(self) -> list[Event]:
        """Items to open a session with, oldest first, each with an id.

        An answer that was cut ends where it was cut. Items without a transcript are left out.
        """
        opening = [item for item in self._opening if not self._items.is_deleted(item["id"])]
        return self._newest([*opening, *self._own(self.order())])

    def order(self) -> list[str]:
        """Ids of the call's own items, first to last, with or without words."""
        opening = {item["id"] for item in self._opening}
        # Some providers name items that they never placed; those go last.
        return [
            each
            for each in dict.fromkeys((*self._items.order(), *self._words))
            if each in self._words and each not in opening and not self._items.is_deleted(each)
        ]

    def taken(self) -> set[str]:
        """Ids of all items that ever existed, which no new item may have."""
        return {*self.elsewhere, *self._words, *self._items.ids()}

    def last(self) -> str | None:
        """Id of the newest turn, leaving out answers of which nothing has come."""
        order = reversed(self.order())
        return next((i for i in order if self.role(i) == "user" or self.has_words(i)), None)

    def is_known(self, item_id: str) -> bool:
        """Whether browser and taps already know the item, so that a session's echo of it is not
        passed on."""
        return self._items.is_placed(item_id) or item_id not in self._words

    def role(self, item_id: str) -> str | None:
        """Who said it; None if it is not the call's own."""
        words = self._words.get(item_id)
        return words.role if words else None

    def has_words(self, item_id: str) -> bool:
        """Whether any of the item's text is known."""
        words = self._words.get(item_id)
        if words is None:
            return False
        parts = (*words.parts.values(), self._so_far.get(item_id, ""))
        return bool(words.pictures) or any(part.strip() for part in parts)

    def has_all_words(self, item_id: str) -> bool:
        """Whether all of it is known."""
        return self.has_words(item_id) and item_id not in self._so_far

    def is_silent(self, item_id: str | None) -> bool:
        """Whether the item is a turn of silence, after which the provider asks who is there."""
        return item_id in self._silent

    def text(self, item_id: str) -> str:
        """The part of the item's text that was heard."""
        words = self._words.get(item_id)
        if words is None:
            return ""
        item = self._items.touch(item_id)
        told = words.parts or {0: self._so_far.get(item_id, "")}
        parts = (_heard(item, index, part) for index, part in sorted(told.items()))
        return " ".join(filter(None, (part.strip() for part in parts)))

    def unsay(self, item_ids: Iterable[str]) -> None:
        """Forget the text of these items, since nothing of them was heard."""
        for item_id in item_ids:
            self._words.pop(item_id, None)

    def spoken(self, item_ids: Iterable[str], status: str) -> list[Event]:
        """These items of an answer as GA messages, with the text that was heard."""
        return [
            {
                "id": item_id,
                "object": "realtime.item",
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [{"type": "output_audio", "transcript": self.text(item_id)}],
            }
            for item_id in item_ids
        ]

    def on_event(self, event: Mapping[str, Any]) -> None:
        if self.is_silent(event.get("item_id") or (event.get("item") or {}).get("id")):
            return
        match event["type"]:
            case "input_audio_buffer.timeout_triggered":
                self._silent.add(event["item_id"])
            case "conversation.item.added" | "conversation.item.done":
                self._take_item(event["item"])
            case "input_audio_buffer.committed":
                self._say(event["item_id"], "user")
            case "conversation.item.input_audio_transcription.delta":
                item_id = event["item_id"]
                self._so_far[item_id] = self._so_far.get(item_id, "") + event["delta"]
            case "conversation.item.input_audio_transcription.completed":
                self._so_far.pop(event["item_id"], None)
                self._say(event["item_id"], "user").parts[0] = event["transcript"]
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                parts, index = self._answer(event)
                parts[index] = parts.get(index, "") + event["delta"]
            case "response.output_audio_transcript.done":
                parts, index = self._answer(event)
                parts[index] = event["transcript"]
            case "response.output_text.done":
                parts, index = self._answer(event)
                parts[index] = event["text"]
            case "error":
                self._refused(event["error"]["event_id"])

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "conversation.item.create":
            self._take_item(event["item"])
            self._asked[event["event_id"]] = event["item"]["id"]
            if len(self._asked) > MOST_ASKED:
                del self._asked[next(iter(self._asked))]

    def _refused(self, event_id: str | None) -> None:
        """Forget the item of a refused event: it is not part of the conversation."""
        item_id = self._asked.pop(event_id or "", None)
        if item_id is None or self._items.is_placed(item_id):
            return
        words = self._words.pop(item_id, None)
        self._pictures = [each for each in self._pictures if each[0] is not words]

    def _take_item(self, item: Mapping[str, Any]) -> None:
        if item.get("type") != "message" or item.get("role") not in ROLES:
            return
        words = self._say(item["id"], item["role"])
        for index, part in enumerate(item.get("content") or ()):
            text = part.get("text") or part.get("transcript")
            if isinstance(text, str) and text:
                words.parts[index] = text
            elif part.get("type") == "input_image" and part.get("image_url"):
                self._see(words, index, part)

    def _see(self, words: Words, index: int, part: Mapping[str, Any]) -> None:
        if index in words.pictures:
            return
        words.pictures[index] = dict(part)
        self._pictures.append((words, index))
        if len(self._pictures) > PICTURES:
            older, place = self._pictures.pop(0)
            del older.pictures[place]
            older.parts[place] = SHOWN_EARLIER

    def _say(self, item_id: str, role: str) -> Words:
        return self._words.setdefault(item_id, Words(role))

    def _answer(self, event: Mapping[str, Any]) -> tuple[dict[int, str], int]:
        return self._say(event["item_id"], "assistant").parts, event["content_index"]

    def _own(self, ids: Iterable[str]) -> list[Event]:
        items = (_message(item_id, self._words[item_id], self.text(item_id)) for item_id in ids)
        return [item for item in items if item["content"]]

    def _newest(self, items: list[Event]) -> list[Event]:
        left, chosen = self._letters, list[Event]()
        for item in reversed(items):
            left -= len(text_of(item))
            if left < 0:
                break
            chosen.append(item)
        return chosen[::-1]


def _message(item_id: str, words: Words, text: str) -> Event:
    kind = "output_text" if words.role == "assistant" else "input_text"
    told: list[Event] = [{"type": kind, "text": text}] if text else []
    return {
        "id": item_id if len(item_id) <= MAX_ID else new_id("item"),
        "type": "message",
        "role": words.role,
        "content": told + [part for _index, part in sorted(words.pictures.items())],
    }


def _heard(item: Item, index: int, text: str) -> str:
    cut = item.truncated_ms.get(index)
    if cut is None and item.broken:
        cut = item.heard_ms.get(index)
    return text if cut is None else split_heard(text, cut, received_ms(item, index))[0]


def text_of(item: Mapping[str, Any]) -> str:
    """The text of a message item."""
    return "\n".join(part.get("text") or "" for part in item.get("content") or ())


def packed(items: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The whole conversation as one system message, for models that answer in text after text."""
    names = {"user": "User", "assistant": "Assistant"}
    lines = [
        f"{names[item['role']]}: {' '.join(text_of(item).split())}"
        for item in items
        if item.get("role") in names and text_of(item).strip()
    ]
    if not lines:
        return []
    text = "\n".join([PACKED, *lines])
    content = [{"type": "input_text", "text": text}]
    return [{"id": new_id("item"), "type": "message", "role": "system", "content": content}]


PACKED = (
    "Transcript of the earlier part of this conversation (spoken aloud by both sides). "
    "Continue it; keep answering by voice."
)
