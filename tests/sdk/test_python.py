"""The official Python client, unmodified, against the embedded provider and a beta-like one."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from tests.api.help import Listener, session_of
from tests.local.conftest import require
from tests.sdk.conftest import DEMO
from tests.site import PIECE, Site, microphone

pytestmark = pytest.mark.voice
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
    },
}


async def ask(session: Listener, text: str, number: int) -> Any:
    """Say something in writing; the answer's `response.done`, the `number`-th of them."""
    content: Any = [{"type": "input_text", "text": text}]
    await session.connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )
    await session.connection.response.create()
    return await session.event("response.done", number)


async def speak(session: Listener, pcm: bytes) -> None:
    """Say a recording, in pieces, as fast as people do."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for at in range(0, len(pcm), PIECE):
        audio = base64.b64encode(pcm[at : at + PIECE]).decode()
        await session.connection.input_audio_buffer.append(audio=audio)
        due += 0.1
        await asyncio.sleep(max(0.0, due - loop.time()))


async def test_a_conversation_in_writing_aloud_and_with_a_tool(
    site: Site, key: str, model: str
) -> None:
    async with session_of(site.url, key, model) as session:
        update = session.connection.session.update
        await update(session={"type": "realtime", "output_modalities": ["text"], "tools": [TOOL]})
        updated = await session.event("session.updated")
        await ask(session, "What is two plus three?", 0)
        text = session.of("response.output_text.done")[0].text
        await update(session={"type": "realtime", "output_modalities": ["audio"]})
        await ask(session, "What is four plus four?", 1)
        heard = sum(
            len(base64.b64decode(d.delta)) for d in session.of("response.output_audio.delta")
        )
        called = (await ask(session, "What is the weather in Paris?", 2)).response.output[0]
        await session.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
        )
        await session.connection.response.create()
        await session.event("response.done", 3)
        cancelled, truncated = await interrupted(session)
    assert session.of("session.created")[0].session.model == model
    assert [tool.name for tool in updated.session.tools] == ["get_weather"]
    assert "5" in text or "five" in text.lower()
    assert heard > 24_000
    assert (called.name, called.arguments) == ("get_weather", '{"place": "Paris"}')
    said = [each.transcript for each in session.of("response.output_audio_transcript.done")]
    assert "eight" in said[0].lower() or "8" in said[0]
    assert "sunny" in said[1]
    assert (cancelled.response.status, truncated.audio_end_ms) == ("cancelled", 200)
    assert session.of("error") == []


async def interrupted(session: Listener) -> tuple[Any, Any]:
    """Ask for a story, stop it while it is told and cut it: what is answered to both."""
    before = len(session.of("response.output_audio.delta"))
    asking = asyncio.create_task(ask(session, "Tell me a story", 4))
    delta = await session.event("response.output_audio.delta", before)
    await session.connection.response.cancel()
    cancelled = await asking
    await session.connection.conversation.item.truncate(
        item_id=delta.item_id, content_index=0, audio_end_ms=200
    )
    return cancelled, await session.event("conversation.item.truncated")


async def test_spoken_words_are_heard_written_down_and_answered(site: Site, key: str) -> None:
    require("pocketsphinx")
    async with session_of(site.url, key, DEMO) as session:
        await session.event("session.created")
        await speak(session, microphone("sum.wav") + bytes(48_000))
        stopped = await session.event("input_audio_buffer.speech_stopped")
        words = await session.event("conversation.item.input_audio_transcription.completed")
        await session.event("response.done")
    kept = site.run(
        "from chats.models import Message\n"
        f"m = Message.objects.get(item_id={stopped.item_id!r})\n"
        "tell([m.role, m.kind, m.text, m.conversation.via])"
    )
    assert kept == ["user", "spoken", words.transcript.strip(), "sdk"]
    assert session.of("response.output_audio.delta") != []


async def test_a_file_may_be_sent_at_once(site: Site, key: str) -> None:
    require("pocketsphinx")
    async with session_of(site.url, key, DEMO) as session:
        await session.connection.session.update(
            session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        )
        await session.event("session.updated")
        audio = base64.b64encode(microphone("sum.wav")).decode()
        await session.connection.input_audio_buffer.append(audio=audio)
        await session.connection.input_audio_buffer.commit()
        await session.connection.response.create()
        await session.event("conversation.item.input_audio_transcription.completed")
        await session.event("response.done")
    assert session.of("error") == []
