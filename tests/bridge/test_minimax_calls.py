"""A whole hands-free call with a provider that has no turn detection, over a socket."""

from __future__ import annotations

import pytest

from realtime.bridge.audio import ms_to_bytes
from tests.bridge.test_run import HANG_UP, Running
from tests.local.recordings import microphone
from tests.scripted import Expect, ScriptedProvider, Send, load_wire

pytestmark = pytest.mark.outside

PIECE = ms_to_bytes(40)
SPEECH = microphone("hello_what_time.wav")[: ms_to_bytes(4_500)]


def said(*kinds):
    """The events of these types that the provider sends in the sample."""
    sent = [e["event"] for e in load_wire("minimax_call.json") if e["dir"] == "s2c"]
    return Send(*(event for event in sent if event["type"].startswith(kinds)))


async def test_a_turn_is_found_committed_and_answered():
    script = [
        said("session.created", "conversation.created"),
        Expect("session.update"),
        said("session.updated"),
        Expect("input_audio_buffer.commit"),
        said("input_audio_buffer.committed", "conversation.item.created"),
        Expect("response.create"),
        said("response."),
    ]
    async with ScriptedProvider(script) as provider:
        running = Running(provider, target={"dialect": "minimax"})
        await running.page.until("nextvoice.ready")
        for at in range(0, len(SPEECH), PIECE):
            running.page.say(SPEECH[at : at + PIECE])
        await running.page.until("response.done")
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"
        visit = provider.visits[0]
        await visit.over.wait()
    assert visit.problem is None
    frames = [f for f in running.page.frames if isinstance(f, dict)]
    kinds = ("input_audio_buffer.", "conversation.item.input_audio_transcription.completed")
    turn = [f for f in frames if f["type"].startswith(kinds)]
    assert [f["type"].rpartition(".")[2] for f in turn] == [
        "speech_started",
        "speech_stopped",
        "committed",
        "completed",
    ]
    # The provider's own name for the turn is known to nobody else.
    assert len({f["item_id"] for f in turn}) == 1
    assert turn[0]["item_id"] != "msg_001"
    # Only the turn was sent, with what went before it.
    lasted = turn[1]["audio_end_ms"] - turn[0]["audio_start_ms"]
    assert 0 <= len(visit.audio) - ms_to_bytes(lasted) <= ms_to_bytes(120)
    assert b"".join(pcm for pcm, _ in running.tap.user_audio) == SPEECH
