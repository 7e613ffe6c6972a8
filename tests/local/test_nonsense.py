"""Whatever a client sends, a session answers with events of the protocol and lives on."""

import asyncio
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.local.room import Room, b64, quick_engine

TYPES = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "conversation.item.delete",
    "response.create",
    "response.cancel",
]
NAMES = [
    *("type", "event_id", "session", "audio", "item", "item_id", "response", "content_index"),
    *("audio_end_ms", "role", "content", "text", "input", "output", "format", "tools", "metadata"),
    *("turn_detection", "previous_item_id", "call_id", "transcription", "conversation", "voice"),
]
WORDS = st.sampled_from(
    [
        *TYPES,
        *("realtime", "message", "user", "assistant", "input_text", "root", "none", "auto"),
        *("server_vad", "semantic_vad", "audio/pcmu", "function_call", "text", "audio"),
        b64(bytes(960)),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.floats(0, 2)
    | WORDS
    | st.text(max_size=5)
)
VALUES: Any = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
EVENTS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, min_size=1, max_size=8))
def test_no_sequence_of_events_breaks_a_session(events: list[dict[str, Any]]) -> None:
    asyncio.run(_send(events))


async def _send(events: list[dict[str, Any]]) -> None:
    room = Room(quick_engine())
    try:
        for event in events:
            room.send_raw(orjson.dumps(event).decode())
            await asyncio.sleep(0)
        codes = {event["error"]["code"] for event in room.all("error")}
        assert "internal_error" not in codes
        assert room.update(output_modalities=["text"])[-1]["type"] == "session.updated"
    finally:
        room.session.close()
