"""The wire samples of every dialect, and decoding them."""

from __future__ import annotations

from typing import Any

import orjson

from realtime.bridge.dialects import DIALECTS, Dialect
from tests.scripted import load_wire

SAMPLES = [
    ("openai_ga", "ga_call.json"),
    ("openai_ga", "ga_events.json"),
    ("azure_ga", "ga_call.json"),
    ("azure_preview", "azure_preview_call.json"),
    ("azure_preview", "beta_events.json"),
    ("openai_beta", "beta_call.json"),
    ("openai_beta", "beta_events.json"),
    ("openai_beta", "ga_call.json"),
    ("openai_beta", "self_hosted_call.json"),
    ("openai_beta", "localai_call.json"),
    ("minimax", "minimax_call.json"),
    ("qwen", "qwen_omni_call.json"),
    ("glm", "glm_call.json"),
    ("stepfun", "stepfun_call.json"),
    ("xai", "xai_call.json"),
    ("voice_live", "voice_live_call.json"),
]
"""Each dialect with the sample of a stream as its providers send it."""


def sent(sample: str) -> list[dict[str, Any]]:
    """The events that the provider sends in a sample."""
    return [entry["event"] for entry in load_wire(sample) if entry["dir"] == "s2c"]


def decode(dialect: Dialect, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """The GA events of a provider's events."""
    frames = [orjson.dumps(event).decode() for event in events]
    return [found for frame in frames for found in dialect.decode(frame)]


def decoded(name: str, sample: str) -> list[dict[str, Any]]:
    """The GA events of a whole sample, decoded by a fresh dialect."""
    return decode(DIALECTS[name](), *sent(sample))


def told(dialect: Dialect, event: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that the provider is sent for a GA client event."""
    return [orjson.loads(frame) for frame in dialect.encode(event)]
