"""One realtime session: client events in, server events out. Knows no socket.

Must live in a running event loop; everything it starts ends with `close()`.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from realtime.local import checks as c
from realtime.local.audio import Decoder
from realtime.local.config import Config, new_session, updated
from realtime.local.conversation import Conversation, Item, parse_item
from realtime.local.errors import Refused, missing, wrong_type
from realtime.local.events import Send, event, new_id
from realtime.local.listening import Listening
from realtime.local.responding import Responding
from realtime.local.settings import Engine
from realtime.local.transcripts import Transcripts

Step = Callable[[], None]
SESSION_S = 3600.0
FRAME_LIMIT = 15 * 1024 * 1024
DEPTH_LIMIT = 64

log = logging.getLogger(__name__)


async def _no_bound() -> None:
    return None


class Session:
    """`send` gets every server event; `room` waits while the client reads too slowly."""

    def __init__(
        self,
        engine: Engine,
        send: Send,
        *,
        model: str = "",
        lasts_s: float = SESSION_S,
        room: Callable[[], Awaitable[None]] = _no_bound,
    ) -> None:
        self._send = send
        self.id = new_id("sess")
        self.config: Config = new_session(self.id, model, int(time.time() + lasts_s))
        self.conversation = Conversation()
        self._transcripts = Transcripts(engine.ears, send)
        self._responding = Responding(
            engine, self.conversation, self._transcripts, send, lambda: self.config, room
        )
        self._responding.on_idle = self._idle
        self._listening = Listening(
            self.conversation,
            self._transcripts,
            self._responding,
            engine.vads,
            send,
            lambda: self.config,
        )
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "session.update": self._update,
            "input_audio_buffer.commit": lambda given: self._listening.commit(),
            "input_audio_buffer.clear": lambda given: self._listening.clear(),
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": lambda given: self._responding.create(
                given.get("response"), self._parse
            ),
            "response.cancel": lambda given: self._responding.cancel(given.get("response_id")),
        }

    def open(self) -> None:
        self._send(event("session.created", session=self.config))

    def close(self) -> None:
        self._responding.close()
        self._listening.close()
        self._transcripts.close()

    def receive(self, frame: str | bytes) -> list[Step]:
        """Handle one frame. Long audio comes back as steps to run one by one."""
        steps: list[Step] = []
        given: dict[str, Any] = {}

        def handle() -> None:
            nonlocal given
            given = _parsed(frame)
            if not isinstance(given.get("event_id"), str | None):
                raise wrong_type("event_id", "a string", given.pop("event_id"))
            steps.extend(self._dispatch(given))

        self._guarded(handle, lambda: given.get("event_id"))
        return [partial(self._guarded, step, lambda: None) for step in steps]

    def _guarded(self, step: Step, event_id: Callable[[], str | None]) -> None:
        """Run a step; any problem with it becomes an `error` event."""
        try:
            step()
        except Refused as refused:
            self._send(refused.event(event_id()))
        except Exception:
            log.exception("an event could not be handled")
            failed = Refused(
                "The server had an internal problem with this event.",
                code="internal_error",
                kind="server_error",
            )
            self._send(failed.event(event_id()))

    def _dispatch(self, given: dict[str, Any]) -> list[Step]:
        kind = given.get("type")
        if kind is None:
            raise missing("type")
        if kind == "input_audio_buffer.append":
            if "audio" not in given:
                raise missing("audio")
            pieces = self._listening.decode(given["audio"])
            return [partial(self._listening.hear, pcm) for pcm in pieces]
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            known = ", ".join(
                f"'{name}'" for name in ["input_audio_buffer.append", *self._handlers]
            )
            raise Refused(
                f"Invalid value: '{kind}'. Supported values are: {known}.",
                code="invalid_value",
                param="type",
            )
        handler(given)
        return []

    def _update(self, given: dict[str, Any]) -> None:
        fixed = self._responding.voice_fixed
        self.config = updated(self.config, given.get("session"), voice_fixed=fixed)
        self._listening.configure()
        self._send(event("session.updated", session=self.config))

    def _parse(self, value: Any, path: str) -> Item:
        # Audio in an item is complete: it must not mix with the stream of the microphone.
        return parse_item(value, Decoder(self.config["audio"]["input"]["format"]), path)

    def _create_item(self, given: dict[str, Any]) -> None:
        item = self._parse(given.get("item"), "item")
        if item.kind == "function_call_output":
            self._check_call(item)
        previous = self.conversation.add(item, given.get("previous_item_id"))
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._send(event(kind, previous_item_id=previous, item=item.wire()))
        wanted = self.config["audio"]["input"]["transcription"]
        if item.parts and item.parts[0].kind == "input_audio" and item.parts[0].text is None:
            utterance = self._transcripts.whole(item.parts[0].audio, wanted)
            self._transcripts.finish(utterance, item, tell=wanted is not None)

    def _check_call(self, item: Item) -> None:
        calls = (one for one in self.conversation.items() if one.kind == "function_call")
        if not any(call.call_id == item.call_id for call in calls):
            raise Refused(
                f"Tool call ID '{item.call_id}' not found in conversation.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )

    def _retrieve_item(self, given: dict[str, Any]) -> None:
        item = self.conversation.find(
            given.get("item_id"), "item_id", "item_retrieve_invalid_item_id"
        )
        self._send(event("conversation.item.retrieved", item=item.wire(with_audio=True)))

    def _delete_item(self, given: dict[str, Any]) -> None:
        item = self.conversation.find(
            given.get("item_id"), "item_id", "item_delete_invalid_item_id"
        )
        self.conversation.remove(item)
        self._send(event("conversation.item.deleted", item_id=item.id))

    def _truncate_item(self, given: dict[str, Any]) -> None:
        code = "item_truncate_invalid_item_id"
        item = self.conversation.find(given.get("item_id"), "item_id", code)
        for name in ("content_index", "audio_end_ms"):
            if name not in given:
                raise missing(name)
        if item.kind != "message" or item.role != "assistant":
            raise Refused(
                "Only model output audio messages can be truncated.", code=code, param="item_id"
            )
        index = c.integer(0, 1000)(given["content_index"], "content_index")
        end_ms = c.integer(0, 86_400_000)(given["audio_end_ms"], "audio_end_ms")
        if index >= len(item.parts) or item.parts[index].kind != "output_audio":
            raise Refused(
                f"Content part {index} of item '{item.id}' has no audio.",
                code="invalid_value",
                param="content_index",
            )
        length_ms = round(item.parts[index].ms)
        if end_ms > length_ms:
            raise Refused(
                f"Audio content of {length_ms}ms is already shorter than {end_ms}ms",
                code=code,
                param="audio_end_ms",
            )
        item.cut_audio(index, end_ms)
        self._send(
            event(
                "conversation.item.truncated",
                item_id=item.id,
                content_index=index,
                audio_end_ms=end_ms,
            )
        )

    def _idle(self, idle_ms: int) -> None:
        """idle_timeout_ms passed without a word: ask whether the person is still there."""
        self._listening.commit_silence(idle_ms)
        self._responding.automatic(idle=True)


def _parsed(frame: str | bytes) -> dict[str, Any]:
    if isinstance(frame, bytes):
        raise Refused(
            "Binary frames are not supported; send events as JSON text.", code="invalid_frame"
        )
    if len(frame) > FRAME_LIMIT:
        raise Refused(
            f"The event is too large: {len(frame)} bytes, at most {FRAME_LIMIT} are supported.",
            code="event_too_large",
        )
    try:
        given = orjson.loads(frame)
    except ValueError:
        raise Refused(
            "We could not parse the JSON body of your event.", code="invalid_json"
        ) from None
    if not isinstance(given, dict):
        raise Refused("Each event must be a JSON object.", code="invalid_json")
    if _deeper_than(given, DEPTH_LIMIT):
        raise Refused(
            f"The event is nested too deeply: at most {DEPTH_LIMIT} levels are supported.",
            code="invalid_json",
        )
    return given


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for entry in level:
            if isinstance(entry, dict):
                inner += entry.values()
            elif isinstance(entry, list):
                inner += entry
        level = [entry for entry in inner if isinstance(entry, dict | list)]
        if not level:
            return False
    return True
