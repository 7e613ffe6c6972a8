"""A whole call in G.711 with the embedded provider, which decodes it itself."""

from __future__ import annotations

import asyncio

import pytest

from realtime.bridge import run_call
from realtime.bridge.dialects import Target
from realtime.local.server import serve
from tests.bridge.doubles import Page, RecordingTap
from tests.local.room import quick_engine

pytestmark = pytest.mark.outside

SAY = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What is two and two?"}],
    },
}


async def answer(form):
    """How many ms of an answer's audio a page gets, and the formats that the provider reports."""
    audio = {"input": {"format": form, "turn_detection": None}, "output": {"format": form}}
    session = {"type": "realtime", "output_modalities": ["audio"], "audio": audio}
    page, tap = Page(), RecordingTap()
    async with serve(engine=quick_engine()) as provider:
        target = Target(name="T", url=provider.url, model="m", allow_private=True)
        call = asyncio.create_task(run_call(page, target, session, taps=[tap]))
        await page.until("nextvoice.ready")
        page.say(SAY)
        page.say({"type": "response.create"})
        await page.until("response.done")
        page.say({"type": "nextvoice.hang_up"})
        async with asyncio.timeout(5):
            record = await call
    sounds = b"".join(pcm for _, _, pcm in tap.assistant_audio)
    told = [e["session"]["audio"] for e in tap.events if e["type"] == "session.updated"]
    return record.assistant_ms, sounds, told[-1]["output"]["format"]


@pytest.mark.parametrize("law", ["audio/pcmu", "audio/pcma"])
async def test_an_answer_in_telephone_sound_is_as_long_and_as_loud(law):
    plain_ms, plain, told = await answer({"type": "audio/pcm", "rate": 24000})
    assert told == {"type": "audio/pcm", "rate": 24000}
    ms, sound, told = await answer({"type": law})
    assert told == {"type": law}
    assert plain_ms > 500
    assert abs(ms - plain_ms) <= 100
    assert 0.8 < loudness(sound) / loudness(plain) < 1.2


def loudness(pcm):
    samples = memoryview(pcm).cast("h")
    return sum(abs(sample) for sample in samples) / len(samples)
