"""OpenAI Realtime GA: the call's own language, so little is translated and much is checked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from ..audio import decode_base64, encode_base64
from ..events import Event
from ..ids import new_id
from ..words import gettext_noop as _
from ..writer import Frame
from .base import AUDIO_DELTA, OPENING_IDS
from .target import Target
from .traits import Traits

REMEMBERED = 256


class Shape(NamedTuple):
    """What an event must have (`need`) and what is filled in when it is missing (`fill`)."""

    need: Mapping[str, type]
    fill: tuple[str, ...] = ()


PART = ("response_id", "item_id", "output_index", "content_index")
CALL = PART[:3]
ITEM_ID = {"item_id": str}
SPOKEN = ("content_index",)

EVENTS: dict[str, Shape] = {
    "error": Shape({"error": dict}),
    "session.created": Shape({"session": dict}),
    "session.updated": Shape({"session": dict}),
    "conversation.created": Shape({}),
    "conversation.item.created": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.added": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.done": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.retrieved": Shape({"item": dict}),
    "conversation.item.truncated": Shape(ITEM_ID | {"audio_end_ms": int}, SPOKEN),
    "conversation.item.deleted": Shape(ITEM_ID),
    "conversation.item.input_audio_transcription.delta": Shape(ITEM_ID, SPOKEN),
    "conversation.item.input_audio_transcription.completed": Shape(
        ITEM_ID | {"transcript": str}, SPOKEN
    ),
    "conversation.item.input_audio_transcription.failed": Shape(ITEM_ID | {"error": dict}, SPOKEN),
    "conversation.item.input_audio_transcription.segment": Shape(ITEM_ID, SPOKEN),
    "input_audio_buffer.committed": Shape(ITEM_ID, ("previous_item_id",)),
    "input_audio_buffer.cleared": Shape({}),
    "input_audio_buffer.speech_started": Shape(ITEM_ID | {"audio_start_ms": int}),
    "input_audio_buffer.speech_stopped": Shape(ITEM_ID | {"audio_end_ms": int}),
    "input_audio_buffer.timeout_triggered": Shape(
        ITEM_ID | {"audio_start_ms": int, "audio_end_ms": int}
    ),
    "response.created": Shape({"response": dict}),
    "response.done": Shape({"response": dict}),
    "response.output_item.added": Shape({"item": dict}, ("response_id", "output_index")),
    "response.output_item.done": Shape({"item": dict}, ("response_id", "output_index")),
    "response.content_part.added": Shape({"part": dict}, PART),
    "response.content_part.done": Shape({"part": dict}, PART),
    "response.output_text.delta": Shape({"delta": str}, PART),
    "response.output_text.done": Shape({"text": str}, PART),
    AUDIO_DELTA: Shape({"delta": str}, PART),
    "response.output_audio.done": Shape({}, PART),
    "response.output_audio_transcript.delta": Shape({"delta": str}, PART),
    "response.output_audio_transcript.done": Shape({"transcript": str}, PART),
    "response.function_call_arguments.delta": Shape({"delta": str}, CALL),
    "response.function_call_arguments.done": Shape({"arguments": str}, CALL),
    "response.mcp_call_arguments.delta": Shape({"delta": str}, CALL),
    "response.mcp_call_arguments.done": Shape({"arguments": str}, CALL),
    "response.mcp_call.in_progress": Shape({}, ("item_id", "output_index")),
    "response.mcp_call.completed": Shape({}, ("item_id", "output_index")),
    "response.mcp_call.failed": Shape({}, ("item_id", "output_index")),
    "mcp_list_tools.in_progress": Shape(ITEM_ID),
    "mcp_list_tools.completed": Shape(ITEM_ID),
    "mcp_list_tools.failed": Shape(ITEM_ID),
    "rate_limits.updated": Shape({"rate_limits": list}),
}
"""The server events a call knows. WebRTC and telephone events never come over this socket."""


class OpenAIGA:
    """The GA dialect for one upstream session."""

    name: ClassVar[str] = "openai_ga"
    traits: ClassVar[Traits] = Traits(
        label="OpenAI",
        url_hint="wss://api.openai.com/v1/realtime",
        auth="Authorization: Bearer KEY",
        formats=("audio/pcm", "audio/pcmu", "audio/pcma"),
        noise_reduction=True,
        speed=True,
        images=True,
        usage="tokens by modality, cached ones too; transcription in tokens or seconds",
        asks=("organization", "project"),
        note=_("OpenAI Realtime GA, and servers that speak it without quirks."),
    )
    history_mode: ClassVar[Literal["items", "packed"]] = "items"

    def __init__(self) -> None:
        self.subprotocols: Sequence[str] = ()
        self.skipped = 0
        self._response_id = ""
        self._item_id = ""
        self._added: set[str] = set()
        self._recent: set[tuple[str, str, int]] = set()
        self._recent_order: deque[tuple[str, str, int]] = deque()

    def url(self, target: Target) -> str:
        parts = urlsplit(target.url)
        scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
        path = parts.path.rstrip("/") or "/v1"
        if path.endswith("/v1"):
            path += "/realtime"
        query = dict(parse_qsl(parts.query)) | {"model": target.model} | dict(target.query)
        return urlunsplit((scheme, parts.netloc, path, urlencode(query), parts.fragment))

    def headers(self, target: Target) -> Mapping[str, str]:
        headers = {}
        if target.key:
            headers["Authorization"] = f"Bearer {target.key}"
        if target.organization:
            headers["OpenAI-Organization"] = target.organization
        if target.project:
            headers["OpenAI-Project"] = target.project
        return headers | dict(target.headers)

    def greeting(self, session: Mapping[str, Any]) -> Iterable[Frame]:
        return ()

    def opening(
        self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> Iterable[Frame]:
        # The model belongs to the connection, and the rest is the server's to say.
        told = ("id", "object", "expires_at", "model")
        config = {name: value for name, value in session.items() if name not in told}
        yield from self.encode(
            {
                "type": "session.update",
                "event_id": f"{OPENING_IDS}session",
                "session": config | {"type": "realtime"},
            }
        )
        for number, item in enumerate(history):
            yield from self.encode(
                {
                    "type": "conversation.item.create",
                    "event_id": f"{OPENING_IDS}item_{number}",
                    "item": item,
                }
            )

    def encode(self, event: Mapping[str, Any]) -> Iterable[Frame]:
        return (orjson.dumps(event).decode(),)

    def answers(self) -> Sequence[Event]:
        return ()

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        return (f'{{"type":"input_audio_buffer.append","audio":"{encode_base64(pcm)}"}}',)

    def decode(self, frame: Frame) -> Iterable[Event]:
        event = self._checked(frame)
        if event is None:
            self.skipped += 1
            return ()
        return (event,)

    def _checked(self, frame: Frame) -> Event | None:
        try:
            event: Event = orjson.loads(frame)
        except ValueError:
            return None
        kind = event.get("type") if isinstance(event, dict) else None
        shape = EVENTS.get(kind) if isinstance(kind, str) else None
        if shape is None or self._is_repeat(event, len(frame)):
            return None
        if kind == "error":
            event["error"] = _error_of(event)
        if not all(_is(event.get(name), wanted) for name, wanted in shape.need.items()):
            return None
        if "item" in shape.need and not _tidy_item(event["item"]):
            return None
        if not self._remember(event):
            return None
        self._fill(event, shape)
        if kind == AUDIO_DELTA:
            return _with_pcm(event)
        return event

    def _is_repeat(self, event: Event, size: int) -> bool:
        # Type and size are compared too: not every provider counts its events well.
        event_id = event.get("event_id")
        if not isinstance(event_id, str) or not event_id:
            event["event_id"] = new_id("event")
            return False
        mark = (event_id, event["type"], size)
        if mark in self._recent:
            return True
        self._recent.add(mark)
        self._recent_order.append(mark)
        if len(self._recent_order) > REMEMBERED:
            self._recent.discard(self._recent_order.popleft())
        return False

    def _remember(self, event: Event) -> bool:
        """Note the current ids; False for a response without one and an item already added."""
        kind = event["type"]
        if kind in ("conversation.item.created", "conversation.item.added"):
            # Some servers keep the older name, some send both.
            event["type"] = "conversation.item.added"
            if event["item"]["id"] in self._added:
                return False
            self._added.add(event["item"]["id"])
        elif kind == "response.output_item.added":
            self._item_id = event["item"]["id"]
        elif kind in ("response.created", "response.done"):
            return self._remember_response(kind, event["response"])
        return True

    def _remember_response(self, kind: str, response: Event) -> bool:
        if not _is(response.get("id"), str):
            return False
        if kind == "response.created":
            self._response_id = response["id"]
        output = response.get("output")
        items = output if isinstance(output, list) else []
        response["output"] = [item for item in items if isinstance(item, dict) and _tidy_item(item)]
        return True

    def _fill(self, event: Event, shape: Shape) -> None:
        for name in shape.fill:
            value = event.get(name)
            if name in ("output_index", "content_index"):
                event[name] = value if _is(value, int) else 0
            elif name == "previous_item_id":
                event[name] = value if _is(value, str) else None
            elif not _is(value, str):
                event[name] = self._item_id if name == "item_id" else self._response_id


def _is(value: object, wanted: type) -> bool:
    if wanted is int:
        return type(value) is int and value >= 0
    if wanted is str:
        return isinstance(value, str)
    return isinstance(value, wanted)


def _with_pcm(event: Event) -> Event | None:
    try:
        event["delta"] = decode_base64(event["delta"])
    except ValueError:
        return None
    return event


def _tidy_item(item: Event) -> bool:
    """Leave audio out of an item: it came as deltas, and events are kept and shown.

    False when the item has no id.
    """
    if not item.get("id") or not isinstance(item["id"], str):
        return False
    content = item.get("content")
    if isinstance(content, list):
        item["content"] = [
            {name: value for name, value in part.items() if name != "audio"}
            for part in content
            if isinstance(part, dict)
        ]
    return True


def _error_of(event: Event) -> Event:
    """The GA error object, also when a provider puts its fields at the root or sends a string."""
    error = event.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = event | {"event_id": None}  # which is the event's own
    names = ("code", "message", "param", "event_id")
    fields = {name: _text_or_none(error.get(name)) for name in names}
    kind = _text_or_none(error.get("type"))
    return {
        **fields,
        "type": kind if kind and kind != "error" else "server_error",
        "message": fields["message"] or "",
    }


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
