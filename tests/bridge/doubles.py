"""Test doubles for what is outside the bridge: legs, a browser's socket, a tap that records."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from realtime.bridge import Call, Dialect, EndRecord, Gone, Tap
from realtime.bridge.dialects.openai_ga import OpenAIGA
from realtime.bridge.writer import Frame
from tests.scripted import session_created

SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad"},
        },
        "output": {"voice": "marin"},
    },
}


class RecordingLeg:
    """A leg that records the frames it is sent; text frames as parsed JSON."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def send(self, frame: Frame, /) -> None:
        self.frames.append(orjson.loads(frame) if isinstance(frame, str) else frame)

    def types(self) -> list[str]:
        return [f["type"] if isinstance(f, dict) else "audio" for f in self.frames]

    def take(self) -> list[Any]:
        """The frames that came since the last `take`."""
        frames, self.frames = self.frames, []
        return frames


class RecordingTap(Tap):
    """A tap that records everything; what has several arguments, as tuples."""

    def __init__(self) -> None:
        self.user_audio: list[tuple[bytes, int]] = []
        self.assistant_audio: list[tuple[str, int, bytes]] = []
        self.aside_audio: list[tuple[str, bytes]] = []
        self.events: list[dict[str, Any]] = []
        self.client_events: list[dict[str, Any]] = []
        self.played: list[tuple[str, int, int]] = []
        self.ends: list[EndRecord] = []

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        self.user_audio.append((pcm, start_sample))

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        self.assistant_audio.append((item_id, content_index, pcm))

    def on_aside_audio(self, response_id: str, pcm: bytes) -> None:
        self.aside_audio.append((response_id, pcm))

    def on_event(self, event: Mapping[str, Any]) -> None:
        self.events.append(dict(event))

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        self.client_events.append(dict(event))

    def on_played(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self.played.append((item_id, content_index, audio_end_ms))

    def on_end(self, record: EndRecord) -> None:
        self.ends.append(record)


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A call with recording legs and tap, attached to a GA provider unless told otherwise."""

    def __init__(self, *, attached: bool = True, **options: Any) -> None:
        self.browser, self.upstream = RecordingLeg(), RecordingLeg()
        self.tap, self.clock = RecordingTap(), Clock()
        options.setdefault("taps", [self.tap])
        self.call = Call(self.browser, SESSION, clock=self.clock, **options)
        if attached:
            self.attach()
            self.browser.take()
            self.upstream.take()

    def attach(
        self, session_id: str = "sess_1", history: Any = (), dialect: Dialect | None = None
    ) -> None:
        dialect = dialect or OpenAIGA()
        first = dialect.decode(orjson.dumps(session_created(session_id)))
        self.call.attach(self.upstream, dialect, first, history)

    def provider(self, *events: Mapping[str, Any]) -> None:
        """The provider sends events."""
        for event in events:
            self.call.from_upstream(orjson.dumps(event).decode())

    def page(self, *events: Mapping[str, Any]) -> None:
        """The browser sends events."""
        for event in events:
            self.call.from_browser(orjson.dumps(event).decode())


class Page:
    """A browser's socket: a test puts frames in, and reads what was sent to it in `frames`."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | str | Gone] = asyncio.Queue()
        self.frames: list[Any] = []
        self.news = asyncio.Condition()
        self.blocked: asyncio.Event | None = None
        """If there is one, `send` waits for it."""
        self.broken = False

    async def receive(self) -> bytes | str | Gone:
        return await self.incoming.get()

    async def send(self, frame: str | bytes, /) -> None:
        if self.broken:
            raise ConnectionResetError("the page is gone")
        if self.blocked is not None:
            await self.blocked.wait()
        self.frames.append(orjson.loads(frame) if isinstance(frame, str) else frame)
        async with self.news:
            self.news.notify_all()

    def say(self, frame: bytes | Mapping[str, Any]) -> None:
        """The page sends something."""
        raw = frame if isinstance(frame, bytes) else orjson.dumps(frame).decode()
        self.incoming.put_nowait(raw)

    def leave(self, code: int | None = 1001) -> None:
        """The page closes its socket."""
        self.incoming.put_nowait(Gone(code))

    def types(self) -> list[str]:
        return [f["type"] if isinstance(f, dict) else "audio" for f in self.frames]

    async def until(self, kind: str, count: int = 1) -> None:
        """Wait for this many frames of a type ("audio" for binary ones)."""
        async with asyncio.timeout(3):
            async with self.news:
                await self.news.wait_for(lambda: self.types().count(kind) >= count)
