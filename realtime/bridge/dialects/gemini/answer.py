"""One answer of Gemini as a GA response: its items and parts are made here, as Gemini has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ...events import Event
from ...ids import new_id
from ..base import AUDIO_DELTA

Details = dict[str, Any] | None


def event(kind: str, **fields: Any) -> Event:
    """A GA event with an id."""
    return {"type": kind, "event_id": new_id("event"), **fields}


class Answer:
    """A response under way. Its methods yield the GA events for what has happened."""

    def __init__(self, *, written: bool, after: str | None) -> None:
        self.id = new_id("resp")
        self.item_id: str | None = None
        """The message's, once there is one."""
        self.last_item_id = after
        self._written = written
        self._words = ""
        self._ended_audio = False
        self._output: list[Event] = []

    def begin(self) -> Iterator[Event]:
        """The response begins."""
        yield event("response.created", response=self._response("in_progress"))

    def audio(self, pcm: bytes) -> Iterator[Event]:
        """More of its audio; dropped if the answer is wanted as text."""
        if self._written:
            return
        yield from self._message()
        yield event(AUDIO_DELTA, **self._place(), delta=pcm)

    def words(self, text: str) -> Iterator[Event]:
        """More of its transcript, or of its text."""
        yield from self._message()
        self._words += text
        kind = "output_text" if self._written else "output_audio_transcript"
        yield event(f"response.{kind}.delta", **self._place(), delta=text)

    def text(self, text: str) -> Iterator[Event]:
        """More text: an answer that has not begun otherwise becomes a written one."""
        if self.item_id is None:
            self._written = True
        if self._written:
            yield from self.words(text)

    def end_audio(self) -> Iterator[Event]:
        """Its audio is complete."""
        if self.item_id is not None and not self._written and not self._ended_audio:
            self._ended_audio = True
            yield event("response.output_audio.done", **self._place())

    def call(self, call_id: str, name: str, arguments: Any) -> Iterator[Event]:
        """It calls a function."""
        item_id, index = new_id("item"), len(self._output) + (self.item_id is not None)
        text = orjson.dumps(arguments).decode()
        item: Event = {
            "id": item_id,
            "object": "realtime.item",
            "type": "function_call",
            "name": name,
            "call_id": call_id,
        }
        place = {"response_id": self.id, "output_index": index}
        begun = item | {"status": "in_progress", "arguments": ""}
        yield event("response.output_item.added", **place, item=begun)
        yield event("conversation.item.added", previous_item_id=self.last_item_id, item=begun)
        said = {**place, "item_id": item_id, "call_id": call_id}
        yield event("response.function_call_arguments.delta", **said, delta=text)
        yield event("response.function_call_arguments.done", **said, name=name, arguments=text)
        whole = item | {"status": "completed", "arguments": text}
        yield event("conversation.item.done", previous_item_id=self.last_item_id, item=whole)
        yield event("response.output_item.done", **place, item=whole)
        self.last_item_id = item_id
        self._output.append(whole)

    def end(
        self, status: str = "completed", details: Details = None, **usage: Any
    ) -> Iterator[Event]:
        """It is over. `usage`: GA's `usage`, and the provider's own as `raw_usage`."""
        item_status = "completed" if status == "completed" else "incomplete"
        if self.item_id is not None:
            yield from self._end_message(item_status)
        response = self._response(status) | {
            "status_details": details,
            "output": [*([self._item(item_status)] if self.item_id else []), *self._output],
            "usage": usage.get("usage"),
        }
        raw = {"raw_usage": usage["raw_usage"]} if "raw_usage" in usage else {}
        yield event("response.done", response=response, **raw)

    def _message(self) -> Iterator[Event]:
        if self.item_id is not None:
            return
        self.item_id, after = new_id("item"), self.last_item_id
        self._index, self.last_item_id = len(self._output), self.item_id
        self._after = after
        item = self._item("in_progress") | {"content": []}
        place = {"response_id": self.id, "output_index": self._index}
        yield event("response.output_item.added", **place, item=item)
        yield event("conversation.item.added", previous_item_id=after, item=item)
        yield event("response.content_part.added", **self._place(), part=self._part())

    def _end_message(self, status: str) -> Iterator[Event]:
        yield from self.end_audio()
        place, item = self._place(), self._item(status)
        if self._written:
            yield event("response.output_text.done", **place, text=self._words)
        else:
            kind = "response.output_audio_transcript.done"
            yield event(kind, **place, transcript=self._words)
        yield event("response.content_part.done", **place, part=self._part())
        yield event("conversation.item.done", previous_item_id=self._after, item=item)
        at = {"response_id": self.id, "output_index": self._index}
        yield event("response.output_item.done", **at, item=item)

    def _place(self) -> Event:
        place = {"response_id": self.id, "item_id": self.item_id}
        return place | {"output_index": self._index, "content_index": 0}

    def _part(self) -> Event:
        if self._written:
            return {"type": "text", "text": self._words}
        return {"type": "audio", "transcript": self._words}

    def _item(self, status: str) -> Event:
        content = (
            {"type": "output_text", "text": self._words}
            if self._written
            else {"type": "output_audio", "transcript": self._words}
        )
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [content],
        }

    def _response(self, status: str) -> Event:
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": [],
            "output_modalities": ["text"] if self._written else ["audio"],
            "usage": None,
        }
