"""The items of a conversation: their order, their wire form and what may be created."""

import base64
from dataclasses import dataclass, field
from typing import Any

from realtime.local import checks as c
from realtime.local.audio import BYTES_PER_MS, Decoder
from realtime.local.errors import Refused, missing, wrong_type
from realtime.local.events import new_id

ITEM_LIMIT = 5000
TEXT_LIMIT = 1_000_000
# User audio is kept for conversation.item.retrieve, images for answers, which look at the newest;
# the oldest are dropped beyond this.
KEPT_AUDIO_BYTES = 20_000_000
KEPT_IMAGE_LETTERS = 40_000_000


@dataclass(slots=True)
class Word:
    """A piece of transcript (with its leading space) and where it lies in the item's audio."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Part:
    """One content part. `text` is the text or the transcript; None = not transcribed."""

    kind: str
    text: str | None = None
    audio: bytes = b""
    ms: float = 0.0
    words: list[Word] = field(default_factory=list)
    image_url: str = ""
    detail: str = "auto"
    # Truncated by the client: what is generated after that was not heard.
    cut: bool = False

    def wire(self, *, with_audio: bool = False) -> dict[str, Any]:
        if self.kind in ("input_text", "output_text"):
            return {"type": self.kind, "text": self.text or ""}
        if self.kind == "input_image":
            return {"type": self.kind, "image_url": self.image_url, "detail": self.detail}
        shape: dict[str, Any] = {"type": self.kind, "transcript": self.text}
        if with_audio and self.audio:
            shape["audio"] = base64.b64encode(self.audio).decode("ascii")
        return shape


@dataclass(slots=True)
class Item:
    kind: str
    id: str = field(default_factory=lambda: new_id("item"))
    status: str = "completed"
    role: str = ""
    parts: list[Part] = field(default_factory=list)
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""

    def wire(self, *, with_audio: bool = False) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "id": self.id,
            "object": "realtime.item",
            "type": self.kind,
            "status": self.status,
        }
        if self.kind == "message":
            content = [part.wire(with_audio=with_audio) for part in self.parts]
            return {**shape, "role": self.role, "content": content}
        if self.kind == "function_call":
            call = {"name": self.name, "call_id": self.call_id, "arguments": self.arguments}
            return {**shape, **call}
        return {**shape, "call_id": self.call_id, "output": self.output}

    def cut_audio(self, index: int, end_ms: int) -> None:
        """Forget the assistant audio after `end_ms` and the words that lie mostly behind it."""
        part = self.parts[index]
        part.words = [w for w in part.words if (w.start_ms + w.end_ms) / 2 <= end_ms]
        part.text = "".join(word.text for word in part.words)
        part.ms, part.cut = end_ms, True

    @property
    def text(self) -> str:
        """Everything that can be read in a message."""
        return " ".join(part.text for part in self.parts if part.text)


class Conversation:
    """Ordered items by id."""

    def __init__(self) -> None:
        self.id = new_id("conv")
        self._items: list[Item] = []

    def __iter__(self) -> Any:
        return iter(self._items)

    def items(self) -> list[Item]:
        return list(self._items)

    def find(self, item_id: Any, param: str, code: str) -> Item:
        if item_id is None:
            raise missing(param)
        for item in self._items:
            if item.id == item_id:
                return item
        raise Refused(f"Item with item_id '{item_id}' not found.", code=code, param=param)

    def previous_id(self, item: Item) -> str | None:
        place = self._items.index(item)
        return self._items[place - 1].id if place else None

    def add(self, item: Item, after: Any = None) -> str | None:
        """Insert after an id (None = at the end, "root" = first); returns the previous id."""
        if any(known.id == item.id for known in self._items):
            raise Refused(
                f"Error adding item: item with id '{item.id}' already exists in the conversation.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        if len(self._items) >= ITEM_LIMIT:
            raise Refused(
                f"A conversation holds at most {ITEM_LIMIT} items.", code="too_many_items"
            )
        place = len(self._items)
        if after == "root":
            place = 0
        elif after is not None:
            previous = self.find(after, "previous_item_id", "item_create_invalid_previous_item_id")
            place = self._items.index(previous) + 1
        self._items.insert(place, item)
        self._bound_parts()
        return self.previous_id(item)

    def remove(self, item: Item) -> None:
        self._items.remove(item)

    def holds(self, item: Item) -> bool:
        return any(known is item for known in self._items)

    def _bound_parts(self) -> None:
        audio = images = 0
        for item in reversed(self._items):
            for part in item.parts:
                audio += len(part.audio)
                images += len(part.image_url)
                if audio > KEPT_AUDIO_BYTES:
                    part.audio = b""
                if images > KEPT_IMAGE_LETTERS:
                    part.image_url = ""


_text_limit = c.text(TEXT_LIMIT)
_CONTENT = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}


def parse_item(value: Any, decoder: Decoder, path: str = "item") -> Item:
    """A client's item; raises Refused naming the field that is wrong."""
    if value is None:
        raise missing(path)
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    if "type" not in value:
        raise missing(f"{path}.type")
    kind = c.one_of("message", "function_call", "function_call_output")(
        value["type"], f"{path}.type"
    )
    item = Item(kind)
    if value.get("id") is not None:
        item.id = c.text(64, least=1)(value["id"], f"{path}.id")
    if kind == "message":
        return _message(item, value, decoder, path)
    needed = ("call_id", "name", "arguments") if kind == "function_call" else ("call_id", "output")
    for name in needed:
        if name == "call_id" and kind == "function_call" and value.get(name) is None:
            item.call_id = new_id("call")
            continue
        if name not in value:
            raise missing(f"{path}.{name}")
        limit = c.text(32, least=1) if name == "call_id" else _text_limit
        setattr(item, name, limit(value[name], f"{path}.{name}"))
    return item


def _message(item: Item, value: dict[str, Any], decoder: Decoder, path: str) -> Item:
    if "role" not in value:
        raise missing(f"{path}.role")
    item.role = c.one_of(*_CONTENT)(value["role"], f"{path}.role")
    if "content" not in value:
        raise missing(f"{path}.content")
    content = c.list_of(lambda entry, where: entry, most=100)(value["content"], f"{path}.content")
    for index, entry in enumerate(content):
        item.parts.append(_part(entry, item.role, decoder, f"{path}.content[{index}]"))
    return item


def _part(entry: Any, role: str, decoder: Decoder, path: str) -> Part:
    if not isinstance(entry, dict):
        raise wrong_type(path, "an object", entry)
    if "type" not in entry:
        raise missing(f"{path}.type")
    kind = c.one_of(*_CONTENT[role])(entry["type"], f"{path}.type")
    if kind == "input_audio":
        if "audio" not in entry:
            raise missing(f"{path}.audio")
        pcm = decoder.decode(entry["audio"], f"{path}.audio") + decoder.flush()
        transcript = c.nullable(_text_limit)(entry.get("transcript"), f"{path}.transcript")
        return Part(kind, transcript, pcm, len(pcm) / BYTES_PER_MS)
    if kind == "input_image":
        if "image_url" not in entry:
            raise missing(f"{path}.image_url")
        url = c.text(20_000_000, least=1)(entry["image_url"], f"{path}.image_url")
        return Part(kind, image_url=url, detail=str(entry.get("detail") or "auto"))
    if "text" not in entry:
        raise missing(f"{path}.text")
    return Part(kind, _text_limit(entry["text"], f"{path}.text"))
