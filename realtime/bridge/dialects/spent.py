"""Usage in GA's spelling, whatever place and spelling a provider has for it."""

from __future__ import annotations

from typing import Any

from ..events import Event
from .tidy import is_a

TOTALS = ("total_tokens", "input_tokens", "output_tokens")
KINDS = ("text_tokens", "audio_tokens", "image_tokens")
SPELLINGS = {
    "input_token_details": ("input_token_details", "input_tokens_details"),
    "output_token_details": ("output_token_details", "output_tokens_details"),
}


def response_usage(event: Event) -> None:
    """Correct the usage of a `response.done`; the original becomes `raw_usage`.

    xAI has it at the root of the event, Qwen in the plural, MiniMax adds times and characters.
    """
    response = event["response"]
    raw = response.get("usage")
    elsewhere = not isinstance(raw, dict) and "usage" in event
    if elsewhere:
        raw = event["usage"]
    event.pop("usage", None)
    usage = _ga(raw) if isinstance(raw, dict) else None
    response["usage"] = usage
    if isinstance(raw, dict) and (elsewhere or usage != raw):
        event["raw_usage"] = raw


def transcription_usage(event: Event, seconds: float) -> None:
    """Correct the usage of a `...transcription.completed`, which GA requires.

    If the provider reports none it is `seconds` of speech, and `raw_usage` is None.
    """
    raw = event.get("usage")
    usage = _transcription(raw) if isinstance(raw, dict) else None
    event["usage"] = usage or {"type": "duration", "seconds": seconds}
    if event["usage"] != raw:
        event["raw_usage"] = raw if isinstance(raw, dict) else None


def _transcription(raw: Event) -> Event | None:
    seconds = raw.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        return {"type": "duration", "seconds": seconds}
    usage = _counts(raw, TOTALS)
    if "input_tokens" not in usage and "total_tokens" not in usage:
        return None
    usage = {"type": "tokens", **usage}
    usage.setdefault("output_tokens", 0)
    usage.setdefault("input_tokens", max(0, usage.get("total_tokens", 0) - usage["output_tokens"]))
    usage.setdefault("total_tokens", usage["input_tokens"] + usage["output_tokens"])
    details = _counts(_details(raw, "input_token_details"), KINDS[:2])
    details.setdefault("text_tokens", 0)
    details.setdefault("audio_tokens", usage["input_tokens"] - details["text_tokens"])
    return usage | {"input_token_details": details}


def _ga(raw: Event) -> Event | None:
    usage = _counts(raw, TOTALS)
    for name in SPELLINGS:
        details = _details(raw, name)
        if counts := _counts(details, (*KINDS, "cached_tokens")):
            usage[name] = counts
            cached = details.get("cached_tokens_details")
            if isinstance(cached, dict) and (inner := _counts(cached, KINDS)):
                counts["cached_tokens_details"] = inner
    return usage or None


def _details(raw: Event, name: str) -> dict[str, Any]:
    found = (raw.get(spelling) for spelling in SPELLINGS[name])
    return next((each for each in found if isinstance(each, dict)), {})


def _counts(raw: Event, names: tuple[str, ...]) -> Event:
    return {name: raw[name] for name in names if is_a(raw.get(name), int)}
