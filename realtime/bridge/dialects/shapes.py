"""The GA server events a call knows, and what each must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .base import AUDIO_DELTA


class Shape(NamedTuple):
    """What an event must have (`need`) and what is filled in when it is missing (`fill`)."""

    need: Mapping[str, type]
    fill: tuple[str, ...] = ()


PART = ("response_id", "item_id", "output_index", "content_index")
CALL = PART[:3]
ITEM_ID = {"item_id": str}
SPOKEN = ("content_index",)

EVENTS: dict[str, Shape] = {
    "error": Shape({"error": dict}),
    "session.created": Shape({"session": dict}),
    "session.updated": Shape({"session": dict}),
    "conversation.created": Shape({}),
    "conversation.item.created": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.added": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.done": Shape({"item": dict}, ("previous_item_id",)),
    "conversation.item.retrieved": Shape({"item": dict}),
    "conversation.item.truncated": Shape(ITEM_ID | {"audio_end_ms": int}, SPOKEN),
    "conversation.item.deleted": Shape(ITEM_ID),
    "conversation.item.input_audio_transcription.delta": Shape(ITEM_ID | {"delta": str}, SPOKEN),
    "conversation.item.input_audio_transcription.completed": Shape(
        ITEM_ID | {"transcript": str}, SPOKEN
    ),
    "conversation.item.input_audio_transcription.failed": Shape(ITEM_ID | {"error": dict}, SPOKEN),
    "conversation.item.input_audio_transcription.segment": Shape(ITEM_ID, SPOKEN),
    "input_audio_buffer.committed": Shape(ITEM_ID, ("previous_item_id",)),
    "input_audio_buffer.cleared": Shape({}),
    "input_audio_buffer.speech_started": Shape(ITEM_ID | {"audio_start_ms": int}),
    "input_audio_buffer.speech_stopped": Shape(ITEM_ID | {"audio_end_ms": int}),
    "input_audio_buffer.timeout_triggered": Shape(
        ITEM_ID | {"audio_start_ms": int, "audio_end_ms": int}
    ),
    "response.created": Shape({"response": dict}),
    "response.done": Shape({"response": dict}),
    "response.output_item.added": Shape({"item": dict}, ("response_id", "output_index")),
    "response.output_item.done": Shape({"item": dict}, ("response_id", "output_index")),
    "response.content_part.added": Shape({"part": dict}, PART),
    "response.content_part.done": Shape({"part": dict}, PART),
    "response.output_text.delta": Shape({"delta": str}, PART),
    "response.output_text.done": Shape({"text": str}, PART),
    AUDIO_DELTA: Shape({"delta": str}, PART),
    "response.output_audio.done": Shape({}, PART),
    "response.output_audio_transcript.delta": Shape({"delta": str}, PART),
    "response.output_audio_transcript.done": Shape({"transcript": str}, PART),
    "response.function_call_arguments.delta": Shape({"delta": str}, (*CALL, "call_id")),
    "response.function_call_arguments.done": Shape({"arguments": str}, (*CALL, "call_id", "name")),
    "response.mcp_call_arguments.delta": Shape({"delta": str}, CALL),
    "response.mcp_call_arguments.done": Shape({"arguments": str}, CALL),
    "response.mcp_call.in_progress": Shape({}, ("item_id", "output_index")),
    "response.mcp_call.completed": Shape({}, ("item_id", "output_index")),
    "response.mcp_call.failed": Shape({}, ("item_id", "output_index")),
    "mcp_list_tools.in_progress": Shape(ITEM_ID),
    "mcp_list_tools.completed": Shape(ITEM_ID),
    "mcp_list_tools.failed": Shape(ITEM_ID),
    "rate_limits.updated": Shape({"rate_limits": list}),
}
"""By type. Events of WebRTC and SIP never come over a WebSocket."""
