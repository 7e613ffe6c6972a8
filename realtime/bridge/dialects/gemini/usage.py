"""Gemini's `usageMetadata` in GA's spelling. Source: google-genai 3.4.0 types.py.

Counts are those of one turn (pydantic-ai #7269, measured on two Live models); within a turn the
newest message counts for all of it. Thoughts are billed as text output and counted as such; results
of tools are input; video and documents, which GA has no fields for, count as images and text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {"AUDIO": "audio_tokens", "IMAGE": "image_tokens", "VIDEO": "image_tokens"}
NO_TRANSCRIPTION = {
    "type": "tokens",
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 0},
}
"""A transcription's usage: it has none of its own, since the turn's audio is billed."""


def usage_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """GA usage of one `usageMetadata`; what is missing or no count is 0."""
    told = _by_kind(raw.get("promptTokensDetails"), _count(raw, "promptTokenCount"))
    tools = _by_kind(raw.get("toolUsePromptTokensDetails"), _count(raw, "toolUsePromptTokenCount"))
    cached = _by_kind(raw.get("cacheTokensDetails"), _count(raw, "cachedContentTokenCount"))
    said = _by_kind(raw.get("responseTokensDetails"), _count(raw, "responseTokenCount"))
    given = {kind: told[kind] + tools[kind] for kind in told}
    output = {
        "text_tokens": said["text_tokens"] + _count(raw, "thoughtsTokenCount"),
        "audio_tokens": said["audio_tokens"],
    }
    input_tokens, output_tokens = sum(given.values()), sum(output.values()) + said["image_tokens"]
    return {
        "total_tokens": input_tokens + output_tokens,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "input_token_details": {
            **given,
            "cached_tokens": sum(cached.values()),
            "cached_tokens_details": cached,
        },
        "output_token_details": output,
    }


def added(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two GA usages as one."""
    both = {}
    for name, value in first.items():
        other = second.get(name)
        both[name] = added(value, other or {}) if isinstance(value, dict) else value + (other or 0)
    return both


def _by_kind(details: object, total: int) -> dict[str, int]:
    """Tokens by GA kind. What the details leave out of the total is text."""
    counts = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
    for entry in details if isinstance(details, list) else ():
        if isinstance(entry, dict):
            counts[KINDS.get(str(entry.get("modality")), "text_tokens")] += _count(
                entry, "tokenCount"
            )
    counts["text_tokens"] += max(0, total - sum(counts.values()))
    return counts


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name)
    return value if type(value) is int and value > 0 else 0
