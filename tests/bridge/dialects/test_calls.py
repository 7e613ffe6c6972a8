"""Whole calls over a real socket, with a provider that plays the sample of each dialect."""

from __future__ import annotations

import asyncio

import pytest

from realtime.bridge import run_call
from realtime.bridge.dialects import DIALECTS
from tests.bridge.dialects.streams import SAMPLES, decoded, sent
from tests.bridge.doubles import SESSION, Page, RecordingTap
from tests.scripted import Close, Expect, Hear, ScriptedProvider, Send

pytestmark = pytest.mark.outside

HISTORY = [
    {
        "id": "before",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Earlier."}],
    }
]
CALLS = [(name, sample) for name, sample in SAMPLES if sample.endswith("_call.json")]


def script(name, sample):
    """The sample as a script for the provider: first the session, then, once that is configured and
    some microphone audio has come, the rest."""
    first, *rest = sent(sample)
    rest = [event for event in rest if event["type"] != "error"]
    heard = DIALECTS[name].traits.input_rate // 50 * 2
    listens = [Hear(heard)] if name != "minimax" else []
    return [Send(first), Expect("session.update"), *listens, Send(*rest), Close(1000)]


@pytest.mark.parametrize(("name", "sample"), CALLS)
async def test_a_whole_call(name, sample):
    page, tap = Page(), RecordingTap()
    async with ScriptedProvider(script(name, sample)) as provider:
        target = provider.target(dialect=name)
        call = asyncio.create_task(run_call(page, target, SESSION, history=HISTORY, taps=[tap]))
        await page.until("nextvoice.ready")
        for _ in range(4):
            page.say(bytes(1920))
        async with asyncio.timeout(8):
            record = await call
        visit = provider.visits[0]
    assert visit.problem is None
    assert record.reason == "provider_gone"
    told = [event["response"]["id"] for event in tap.events if event["type"] == "response.done"]
    assert len(told) == len([e for e in decoded(name, sample) if e["type"] == "response.done"]) > 0
    spoken = sum(len(pcm) for _, _, pcm in tap.assistant_audio)
    assert spoken == sum(len(f) for f in page.frames if isinstance(f, bytes)) > 0
    assert record.skipped_events == skipped(name, sample)


def skipped(name, sample):
    """How many events of a sample a call ignores."""
    return {"voice_live": 3, "glm": 1, "xai": 3, "qwen": 1}.get(name, 0) + (
        sample == "localai_call.json"
    )


async def test_a_call_with_nothing_but_instructions_for_history():
    async with ScriptedProvider(script("qwen", "qwen_omni_call.json")) as provider:
        page = Page()
        target = provider.target(dialect="qwen")
        call = asyncio.create_task(run_call(page, target, SESSION, history=HISTORY))
        await page.until("nextvoice.ready")
        page.say(bytes(4800))
        async with asyncio.timeout(8):
            await call
        update = provider.visits[0].of_type("session.update")[0]["session"]
        items = provider.visits[0].of_type("conversation.item.create")
    assert items == []
    assert "Be brief." in update["instructions"]
    assert "User: Earlier." in update["instructions"]


async def test_a_provider_that_gave_up_the_beta_language_says_so():
    error = {"type": "invalid_request_error", "code": "beta_api_shape_disabled", "message": "No."}
    refusal = [Send({"type": "error", "error": error}), Close(4000)]
    async with ScriptedProvider(refusal) as provider:
        page = Page()
        record = await run_call(page, provider.target(dialect="openai_beta"), SESSION)
    assert record.reason == "provider_wrong_dialect"
    assert "OpenAI (GA)" in page.frames[-1]["remedy"]
