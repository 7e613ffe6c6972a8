"""Qwen-Omni-Realtime of Alibaba Cloud: the beta API with 16 kHz input, and no creation of items.

The history, and what a person writes, go into the instructions, which are sent again each time they
grow. Usage details have plural names. Pictures must be JPEG and come after at least one piece of
audio. Sources: Alibaba Cloud's documentation, dashscope 2.0.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ..audio import encode_base64
from ..events import Event
from ..ids import new_id
from ..words import gettext_noop as _
from ..writer import Frame
from .openai_beta import Beta
from .target import Target
from .traits import Traits

NAMES = {"user": "User", "assistant": "Assistant"}
WRITTEN = "What was said and written besides, in this order:"
JPEG = "data:image/jpeg;base64,"
MAX_IMAGE = 500_000
SILENCE = encode_base64(bytes(3_200))
"""A tenth of a second."""
SILENCE_MS = (200, 6_000)


class Qwen(Beta):
    """Qwen-Omni realtime models."""

    name: ClassVar[str] = "qwen"
    path: ClassVar[tuple[str, str]] = ("/api-ws/v1", "/realtime")
    traits: ClassVar[Traits] = Traits(
        label="Qwen-Omni",
        url_hint="wss://dashscope.aliyuncs.com/api-ws/v1/realtime",
        auth="Authorization: Bearer KEY",
        turn_detection=("server_vad",),
        input_rate=16_000,
        images=True,
        tools=False,
        truncate=False,
        retrieve=False,
        item_create=False,
        usage="tokens by modality, in the plural; transcription not",
        asks=("workspace",),
        note=_("Outside China the host is dashscope-intl.aliyuncs.com."),
    )

    def __init__(self) -> None:
        super().__init__()
        self._formats: Event = {"input_audio_format": "pcm16", "output_audio_format": "pcm24"}
        self._instructions = ""
        self._lines: dict[str, str] = {}  # by item, a line added to the instructions
        self._sounded = False  # a picture needs audio before it

    def identity(self, target: Target) -> dict[str, str]:
        headers = super().identity(target)
        if target.workspace:
            headers["X-DashScope-WorkSpace"] = target.workspace
        return headers

    def opening(
        self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> Iterable[Frame]:
        for item in history:
            self._note(item, None)
        return super().opening(session, ())

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        frames = list(super().audio(pcm))
        self._sounded = self._sounded or bool(frames)
        return frames

    def session(self, session: Mapping[str, Any]) -> Event:
        flat = super().session(session)
        flat |= {name: self._formats[name] for name in self._formats}
        if flat.get("modalities") == ["audio", "text"]:
            flat["modalities"] = ["text", "audio"]
        if isinstance(flat.get("instructions"), str):
            self._instructions = flat["instructions"]
        if "instructions" in flat or self._lines:
            flat["instructions"] = self._whole_instructions()
        turns = flat.get("turn_detection")
        if isinstance(turns, dict) and isinstance(turns.get("silence_duration_ms"), int):
            least, most = SILENCE_MS
            turns["silence_duration_ms"] = max(least, min(most, turns["silence_duration_ms"]))
        return flat

    def response(self, response: Mapping[str, Any]) -> Event:
        flat = super().response(response)
        kept = {"instructions": flat["instructions"]} if "instructions" in flat else {}
        modalities = ["text"] if flat.get("modalities") == ["text"] else ["text", "audio"]
        return kept | {"modalities": modalities}

    def told(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        if kind == "conversation.item.create":
            return self._create(event)
        if kind == "conversation.item.delete":
            item_id = self._names.ours(event["item_id"])
            self.answer("conversation.item.deleted", item_id=item_id)
            gone = self._lines.pop(item_id, None)
            return self._instruct() if gone else ()
        return super().told(event)

    def _create(self, event: Event) -> Iterable[Event]:
        item = {"object": "realtime.item", "status": "completed", **event["item"]}
        item["id"] = item.get("id") or new_id("item")
        self.answer("conversation.item.created", previous_item_id=None, item=dict(item))
        pictures = [picture for part in _parts(item) if (picture := _picture(part))]
        grown = self._note(item, event.get("previous_item_id"))
        shown = [{"type": "input_image_buffer.append", "image": each} for each in pictures]
        if shown and not self._sounded:
            self._sounded = True
            yield {"type": "input_audio_buffer.append", "audio": SILENCE}
        yield from shown
        if grown:
            yield from self._instruct()

    def _note(self, item: Mapping[str, Any], after: str | None) -> bool:
        words = " ".join(part["text"] for part in _parts(item) if isinstance(part.get("text"), str))
        if not words.strip():
            return False
        name = NAMES.get(str(item.get("role")))
        line = {str(item.get("id")): f"{name}: {words}" if name else words}
        self._lines = line | self._lines if after == "root" else self._lines | line
        return True

    def _instruct(self) -> Iterable[Event]:
        session = {"instructions": self._whole_instructions()}
        return ({"type": "session.update", "event_id": new_id("event"), "session": session},)

    def _whole_instructions(self) -> str:
        lines = [WRITTEN, *self._lines.values()] if self._lines else []
        return "\n\n".join(part for part in (self._instructions, "\n".join(lines)) if part)

    def translated(self, event: Event) -> Iterable[Event]:
        session = event.get("session")
        if event["type"] == "session.created" and isinstance(session, Mapping):
            # Models understand different names of formats, so those of its own session are used.
            for name in self._formats:
                if isinstance(session.get(name), str):
                    self._formats[name] = session[name]
        return super().translated(event)


def _parts(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return [part for part in parts if isinstance(part, Mapping)]


def _picture(part: Mapping[str, Any]) -> str | None:
    url = part.get("image_url")
    if part.get("type") != "input_image" or not isinstance(url, str) or not url.startswith(JPEG):
        return None
    return url.removeprefix(JPEG) if len(url) <= MAX_IMAGE * 4 // 3 else None
