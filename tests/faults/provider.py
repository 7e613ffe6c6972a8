"""A provider that talks with any number of calls for as long as they last.

It hears a turn in every `TURN_BYTES` of audio, writes down what was "said", and answers turn by
turn in audio and words, paced like speech but `HURRY` times as fast. Every id is its own, so that
whatever of an answer is kept can be found again; `answers` is what it charges for each.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.scripted import audio_delta, item_added, response_created, response_done, session_created

TURN_BYTES = 24_000  # half a second
PIECE = bytes(9_600)  # 200 ms
HURRY = 4
USAGE = {
    "input_tokens": 40,
    "output_tokens": 30,
    "total_tokens": 70,
    "input_token_details": {"text_tokens": 10, "audio_tokens": 30, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 20},
}
HEARD = {"type": "tokens", "input_tokens": 5, "output_tokens": 5}
SESSION = {
    "audio": {
        "input": {"transcription": {"model": "t"}, "turn_detection": {"type": "server_vad"}},
        "output": {"voice": "marin"},
    }
}


class Talker:
    """The server, an async context manager. `pieces`: of 200 ms each, in an answer."""

    def __init__(self, pieces: int = 3) -> None:
        self.pieces = pieces
        self.port = 0
        self.open: set[ServerConnection] = set()
        self.answers: dict[str, str] = {}
        """How each answer that was begun stands: "in_progress", or its last status."""
        self.typed: list[str] = []
        """The id of each message it was sent, as often as it was."""
        self._numbers = itertools.count(1)
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Where a client connects."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._visit, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.1
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _visit(self, socket: ServerConnection) -> None:
        self.open.add(socket)
        visit = _Visit(self, socket, self._numbers)
        try:
            await visit.serve()
        except ConnectionClosed:
            pass
        finally:
            visit.close()
            self.open.discard(socket)


class _Visit:
    def __init__(self, talker: Talker, socket: ServerConnection, numbers: Any) -> None:
        self._talker = talker
        self._socket = socket
        self._numbers = numbers
        self._heard = 0
        self._ms = 0
        self._last: str | None = None
        self._answering: asyncio.Task[None] | None = None
        self._response = ""

    async def serve(self) -> None:
        number = next(self._numbers)
        await self._send(session_created(f"sess_{number}", **SESSION))
        async for frame in self._socket:
            await self._take(json.loads(frame))

    def close(self) -> None:
        if self._answering is not None:
            self._answering.cancel()

    async def _send(self, *events: dict[str, Any]) -> None:
        for event in events:
            await self._socket.send(json.dumps(event))

    async def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "input_audio_buffer.append":
                self._heard += len(base64.b64decode(event["audio"]))
                if self._heard >= TURN_BYTES:
                    self._heard -= TURN_BYTES
                    await self._turn()
            case "conversation.item.create":
                item = event["item"]
                self._talker.typed.append(item["id"])
                added = {"type": "conversation.item.added", "previous_item_id": self._last}
                await self._send({**added, "item": {**item, "status": "completed"}})
                self._last = item["id"]
            case "response.create":
                await self._answer()
            case "response.cancel":
                await self._cancel()

    async def _turn(self) -> None:
        """Half a second was heard: it was a turn, and is answered."""
        item = f"turn_{next(self._numbers)}"
        began, self._ms = self._ms, self._ms + 500
        kind = "conversation.item.input_audio_transcription.completed"
        await self._cancel()
        await self._send(
            {
                "type": "input_audio_buffer.speech_started",
                "item_id": item,
                "audio_start_ms": began,
            },
            {
                "type": "input_audio_buffer.speech_stopped",
                "item_id": item,
                "audio_end_ms": self._ms,
            },
            {
                "type": "input_audio_buffer.committed",
                "item_id": item,
                "previous_item_id": self._last,
            },
            item_added(item, self._last),
            {"type": kind, "item_id": item, "transcript": f"I said {item}.", "usage": HEARD},
        )
        self._last = item
        await self._answer()

    async def _answer(self) -> None:
        if self._answering is None or self._answering.done():
            self._response = f"resp_{next(self._numbers)}"
            self._talker.answers[self._response] = "in_progress"
            self._answering = asyncio.create_task(self._speak(self._response))

    async def _speak(self, response: str) -> None:
        item = f"answer_{response}"
        place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        with suppress(ConnectionClosed):
            await self._send(
                response_created(response), item_added(item, self._last, role="assistant")
            )
            self._last = item
            for number in range(self._talker.pieces):
                words = {"type": "response.output_audio_transcript.delta", "delta": f"{number} "}
                await self._send({**words, **place}, audio_delta(PIECE, item, response))
                await asyncio.sleep(0.2 / HURRY)
            await self._done(response, "completed")

    async def _cancel(self) -> None:
        if self._answering is not None and not self._answering.done():
            self._answering.cancel()
            await self._done(self._response, "cancelled")

    async def _done(self, response: str, status: str) -> None:
        self._talker.answers[response] = status
        output = [{"id": f"answer_{response}", "type": "message", "role": "assistant"}]
        await self._send(response_done(response, status, usage=USAGE, output=output))
