"""The session's configuration: what a browser may change of it, and what it may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .events import Event, Problem, check_modalities
from .refusal import without

Path = tuple[str, ...]
Change = tuple[Path, Any]

Apply = Callable[[Event], Event]
"""Returns a changed copy of a configuration."""

MAX_NAME = 64
MOST_ASKED = 64
"""How many changes may wait for the provider; if there are more, the oldest is taken as
confirmed."""
SHOWN = ("type", "object", "id", "model", "output_modalities", "audio", "expires_at")
VAD_NUMBERS = {
    "threshold": (0.0, 1.0),
    "prefix_padding_ms": (0, 5_000),
    "silence_duration_ms": (50, 10_000),
    "idle_timeout_ms": (1_000, 600_000),
}
MAX_INSTRUCTIONS = 4_000
MAX_OUTPUT_TOKENS = 4_096
PERSON_ASKS = "The person you talk with asks you to follow this:"
"""Separates the site's instructions from a person's own, which never replace them."""
FORMATS = (
    {"type": "audio/pcm"},
    {"type": "audio/pcm", "rate": 24_000},
    {"type": "audio/pcmu"},
    {"type": "audio/pcma"},
)
"""The audio formats for speaking with a provider; a page's own audio is PCM at 24 kHz in any
case."""
VAD_FLAGS = ("create_response", "interrupt_response")


@dataclass(frozen=True, slots=True)
class Offered:
    """What the call's model offers; None where that is not known."""

    voices: Sequence[str] | None = None
    transcription_models: Sequence[str] | None = None
    formats: Sequence[str] | None = None

    def check(self, changes: list[Change]) -> None:
        """Raise `Problem` for a change to something the model does not have."""
        for path, value in changes:
            if path[-1] == "voice":
                self._check(self.voices, value, path)
            elif path[-1] == "transcription":
                self._check(self.transcription_models, value.get("model"), (*path, "model"))
            elif path[-1] == "format":
                self._check(self.formats, value["type"], (*path, "type"))

    def _check(self, names: Sequence[str] | None, name: object, path: Path) -> None:
        if names is not None and name is not None and name not in names:
            raise Problem(
                "not_offered", "The model does not have this.", ".".join(("session", *path))
            )


def shown_session(session: Mapping[str, Any]) -> Event:
    """What a browser may see: not the instructions, nor the tools, whose headers hold secrets."""
    return {name: session[name] for name in SHOWN if name in session}


def changes_of(session: Mapping[str, Any]) -> list[Change]:
    """A browser's partial session as single changes. Raises `Problem` if anything is malformed or
    may not be changed."""
    changes = []
    for path, value in _leaves(session, ()):
        CHANGEABLE[path](value, "session." + ".".join(path))
        if path != ("type",):
            changes.append((path, value))
    return changes


def with_changes(session: Mapping[str, Any], changes: list[Change]) -> tuple[Event, Event]:
    """The whole session after the changes, and the partial session to send the provider."""
    whole, part = copied(session), {"type": "realtime"}
    for path, value in changes:
        if path[-1] == "transcription":
            # The provider needs the whole object, the browser sends only what differs.
            merged = {**(_get(whole, path) or {}), **value}
            kept = {name: each for name, each in merged.items() if each is not None}
            value = kept if kept.get("model") else None
        elif path == ("instructions",):
            value = _with_wishes(whole.get("instructions") or "", value)
        _set(whole, path, value)
        _set(part, path, value)
    return whole, part


class Settings:
    """The session's configuration during a call; a change the provider refuses is taken back.

    A provider answers changes in order, and only its errors name the change they are about.
    """

    def __init__(self, session: Mapping[str, Any], offered: Offered | None = None) -> None:
        self.session: Event = copied(session)
        self._offered = offered or Offered()
        self._sure = self.session  # as the provider has confirmed it
        self._asked: list[tuple[str, Apply]] = []  # with their event ids, oldest first

    @property
    def manual(self) -> bool:
        """Whether the page decides where turns end."""
        audio_in = (self.session.get("audio") or {}).get("input") or {}
        return "turn_detection" in audio_in and audio_in["turn_detection"] is None

    @property
    def asks(self) -> bool:
        """Whether a change still waits to be confirmed or refused by the provider."""
        return bool(self._asked)

    def change(self, changes: list[Change], event_id: str) -> Event:
        """Make the changes; returns the partial session to send the provider under `event_id`.

        Raises `Problem`, and changes nothing, when the model lacks what is asked for.
        """
        self._offered.check(changes)
        _, part = with_changes(self.session, changes)
        self.put(lambda session: with_changes(session, changes)[0], event_id)
        return part

    def put(self, apply: Apply, event_id: str) -> None:
        """Change the configuration as the client event `event_id` asks; `apply` gives a new one."""
        self.session = apply(self.session)
        self._asked.append((event_id, apply))
        if len(self._asked) > MOST_ASKED:
            self.accepted()

    def opens(self, event_id: str) -> None:
        """Another upstream session is asked to have this configuration."""
        self._restate(self.session, [(event_id, _as_it_is)])

    def opens_without(self, param: object, event_id: str) -> bool:
        """The same without the part that the provider refused (see `refusal.without`); False, and
        nothing is changed, if there is nothing to leave out."""
        left = without(self._sure, param)
        if left is None:
            return False
        self._restate(left, [*self._asked, (event_id, _as_it_is)])
        return True

    def refused(self, event_id: str | None) -> None:
        """The provider refused the change of this client event."""
        self._restate(self._sure, [each for each in self._asked if each[0] != event_id])

    def accepted(self) -> None:
        """The provider has confirmed the oldest change."""
        if self._asked:
            _, apply = self._asked.pop(0)
            self._sure = apply(self._sure)

    def _restate(self, sure: Event, asked: list[tuple[str, Apply]]) -> None:
        """Rebuild the configuration: what is confirmed, then the changes that still wait."""
        self._sure = self.session = sure
        self._asked = asked
        for _, apply in asked:
            self.session = apply(self.session)

    def shown(self, created: Mapping[str, Any]) -> Event:
        """What a browser may see of the provider's new session, overlaid with our configuration."""
        return shown_session(_overlaid(created, self.session))


def _as_it_is(session: Event) -> Event:
    return session


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> Event:
    both = dict(below)
    for name, value in above.items():
        under = both.get(name)
        # An object of another kind has other fields.
        inner = (
            isinstance(value, Mapping)
            and isinstance(under, Mapping)
            and value.get("type", under.get("type")) == under.get("type")
        )
        both[name] = _overlaid(under, value) if inner else value  # type: ignore[arg-type]
    return both


def _leaves(session: Mapping[str, Any], above: Path) -> Iterator[Change]:
    for name, value in session.items():
        path = (*above, name)
        if path in CHANGEABLE:
            yield path, value
        elif path in INNER and isinstance(value, dict):
            yield from _leaves(value, path)
        else:
            shown = ".".join(("session", *above, name[:MAX_NAME]))
            raise Problem("not_allowed", "This cannot be changed here.", shown)


def _get(session: Mapping[str, Any], path: Path) -> Any:
    value: Any = session
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _set(session: Event, path: Path, value: Any) -> None:
    *above, last = path
    for name in above:
        inner = session.get(name)
        if not isinstance(inner, dict):
            inner = session[name] = {}
        session = inner
    session[last] = value


def copied(value: Any) -> Any:
    """A deep copy of JSON values; read-only mappings become dicts."""
    if isinstance(value, Mapping):
        return {name: copied(each) for name, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def _type(value: object, param: str) -> None:
    if value != "realtime":
        raise Problem("invalid_value", "The type must be realtime.", param)


def _turn_detection(value: object, param: str) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or value.get("type") not in ("server_vad", "semantic_vad"):
        raise Problem("invalid_value", "Expected null, server_vad or semantic_vad.", param)
    for name, each in value.items():
        if not _fits_vad(name, each):
            raise Problem("invalid_value", "Not a turn detection setting.", f"{param}.{name[:64]}")


def _fits_vad(name: str, value: object) -> bool:
    if name == "type":
        return True
    if name == "eagerness":
        return value in ("low", "medium", "high", "auto")
    if name in VAD_FLAGS:
        return isinstance(value, bool)
    if name == "idle_timeout_ms" and value is None:
        return True
    return name in VAD_NUMBERS and _between(value, *VAD_NUMBERS[name])


def _noise_reduction(value: object, param: str) -> None:
    if value not in (None, {"type": "near_field"}, {"type": "far_field"}):
        raise Problem("invalid_value", "Expected null, near_field or far_field.", param)


def _format(value: object, param: str) -> None:
    if value not in FORMATS:
        raise Problem("invalid_value", "Expected audio/pcm at 24000, audio/pcmu or pcma.", param)


def _transcription(value: object, param: str) -> None:
    if not isinstance(value, dict) or not value or not set(value) <= {"model", "language"}:
        raise Problem("not_allowed", "Only model and language can be changed here.", param)
    if "model" in value:
        check_name(value["model"], f"{param}.model")
    if value.get("language") is not None:
        check_name(value["language"], f"{param}.language")


def _instructions(value: object, param: str) -> None:
    if not isinstance(value, str) or len(value) > MAX_INSTRUCTIONS:
        raise Problem("invalid_value", f"Expected at most {MAX_INSTRUCTIONS} characters.", param)


def _max_output_tokens(value: object, param: str) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value != "inf" and not (whole and _between(value, 1, MAX_OUTPUT_TOKENS)):
        raise Problem("invalid_value", f'Expected 1 to {MAX_OUTPUT_TOKENS} or "inf".', param)


def _with_wishes(instructions: str, wishes: str) -> str:
    """The site's part of `instructions`, followed by a person's `wishes`."""
    ours = instructions.partition(PERSON_ASKS)[0].rstrip()
    theirs = f"{PERSON_ASKS}\n{wishes.strip()}" if wishes.strip() else ""
    return "\n\n".join(part for part in (ours, theirs) if part)


def check_name(value: object, param: str) -> None:
    """Raise `Problem` unless `value` is a short printable name."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= MAX_NAME:
        raise Problem("invalid_value", "Expected a short name.", param)


def _speed(value: object, param: str) -> None:
    if not _between(value, 0.25, 1.5):
        raise Problem("invalid_value", "The speed must be from 0.25 to 1.5.", param)


def _between(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


CHANGEABLE: dict[Path, Callable[[object, str], None]] = {
    ("type",): _type,
    ("output_modalities",): check_modalities,
    ("instructions",): _instructions,
    ("max_output_tokens",): _max_output_tokens,
    ("audio", "input", "format"): _format,
    ("audio", "input", "turn_detection"): _turn_detection,
    ("audio", "input", "noise_reduction"): _noise_reduction,
    ("audio", "input", "transcription"): _transcription,
    ("audio", "output", "format"): _format,
    ("audio", "output", "voice"): check_name,
    ("audio", "output", "speed"): _speed,
}
"""What a browser may change, with the check of its value."""

INNER: frozenset[Path] = frozenset({("audio",), ("audio", "input"), ("audio", "output")})
