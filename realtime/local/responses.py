"""One response as events: opens and closes its items in the order of the GA protocol."""

from typing import Any

from realtime.local import usage
from realtime.local.audio import BYTES_PER_MS, Encoder
from realtime.local.conversation import Conversation, Item, Part, Word
from realtime.local.events import Send, event, new_id
from realtime.local.usage import Counted, Tokens


class ResponseWriter:
    """Plain calls in, events out; knows nothing of time, models or sockets."""

    def __init__(
        self,
        options: dict[str, Any],
        conversation: Conversation | None,
        send: Send,
        prompt: list[Counted],
        known: Tokens,
    ) -> None:
        self.id = new_id("resp")
        self.options = options
        self.prompt = prompt
        self.audio_ms = 0.0
        self.done = False
        self._status = "in_progress"
        self._details: dict[str, Any] | None = None
        self._usage: dict[str, Any] | None = None
        self._known = known
        self._conversation = conversation
        self._send = send
        self._items: list[Item] = []
        self._open: Item | None = None
        self._transcript = ""
        self._encoder: Encoder | None = None
        self._text_out = 0
        self._message_ms = 0.0

    @property
    def spoken(self) -> bool:
        return bool(self.options["output_modalities"] == ["audio"])

    @property
    def message_ms(self) -> float:
        """How much audio the open message has."""
        return self._message_ms if self._open is not None else 0.0

    @property
    def in_conversation(self) -> bool:
        return self._conversation is not None

    @property
    def empty(self) -> bool:
        """Nothing was said or called so far."""
        return not self._items

    @property
    def full(self) -> bool:
        """max_output_tokens is reached."""
        limit = self.options["max_output_tokens"]
        return limit != "inf" and self._tokens_out().total >= int(limit)

    def wire(self) -> dict[str, Any]:
        output = self.options["output"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [item.wire() for item in self._items],
            "conversation_id": self._conversation.id if self._conversation else None,
            "output_modalities": self.options["output_modalities"],
            "max_output_tokens": self.options["max_output_tokens"],
            "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
            "usage": self._usage,
            "metadata": self.options["metadata"],
        }

    def begin(self) -> None:
        self._send(event("response.created", response=self.wire()))
        # There are no rate limits here, and none are made up.
        self._send(event("rate_limits.updated", rate_limits=[]))

    def say_text(self, text: str) -> None:
        """A piece of a text-only answer."""
        part = self._message("output_text")
        part.text = (part.text or "") + text
        self._transcript += text
        self._emit("response.output_text.delta", content_index=0, delta=text)

    def say_audio(self, words: list[Word], pcm: bytes) -> None:
        """A chunk of speech and the words that begin in it; PCM16 at 24 kHz."""
        part = self._message("output_audio")
        assert self._encoder is not None
        if words:
            text = "".join(word.text for word in words)
            self._transcript += text
            self._emit("response.output_audio_transcript.delta", content_index=0, delta=text)
        if audio := self._encoder.encode(pcm):
            self._emit("response.output_audio.delta", content_index=0, delta=audio)
        self.audio_ms += len(pcm) / BYTES_PER_MS
        self._message_ms += len(pcm) / BYTES_PER_MS
        if not part.cut:
            part.ms = self._message_ms
            part.words += words
            part.text = self._transcript

    def call(self, call_id: str, name: str) -> None:
        """Begin a function call; what was open before is completed."""
        self._close("completed")
        item = Item("function_call", status="in_progress", name=name, call_id=call_id)
        self._add(item)

    def arguments(self, text: str) -> None:
        assert self._open is not None
        self._open.arguments += text
        self._emit("response.function_call_arguments.delta", call_id=self._open.call_id, delta=text)

    def finish(
        self, status: str, *, reason: str | None = None, error: dict[str, Any] | None = None
    ) -> None:
        """The end, once; an open item is closed as incomplete unless all went well."""
        if self.done:
            return
        self.done = True
        self._close("completed" if status == "completed" else "incomplete")
        self._status = status
        if reason:
            self._details = {"type": status, "reason": reason}
        elif error:
            self._details = {"type": status, "error": error}
        self._usage = usage.usage(self.prompt, self._known, self._tokens_out())
        self._send(event("response.done", response=self.wire()))

    def _tokens_out(self) -> Tokens:
        text = self._text_out
        if self._open is not None:
            text += usage.text_tokens(self._transcript + self._open.arguments)
        return Tokens(text=text, audio=usage.spoken_tokens(self.audio_ms))

    def _message(self, kind: str) -> Part:
        if self._open is not None and self._open.kind == "message":
            return self._open.parts[0]
        self._close("completed")
        item = Item("message", status="in_progress", role="assistant")
        self._add(item)
        item.parts.append(Part(kind, ""))
        self._transcript, self._message_ms = "", 0.0
        if kind == "output_audio":
            self._encoder = Encoder(self.options["output"]["format"])
        part = _part_wire(kind, "")
        self._emit("response.content_part.added", content_index=0, part=part)
        return item.parts[0]

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self._open = item
        self._send(self._item_event("response.output_item.added"))
        if self._conversation is not None:
            previous = self._conversation.add(item)
            self._send(
                event("conversation.item.added", previous_item_id=previous, item=item.wire())
            )

    def _close(self, status: str) -> None:
        item = self._open
        if item is None:
            return
        if item.kind == "message":
            self._close_part(item.parts[0])
        elif status == "completed":
            self._emit(
                "response.function_call_arguments.done",
                call_id=item.call_id,
                name=item.name,
                arguments=item.arguments,
            )
        item.status = status
        if self._conversation is not None and self._conversation.holds(item):
            previous = self._conversation.previous_id(item)
            self._send(event("conversation.item.done", previous_item_id=previous, item=item.wire()))
        self._send(self._item_event("response.output_item.done"))
        self._text_out += usage.text_tokens(self._transcript + item.arguments)
        self._open, self._transcript = None, ""

    def _close_part(self, part: Part) -> None:
        if part.kind == "output_audio":
            if self._encoder is not None and (tail := self._encoder.flush()):
                self._emit("response.output_audio.delta", content_index=0, delta=tail)
            self._emit("response.output_audio.done", content_index=0)
            done = {"transcript": self._transcript}
            self._emit("response.output_audio_transcript.done", content_index=0, **done)
        else:
            self._emit("response.output_text.done", content_index=0, text=self._transcript)
        wire = _part_wire(part.kind, self._transcript)
        self._emit("response.content_part.done", content_index=0, part=wire)

    def _item_event(self, kind: str) -> dict[str, Any]:
        assert self._open is not None
        index = len(self._items) - 1
        return event(kind, response_id=self.id, output_index=index, item=self._open.wire())

    def _emit(self, kind: str, **fields: Any) -> None:
        assert self._open is not None
        place = {"item_id": self._open.id, "output_index": len(self._items) - 1}
        self._send(event(kind, response_id=self.id, **place, **fields))


def _part_wire(kind: str, text: str) -> dict[str, Any]:
    if kind == "output_audio":
        return {"type": "audio", "transcript": text}
    return {"type": "text", "text": text}
