"""A session without a socket: every event is recorded and checked against the official types."""

import asyncio
import base64
import math
from array import array
from datetime import datetime
from typing import Any, get_args

import orjson
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from realtime.hearing.vad import VadPool
from realtime.local.ears import NoEars
from realtime.local.mouth import ToneMouth
from realtime.local.reply import Pace
from realtime.local.session import Session
from realtime.local.settings import Engine
from realtime.local.talker import Talker

NOON = datetime(2026, 11, 22, 12, 5)
PATIENCE_S = 10.0
# By type, because the whole union tries all its 46 members for each event.
_TYPES: dict[str, TypeAdapter[Any]] = {
    get_args(member.model_fields["type"].annotation)[0]: TypeAdapter(member)
    for member in get_args(get_args(RealtimeServerEvent)[0])
}

Event = dict[str, Any]


def quick_engine(**parts: Any) -> Engine:
    """No worker, no waiting: tones for speech, loudness for speech detection."""
    defaults = {
        "ears": NoEars(),
        "mouth": ToneMouth(),
        "brain": Talker(),
        "vads": VadPool("energy"),
        "pace": Pace(0, 0),
        "now": lambda: NOON,
    }
    return Engine(**{**defaults, **parts})


def official(event: Event) -> Event:
    """Raises when the openai package does not accept the event."""
    _TYPES[event["type"]].validate_python(event)
    return event


def tone(ms: int, level: int = 8000) -> bytes:
    """PCM16 at 24 kHz, loud enough to count as speech."""
    samples = (int(level * math.sin(index * 0.11)) for index in range(24 * ms))
    return array("h", samples).tobytes()


def quiet(ms: int) -> bytes:
    return bytes(48 * ms)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Room:
    def __init__(self, engine: Engine, **options: Any) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self.session = Session(engine, self._heard, **options)
        self.session.open()

    def _heard(self, event: Event) -> None:
        self.events.append(official(orjson.loads(orjson.dumps(event))))
        self._news.set()

    def send(self, kind: str, **fields: Any) -> list[Event]:
        """Send an event; returns what it caused at once."""
        return self.send_raw(orjson.dumps({"type": kind, **fields}).decode())

    def send_raw(self, frame: str | bytes) -> list[Event]:
        before = len(self.events)
        for step in self.session.receive(frame):
            step()
        return self.events[before:]

    def update(self, **session: Any) -> list[Event]:
        return self.send("session.update", session={"type": "realtime", **session})

    def hear(self, pcm: bytes) -> list[Event]:
        return self.send("input_audio_buffer.append", audio=b64(pcm))

    def say(self, text: str, **fields: Any) -> str:
        """Add a typed message; returns its id."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        return str(self.send("conversation.item.create", item=item, **fields)[0]["item"]["id"])

    async def until(self, kind: str, count: int = 1) -> Event:
        """Wait for the count-th event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.all(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]

    async def ask(self, text: str, **response: Any) -> Event:
        """A typed message and its whole response."""
        self.say(text)
        return await self.respond(**response)

    async def respond(self, **response: Any) -> Event:
        count = len(self.all("response.done")) + 1
        self.send("response.create", **({"response": response} if response else {}))
        done = await self.until("response.done", count)
        return dict(done["response"])

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def kinds(self, start: int = 0) -> list[str]:
        """Event types in order; a run of the same type counts once."""
        found: list[str] = []
        for event in self.events[start:]:
            if not found or found[-1] != event["type"]:
                found.append(event["type"])
        return found


def error_of(events: list[Event]) -> Event:
    """The only event there is, which is an error."""
    assert [event["type"] for event in events] == ["error"]
    return dict(events[0]["error"])


def transcript(response: Event) -> str:
    texts = [
        part.get("transcript", part.get("text", ""))
        for item in response["output"]
        for part in item.get("content", [])
    ]
    return " ".join(texts)
