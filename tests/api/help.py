"""What tests of the endpoint for programs share: tokens, a scripted provider, the real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from chats.models import User
from realtime.db import in_database
from realtime.models import ApiToken, Provider, VoiceModel
from tests.scripted import Expect, ScriptedProvider, Send, Step, session_created

CANARY = "sk-canary-0123456789abcdefghij"
Event = dict[str, Any]


def make_model(url: str, name: str = "scripted-1", **fields: Any) -> VoiceModel:
    """A model of a provider at `url`, the site's default."""
    provider = Provider(name="Scripted", url=url, allow_private=True)
    provider.set_key(CANARY)
    provider.save()
    return VoiceModel.objects.create(provider=provider, name=name, default=True, **fields)


@asynccontextmanager
async def provider_of(*scripts: list[Step], **fields: Any) -> AsyncIterator[ScriptedProvider]:
    """A scripted provider that is the site's default."""
    async with ScriptedProvider(*scripts) as provider:
        await in_database(make_model, provider.url, **fields)
        yield provider


def opened(*steps: Step) -> list[Step]:
    """A script that opens a session, answers our own configuration, then does `steps`."""
    return [
        Send(session_created()),
        Expect("session.update"),
        Send(session_updated("opening")),
        *steps,
    ]


def session_updated(name: str, **fields: Any) -> Event:
    """A GA `session.updated` as the scripted provider says it."""
    event = session_created(f"sess_{name}", **fields)
    return event | {"type": "session.updated", "event_id": f"event_updated_{name}"}


async def token_of(user: User, **fields: Any) -> str:
    """The text of a new token of this person."""
    _, raw = await in_database(ApiToken.objects.make, user, fields.pop("name", "robot"), **fields)
    return raw


def client_of(here: str, key: str) -> AsyncOpenAI:
    """The official client, pointed at the site as its manual says."""
    return AsyncOpenAI(base_url=f"{here}/v1", api_key=key, max_retries=0)


@asynccontextmanager
async def session_of(here: str, key: str, model: str = "scripted-1") -> AsyncIterator[Listener]:
    """A session of the official client, listened to."""
    async with client_of(here, key) as client:
        async with client.realtime.connect(model=model) as connection:
            listener = Listener(connection)
            try:
                yield listener
            finally:
                listener.close()


class Listener:
    """Keeps every event of a connection, as the official client parsed it."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self.failure: Exception | None = None
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    def close(self) -> None:
        self._reading.cancel()

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    async def event(self, kind: str, number: int = 0, seconds: float = 10.0) -> Any:
        """The event of this type and number, once it is there."""
        await self.until(lambda: len(self.of(kind)) > number, seconds)
        return self.of(kind)[number]

    async def until(self, found: Any, seconds: float = 10.0) -> None:
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(found)
        except TimeoutError:
            raise TimeoutError(f"never came; these did: {self.types}") from None

    async def send(self, event: Any) -> None:
        await self.connection.send(event)

    async def ended(self, seconds: float = 10.0) -> Any:
        """The exception with which the connection ended."""
        await self.until(lambda: self.failure is not None, seconds)
        return self.failure

    async def _read(self) -> None:
        try:
            while True:
                event = await self.connection.recv()
                async with self._news:
                    self.events.append(event)
                    self._news.notify_all()
        except Exception as failure:
            async with self._news:
                self.failure = failure
                self._news.notify_all()
