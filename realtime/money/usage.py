"""What a provider says an answer or a transcription used, in one shape for all of them.

Pure: no Django, no I/O. Shapes are those of reference "Usage shapes by provider": OpenAI GA and
beta, Azure with and without the cached split, Qwen's plural spelling, MiniMax's totals, Gemini's
lists by modality, xAI's seconds and messages, GPT-Live's seconds, totals only, and transcriptions
billed by tokens or by duration.

What cannot be true is not believed: it counts as absent and is named in `Counts.doubts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from operator import add, sub
from typing import Any, NamedTuple

Raw = Mapping[str, Any]

MOST_TOKENS = 100_000_000
"""More than any context holds: one answer did not use so many tokens (or characters)."""
MOST_SECONDS = Decimal(7 * 24 * 3600)
"""Longer than any session of any provider."""
NOTHING = Decimal(0)
MICROSECOND = Decimal("0.000001")


class Counts(NamedTuple):
    """Measures of one answer or transcription. Tokens unless said otherwise.

    `*_in` is all that was read, `*_cached` the part of it that was read from a cache, `*_out` what
    was made. `other_*` are tokens of which nobody says whether they are text, audio or images.
    `seconds` is connected or transcribed time. Only a correction has negative measures.
    `doubts` names what could not be believed or had to be shared out; empty: as reported.

    Not a dataclass: some are made with each second of every answer, and a tuple is made at once.
    """

    text_in: int = 0
    text_cached: int = 0
    text_out: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_cached: int = 0
    other_in: int = 0
    other_cached: int = 0
    other_out: int = 0
    seconds: Decimal = NOTHING
    characters: int = 0
    messages: int = 0
    doubts: tuple[str, ...] = ()

    def measures(self) -> dict[str, int | Decimal]:
        """Every measure by name, in the order of the columns."""
        return dict(zip(MEASURES, self[:-1], strict=True))

    def plain(self) -> dict[str, Any]:
        """What was measured as plain values, for a journal; most is nothing, and left out."""
        measured = {name: value for name, value in zip(MEASURES, self, strict=False) if value}
        return measured | {"seconds": str(self.seconds), "doubts": self.doubts}

    @property
    def tokens_in(self) -> int:
        """All tokens read, cached ones included."""
        return self.text_in + self.audio_in + self.image_in + self.other_in

    @property
    def tokens_cached(self) -> int:
        """The tokens of `tokens_in` that came from a cache."""
        return self.text_cached + self.audio_cached + self.image_cached + self.other_cached

    @property
    def tokens_out(self) -> int:
        """All tokens made."""
        return self.text_out + self.audio_out + self.other_out

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts._make((*map(add, self[:-1], other[:-1]), self.doubts))

    def __sub__(self, other: Counts) -> Counts:
        return Counts._make((*map(sub, self[:-1], other[:-1]), self.doubts))

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return any(self[:-1])


MEASURES = Counts._fields[:-1]


def counts_of(raw: object) -> Counts:
    """The counts of a usage object, whoever wrote it. Never raises.

    `raw` is the usage itself, or an object around it (`response.done`, `usageMetadata`). Nothing
    usable gives zero counts with the doubt "missing".
    """
    usage = _usage_in(raw)
    if usage is None:
        return Counts(doubts=("missing",))
    reader = _Reader()
    counts = _gemini(usage, reader) if _is_gemini(usage) else _openai(usage, reader)
    counts = counts._replace(
        seconds=reader.seconds(usage, *SECONDS),
        characters=reader.whole(usage, "total_audio_characters", "characters"),
        messages=reader.whole(usage, "input_text_messages"),
    )
    if usage.get("total_asr_time"):
        reader.doubt("asr_unit")  # its unit is not documented; seconds are assumed
    if not reader.said:
        reader.doubt("missing")
    return counts._replace(doubts=tuple(reader.doubts))


SECONDS = ("seconds", "billable_audio_seconds", "total_asr_time", "audio_seconds")
IN = ("input_tokens", "prompt_tokens", "promptTokenCount")
OUT = ("output_tokens", "completion_tokens", "responseTokenCount", "candidatesTokenCount")
IN_DETAILS = ("input_token_details", "input_tokens_details", "prompt_tokens_details")
OUT_DETAILS = ("output_token_details", "output_tokens_details", "completion_tokens_details")
CACHED_DETAILS = ("cached_tokens_details", "cached_token_details")
MODALITIES = ("text", "audio", "image")
GEMINI_MODALITIES = {"TEXT": "text", "DOCUMENT": "text", "AUDIO": "audio"} | dict.fromkeys(
    ("IMAGE", "VIDEO"), "image"
)


def tame(raw: object, depth: int = 8) -> Any:
    """A copy of `raw` that every database stores as JSON: finite numbers, no NUL, bounded size."""
    if raw is None:
        return raw
    if isinstance(raw, int):
        return raw if abs(raw) < 2**63 else str(raw)[:40]
    if isinstance(raw, float):
        return raw if -1e300 < raw < 1e300 else str(raw)
    if isinstance(raw, Mapping | list | tuple) and not depth:
        return "…"  # to write it out might take more depth than there is
    if isinstance(raw, Mapping):
        pairs = list(raw.items())[:64]
        return {_plain(name)[:80]: tame(value, depth - 1) for name, value in pairs}
    if isinstance(raw, list | tuple):
        return [tame(value, depth - 1) for value in raw[:64]]
    return _plain(raw)[:200]


def _plain(value: object) -> str:
    text = str(value).replace("\0", "")
    return text.encode("utf-8", "replace").decode()


class _Reader:
    """Reads numbers out of an object and notes what was wrong with them."""

    def __init__(self) -> None:
        self.doubts: list[str] = []
        self.said = False  # a number was there, be it 0

    def doubt(self, what: str) -> None:
        if what not in self.doubts:
            self.doubts.append(what)

    def whole(self, source: Raw, *names: str) -> int:
        """The first of these that is there, as a count; 0 when it is absent or nonsense."""
        value = _first(source, names)
        if value is None:
            return 0
        count = _count(value)
        if count is None:
            self.doubt("not_a_count")
        elif count < 0:
            self.doubt("negative")
        elif count > MOST_TOKENS:
            self.doubt("too_many")
        else:
            self.said = True
            return count
        return 0

    def seconds(self, source: Raw, *names: str) -> Decimal:
        """The first of these that is there, as a time of at most a microsecond's precision."""
        value = _first(source, names)
        if value is None:
            return NOTHING
        time = _decimal(value)
        if time is None:
            self.doubt("not_a_time")
        elif time < 0:
            self.doubt("negative")
        elif time > MOST_SECONDS:
            self.doubt("too_long")
        else:
            self.said = True
            return time.quantize(MICROSECOND)
        return NOTHING


def _first(source: Raw, names: tuple[str, ...]) -> object:
    return next((source[name] for name in names if source.get(name) is not None), None)


def _count(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _decimal(value: object) -> Decimal | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        # The shortest decimal that reads back as the same float is what was on the wire. A bool has
        # none.
        number = Decimal(value if isinstance(value, str) else repr(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _part(source: Raw, names: tuple[str, ...]) -> Raw:
    value = _first(source, names)
    return value if isinstance(value, Mapping) else {}


def _usage_in(raw: object) -> Raw | None:
    """The usage itself, inside whatever was kept around it."""
    for _depth in range(4):
        if not isinstance(raw, Mapping):
            return None
        inner = next(
            (raw[name] for name in ("usageMetadata", "usage", "response") if raw.get(name)), None
        )
        if not isinstance(inner, Mapping):
            return raw
        if not _has_numbers(raw) or _has_numbers(inner):
            raw = inner
        else:
            return raw
    return None


def _has_numbers(source: Raw) -> bool:
    known = (*IN, *OUT, *SECONDS, "total_tokens", "totalTokenCount", "input_text_messages")
    return any(source.get(name) is not None for name in known)


# OpenAI and whoever follows it


def _openai(usage: Raw, reader: _Reader) -> Counts:
    details_in, details_out = _part(usage, IN_DETAILS), _part(usage, OUT_DETAILS)
    parts_in = {name: reader.whole(details_in, f"{name}_tokens") for name in MODALITIES}
    parts_out = {name: reader.whole(details_out, f"{name}_tokens") for name in ("text", "audio")}
    total_in, total_out = reader.whole(usage, *IN), reader.whole(usage, *OUT)
    if not (total_in or total_out or any(parts_in.values()) or any(parts_out.values())):
        # Nobody says which way they went; read is the cheaper way, so it is doubted.
        total_in = reader.whole(usage, "total_tokens")
        if total_in:
            reader.doubt("total_only")
    elif _first(usage, OUT) is None and not details_out:
        read = max(total_in, sum(parts_in.values()))
        total_out = max(0, reader.whole(usage, "total_tokens") - read)
    other_in = _rest(total_in, parts_in, reader)
    rest_out = _rest(total_out, parts_out, reader)
    # What a model thinks is text, and is part of what it makes.
    thought = min(rest_out, reader.whole(details_out, "reasoning_tokens"))
    cached = _cached(details_in, parts_in | {"other": other_in}, reader)
    return Counts(
        text_in=parts_in["text"],
        audio_in=parts_in["audio"],
        image_in=parts_in["image"],
        other_in=other_in,
        text_out=parts_out["text"] + thought,
        audio_out=parts_out["audio"],
        other_out=rest_out - thought,
        text_cached=cached["text"],
        audio_cached=cached["audio"],
        image_cached=cached["image"],
        other_cached=cached["other"],
    )


def _rest(total: int, parts: Mapping[str, int], reader: _Reader) -> int:
    """Tokens of a total that no part names."""
    rest = total - sum(parts.values())
    if rest < 0:
        if total:
            reader.doubt("more_than_total")
        return 0
    return rest


def _cached(details: Raw, read: Mapping[str, int], reader: _Reader) -> dict[str, int]:
    """Cached tokens by modality, never more than were read."""
    split = _part(details, CACHED_DETAILS)
    named = {name: reader.whole(split, f"{name}_tokens") for name in MODALITIES} | {"other": 0}
    cached = {name: min(named[name], read[name]) for name in read}
    if cached != named:
        reader.doubt("more_cached_than_read")
    total = reader.whole(details, "cached_tokens")
    if total > sum(read.values()):
        reader.doubt("more_cached_than_read")
        total = sum(read.values())
    left = total - sum(cached.values())
    if left > 0:
        room = {name: read[name] - cached[name] for name in read}
        if sum(1 for size in room.values() if size) > 1:
            reader.doubt("cached_not_split")
        for name, share in _shared_out(left, room).items():
            cached[name] += share
    return cached


def _shared_out(total: int, room: Mapping[str, int]) -> dict[str, int]:
    """`total` over `room` in proportion, to the last token: what a division leaves goes to the
    biggest remainders."""
    space = sum(room.values())
    shares = {name: total * size // space for name, size in room.items()}
    by_remainder = sorted(room, key=lambda name: -(total * room[name] % space))
    for name in by_remainder[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


# Gemini


def _is_gemini(usage: Raw) -> bool:
    return any(str(name).endswith(("TokenCount", "TokensDetails")) for name in usage)


def _gemini(usage: Raw, reader: _Reader) -> Counts:
    prompt = _by_modality(usage, "promptTokenCount", "promptTokensDetails", reader)
    tools = _by_modality(usage, "toolUsePromptTokenCount", "toolUsePromptTokensDetails", reader)
    read = {name: prompt[name] + tools[name] for name in prompt}
    made = _by_modality(usage, OUT[2], "responseTokensDetails", reader)
    if not any(made.values()):
        made = _by_modality(usage, OUT[3], "candidatesTokensDetails", reader)
    if not (any(read.values()) or any(made.values())):
        read["other"] = reader.whole(usage, "totalTokenCount")
        if read["other"]:
            reader.doubt("total_only")
    details = _by_modality(usage, "", "cacheTokensDetails", reader)
    said = {
        "cached_tokens": usage.get("cachedContentTokenCount"),
        "cached_tokens_details": _tokens_of(details) if any(details.values()) else None,
    }
    cached = _cached(said, read, reader)
    return Counts(
        text_in=read["text"],
        audio_in=read["audio"],
        image_in=read["image"],
        other_in=read["other"],
        # Thoughts are counted beside the answer, and billed as text.
        text_out=made["text"] + reader.whole(usage, "thoughtsTokenCount"),
        audio_out=made["audio"],
        other_out=made["image"] + made["other"],
        text_cached=cached["text"],
        audio_cached=cached["audio"],
        image_cached=cached["image"],
        other_cached=cached["other"],
    )


def _tokens_of(parts: Mapping[str, int]) -> dict[str, int]:
    return {f"{name}_tokens": count for name, count in parts.items()}


def _by_modality(usage: Raw, total: str, details: str, reader: _Reader) -> dict[str, int]:
    """A total and its list by modality; "other" is what the list leaves out."""
    parts = dict.fromkeys((*MODALITIES, "other"), 0)
    listed = usage.get(details)
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping):
            name = GEMINI_MODALITIES.get(str(entry.get("modality")), "other")
            parts[name] += reader.whole(entry, "tokenCount")
    if total:
        parts["other"] += _rest(reader.whole(usage, total), parts, reader)
    return parts
