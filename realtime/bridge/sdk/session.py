"""The session as a program sets and sees it: GA fields, within the site's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import g711
from ..events import Event, Problem, check_modalities
from ..session import copied
from .events import need_text, unknown

SETTABLE = frozenset(
    {
        "include",
        "instructions",
        "max_output_tokens",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
        "truncation",
    }
)
"""Fields that are passed on to the provider, besides `audio`; a dialect drops those it lacks."""
DROPPED = frozenset({"type", "model", "tracing", "id", "object", "expires_at", "client_secret"})
"""Fields that are accepted and ignored: the model belongs to the connection, and tracing would take
place in the account of whoever pays the provider."""
TURNS = ("server_vad", "semantic_vad")
INPUT = frozenset({"format", "noise_reduction", "transcription", "turn_detection"})
OUTPUT = frozenset({"format", "speed", "voice"})
PCM: Event = {"type": "audio/pcm", "rate": 24000}
FORMATS = ("audio/pcm", *g711.LAWS)
MAX_TOOLS = 128
EMPTY: Event = {
    "output_modalities": ["audio"],
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
    "tracing": None,
    "prompt": None,
    "include": None,
}
"""What a session shows for fields that were not set."""


class Formats(NamedTuple):
    """The formats of a program's audio, as GA objects."""

    input: Event = PCM
    output: Event = PCM


USUAL = Formats()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site decides about a program's call.

    `model`: its name for the program. `transcription`: the models that may transcribe, the default
    first; if empty, nothing is transcribed. `instructions`: the site's, always in force and never
    shown. `formats`: those of the program's audio at the beginning.
    """

    model: str
    transcription: tuple[str, ...] = ()
    instructions: str = ""
    formats: Formats = USUAL


def checked_session(given: Mapping[str, Any], path: str = "session") -> Event:
    """The fields of a GA session that a program may set. Raises `Problem` for any other."""
    if given.get("type") not in (None, "realtime"):
        raise Problem(
            "invalid_value", "Only sessions of type realtime are offered here.", f"{path}.type"
        )
    wanted: Event = {}
    for name, value in given.items():
        if name == "audio":
            wanted["audio"] = _audio(value, f"{path}.audio")
        elif name in SETTABLE:
            _check(name, value, f"{path}.{name}")
            wanted[name] = value
        elif name not in DROPPED:
            raise unknown(f"{path}.{name[:64]}")
    return wanted


def _check(name: str, value: object, path: str) -> None:
    if name == "output_modalities" and value is not None:
        check_modalities(value, path)
    elif name == "instructions" and not isinstance(value, str | None):
        raise Problem("invalid_type", "Expected a string.", path)
    elif name == "tools" and value is not None:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise Problem("invalid_type", "Expected a list of tools.", path)
        if len(value) > MAX_TOOLS:
            raise Problem("array_above_max_length", f"Expected at most {MAX_TOOLS} tools.", path)
        for index, tool in enumerate(value):
            if tool.get("type") == "function":
                need_text(tool, "name", f"{path}[{index}]")


def _audio(given: object, path: str) -> Event:
    wanted: Event = {}
    for side, fields in _object(given, path).items():
        names = {"input": INPUT, "output": OUTPUT}.get(side)
        if names is None:
            raise unknown(f"{path}.{side[:64]}")
        wanted[side] = _object(fields, f"{path}.{side}")
        for name, value in wanted[side].items():
            if name not in names:
                raise unknown(f"{path}.{side}.{name[:64]}")
            if name == "format" and value is not None:
                _check_format(value, f"{path}.{side}.format")
            if name == "transcription" and value is not None:
                _object(value, f"{path}.{side}.transcription")
            if name == "turn_detection" and value is not None:
                _check_turns(value, f"{path}.{side}.turn_detection")
    return wanted


def _check_turns(value: object, path: str) -> None:
    # A kind that the provider lacks is replaced by one that it has. If a word like "none" got that
    # far, it would turn hands-free turn detection on.
    kind = _object(value, path).get("type", TURNS[0])
    if kind not in TURNS:
        known = " and ".join(f"'{name}'" for name in TURNS)
        raise Problem("invalid_value", f"Supported values are: {known}.", f"{path}.type")


def _check_format(value: object, path: str) -> None:
    given = _object(value, path)
    if given.get("type") not in FORMATS:
        known = ", ".join(f"'{name}'" for name in FORMATS)
        raise Problem("invalid_value", f"Supported values are: {known}.", f"{path}.type")
    if given["type"] == "audio/pcm" and given.get("rate", 24000) != 24000:
        raise Problem("invalid_value", "The only rate of audio/pcm here is 24000.", f"{path}.rate")


def formats_of(session: Mapping[str, Any], before: Formats = USUAL) -> Formats:
    """The formats after a checked change of the session."""
    audio = session.get("audio") or {}
    given = [(audio.get(side) or {}).get("format") for side in ("input", "output")]
    asked = (_format(form) if form else known for form, known in zip(given, before, strict=True))
    return Formats(*asked)


def _format(given: Event) -> Event:
    return PCM if given["type"] == "audio/pcm" else {"type": given["type"]}


def check_response_format(response: Mapping[str, Any], formats: Formats) -> None:
    """Raise `Problem` for a response in another format than the session's."""
    path = "response.audio.output.format"
    audio = _object(response.get("audio") or {}, "response.audio")
    form = _object(audio.get("output") or {}, "response.audio.output").get("format")
    if form is None:
        return
    _check_format(form, path)
    if _format(form) != formats.output:
        message = "Set another format of answers for the whole session, by session.update."
        raise Problem("invalid_value", message, path)


def _object(value: object, path: str) -> Event:
    if not isinstance(value, dict):
        raise Problem("invalid_type", "Expected an object.", path)
    return value


def merged(session: Mapping[str, Any], wanted: Mapping[str, Any], terms: Terms) -> Event:
    """The whole session after a checked change."""
    return _laid_over(session, on_terms(wanted, terms))


def on_terms(wanted: Mapping[str, Any], terms: Terms) -> Event:
    """A checked change as it is sent to the provider."""
    told = _laid_over({}, wanted)
    if "instructions" in told:
        told["instructions"] = with_site(terms.instructions, told["instructions"] or "")
    audio_in = (told.get("audio") or {}).get("input") or {}
    audio_in.pop("format", None)
    ((told.get("audio") or {}).get("output") or {}).pop("format", None)
    if audio_in.get("transcription") is not None:
        audio_in["transcription"] = _transcription(audio_in["transcription"], terms.transcription)
    return told


def with_site(site: str, own: str) -> str:
    """A program's instructions after the site's."""
    return "\n\n".join(part for part in (site.strip(), own) if part.strip())


def _transcription(asked: Mapping[str, Any], models: tuple[str, ...]) -> Event | None:
    """The transcription to ask for. SDKs ask for OpenAI's models whoever the provider is; in place
    of an unknown one the default is used."""
    if not models:
        return None
    if asked.get("model") in models:
        return dict(asked)
    language = {"language": asked["language"]} if asked.get("language") else {}
    return {"model": models[0], **language}


def shown(
    session: Mapping[str, Any], terms: Terms, session_id: str, formats: Formats | None = None
) -> Event:
    """A session as its program sees it. `formats`: those of its audio now."""
    formats = formats or terms.formats
    known = {name: value for name, value in session.items() if name in SETTABLE}
    own = (session.get("instructions") or "").removeprefix(terms.instructions.strip())
    audio = session.get("audio") or {}
    audio_in, audio_out = dict(audio.get("input") or {}), dict(audio.get("output") or {})
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": terms.model,
        **EMPTY,
        **{name: value for name, value in known.items() if value is not None},
        "instructions": own.lstrip("\n") if terms.instructions.strip() else own,
        "audio": {
            "input": {
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": None,
                **{name: value for name, value in audio_in.items() if name in INPUT},
                "format": formats.input,
            },
            "output": {
                "speed": 1.0,
                **{name: value for name, value in audio_out.items() if name in OUTPUT},
                "format": formats.output,
            },
        },
    }


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> Event:
    """What we asked for (`below`), overlaid with what the provider reports."""
    return _laid_over(below, {name: each for name, each in above.items() if each is not None})


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Event:
    """GA's rule for changes: each named field replaces the old one as a whole, except for the
    branches of `audio`."""
    both = {name: copied(value) for name, value in below.items()} | {
        name: copied(value) for name, value in above.items() if name != "audio"
    }
    if "audio" in above:
        audio = dict(both.get("audio") or {})
        for side, fields in (above["audio"] or {}).items():
            audio[side] = dict(audio.get(side) or {}) | copied(fields or {})
        both["audio"] = audio
    return both
