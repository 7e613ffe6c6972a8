"""A provider that speaks the beta language as lesser ones do: old names, a flat session, and
deltas that leave out what one could know. It answers a few fixed sentences."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

BETA_MODEL = "beta-1"
ANSWERS = {"sunny": "It is sunny.", "story": "Once upon a time", "four plus four": "Eight."}
SECOND = base64.b64encode(bytes(48_000)).decode()
Event = dict[str, Any]


class Talk:
    """One connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._session: Event = {
            "id": "sess_beta",
            "object": "realtime.session",
            "model": BETA_MODEL,
            "modalities": ["audio", "text"],
            "turn_detection": {"type": "server_vad"},
            "tools": [],
        }
        self._last: Event = {}
        self._number = 0
        self._active: str | None = None

    async def run(self) -> None:
        await self._say("session.created", session=self._session)
        try:
            async for frame in self._socket:
                await self._take(json.loads(frame))
        except ConnectionClosed:
            pass

    async def _say(self, kind: str, **fields: Any) -> None:
        self._number += 1
        event = {"event_id": f"event_{self._number}", "type": kind, **fields}
        await self._socket.send(json.dumps(event))

    async def _take(self, event: Event) -> None:
        match event["type"]:
            case "session.update":
                wrong = {"audio", "output_modalities", "type"} & event["session"].keys()
                assert not wrong, f"GA fields sent to a beta provider: {wrong}"
                self._session |= event["session"]
                await self._say("session.updated", session=self._session)
            case "conversation.item.create":
                item = event["item"] | {"object": "realtime.item", "status": "completed"}
                before, self._last = self._last.get("id"), item
                await self._say("conversation.item.created", previous_item_id=before, item=item)
            case "conversation.item.truncate":
                place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                await self._say("conversation.item.truncated", **place)
            case "response.create":
                response = event.get("response") or {}
                await self._answer(response.get("modalities") or self._session["modalities"])
            case "response.cancel" if self._active is not None:
                await self._done(self._active, "cancelled", [])
            case "response.cancel":
                error = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
                error |= {"message": "no active response", "event_id": event["event_id"]}
                await self._say("error", error=error)

    async def _answer(self, modalities: list[str]) -> None:
        self._active = f"resp_{self._number}"
        response = {"id": self._active, "object": "realtime.response", "output": []}
        await self._say("response.created", response=response | {"status": "in_progress"})
        asked = json.dumps(self._last.get("content") or self._last.get("output") or "")
        if "weather" in asked:
            await self._call(self._active)
            return
        words = next((words for about, words in ANSWERS.items() if about in asked), "Five.")
        if modalities == ["text"]:
            await self._write(self._active, words)
        else:
            await self._speak(self._active, words, ends="story" not in asked)

    async def _call(self, response_id: str) -> None:
        item = {"id": f"item_{self._number}", "object": "realtime.item", "type": "function_call"}
        item |= {"name": "get_weather", "call_id": f"call_{self._number}"}
        added = item | {"status": "in_progress", "arguments": ""}
        await self._say("response.output_item.added", response_id=response_id, item=added)
        whole = item | {"status": "completed", "arguments": '{"place": "Paris"}'}
        done = {"item_id": item["id"], "call_id": item["call_id"], "arguments": whole["arguments"]}
        await self._say("response.function_call_arguments.done", response_id=response_id, **done)
        await self._say("response.output_item.done", response_id=response_id, item=whole)
        await self._done(response_id, "completed", [whole])

    async def _message(self, response_id: str) -> Event:
        item: Event = {"id": f"item_{self._number}", "object": "realtime.item", "type": "message"}
        item |= {"role": "assistant"}
        added = item | {"status": "in_progress", "content": []}
        await self._say("response.output_item.added", response_id=response_id, item=added)
        before, self._last = self._last.get("id"), item
        await self._say("conversation.item.created", previous_item_id=before, item=added)
        return item

    async def _write(self, response_id: str, words: str) -> None:
        item = await self._message(response_id)
        await self._say("response.text.delta", delta=words)
        await self._say("response.text.done", text=words)
        whole = item | {"status": "completed", "content": [{"type": "text", "text": words}]}
        await self._say("response.output_item.done", response_id=response_id, item=whole)
        await self._done(response_id, "completed", [whole])

    async def _speak(self, response_id: str, words: str, *, ends: bool = True) -> None:
        item = await self._message(response_id)
        await self._say("response.audio_transcript.delta", delta=words)
        await self._say("response.audio.delta", delta=SECOND)
        await self._say("response.audio.delta", delta=SECOND)
        if not ends:
            return
        await self._say("response.audio.done", item_id=item["id"])
        await self._say("response.audio_transcript.done", transcript=words)
        whole = item | {"status": "completed", "content": [{"type": "audio", "transcript": words}]}
        await self._say("response.output_item.done", response_id=response_id, item=whole)
        await self._done(response_id, "completed", [whole])

    async def _done(self, response_id: str, status: str, output: list[Event]) -> None:
        self._active = None
        usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
        response = {"id": response_id, "object": "realtime.response", "status": status}
        await self._say("response.done", response=response | {"output": output, "usage": usage})


@asynccontextmanager
async def beta_provider() -> AsyncIterator[str]:
    """The address of a provider that runs on loopback."""
    async with serve(lambda socket: Talk(socket).run(), "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime"


@contextmanager
def beta_thread() -> Iterator[str]:
    """The address of such a provider that runs beside any number of tests."""
    ready, address = threading.Event(), ""
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def run() -> None:
        nonlocal address
        async with beta_provider() as address:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield address
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
