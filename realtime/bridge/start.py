"""The first frame of a call: `nextvoice.start`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .events import Event, Problem, check_modalities, count, need, parse
from .session import Change, changes_of, check_name, with_changes

VOICE = ("audio", "output", "voice")
TURN_DETECTION = ("audio", "input", "turn_detection")
MAX_RATE = 384_000


@dataclass(frozen=True, slots=True)
class Start:
    """What the page asks for. `sample_rate`: its microphone's, 0 if unknown. `time_zone`: the
    person's, as a name that was not checked; "" if unknown."""

    output_modalities: tuple[str, ...] = ("audio",)
    model: str | None = None
    voice: str | None = None
    manual: bool = False
    """Push to talk: the page commits and asks for answers itself."""
    sample_rate: int = 0
    changes: tuple[Change, ...] = ()
    """The `session` it asks for, as checked changes; they take precedence over the fields above."""
    time_zone: str = ""
    beats: bool = False
    """Whether the page listens for `nextvoice.beat`, by which it knows that its line is there."""

    @property
    def asked_voice(self) -> str | None:
        """The voice the call would begin with, if any was asked for."""
        return dict(self.changes).get(VOICE, self.voice)

    @property
    def asked_transcription(self) -> str | None:
        """The transcription model that was asked for, if any."""
        asked: dict[str, Any] = dict(self.changes).get(("audio", "input", "transcription"), {})
        return asked.get("model")

    @property
    def asked_formats(self) -> set[str]:
        """The audio formats that were asked for, if any."""
        return {value["type"] for path, value in self.changes if path[-1] == "format"}

    def applied_to(self, session: Mapping[str, Any]) -> Event:
        """A GA session configuration with these wishes applied."""
        changes: list[Change] = [(("output_modalities",), list(self.output_modalities))]
        if self.voice is not None:
            changes.append((VOICE, self.voice))
        if self.manual:
            changes.append((TURN_DETECTION, None))
        elif not _turn_detection(session):
            changes.append((TURN_DETECTION, {"type": "server_vad"}))
        return with_changes(session, [*changes, *self.changes])[0]


def parse_start(text: str) -> Start:
    """The start frame. Raises `Problem` if it is another frame, or malformed."""
    event = parse(text)
    if event["type"] != "nextvoice.start":
        raise Problem(
            "not_started", "The first frame must be nextvoice.start.", "type", event.get("event_id")
        )
    modalities = event.get("output_modalities", ["audio"])
    check_modalities(modalities, "output_modalities")
    for name in ("model", "voice"):
        if event.get(name) is not None:
            check_name(event[name], name)
    turns = event.get("turn_detection", "server_vad")
    if turns not in (None, "server_vad", "semantic_vad"):
        raise Problem("invalid_value", "Expected null or server_vad.", "turn_detection")
    wanted = need(event, "session", dict) if event.get("session") is not None else {}
    client = need(event, "client", dict) if event.get("client") is not None else {}
    if client.get("time_zone") is not None:
        check_name(client["time_zone"], "time_zone")
    return Start(
        output_modalities=tuple(modalities),
        model=event.get("model"),
        voice=event.get("voice"),
        manual=turns is None,
        sample_rate=count(client, "sample_rate", 0, MAX_RATE),
        changes=tuple(changes_of(wanted)),
        time_zone=client.get("time_zone") or "",
        beats=client.get("beats") is True,
    )


def _turn_detection(session: Mapping[str, Any]) -> object:
    audio = session.get("audio") or {}
    return (audio.get("input") or {}).get("turn_detection")
