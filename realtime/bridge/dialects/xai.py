"""xAI Grok Voice: nearly GA. Voice and turn detection at the top of the session, usage at the root.

Each update of a person's transcript has the whole text so far. A `ping` comes now and then. Error
codes are xAI's own, so errors are judged by their messages. Sources: xAI's documentation,
livekit-agents 1.8.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..errors import BENIGN_CODES, FATAL_CODES, OPENING_CODES
from ..events import Event
from ..words import gettext_noop as _
from .openai_beta import SESSIONS, Beta
from .traits import Traits

TRANSCRIPTION = "conversation.item.input_audio_transcription"
TEXT_NAMES = ("response.text.", "response.output_text.")
KNOWN_CODES = BENIGN_CODES | FATAL_CODES.keys() | OPENING_CODES.keys()


class XAI(Beta):
    """xAI's Grok Voice."""

    name: ClassVar[str] = "xai"
    traits: ClassVar[Traits] = Traits(
        label="xAI Grok Voice",
        url_hint="wss://api.x.ai/v1/realtime",
        auth="Authorization: Bearer KEY",
        turn_detection=("server_vad",),
        formats=("audio/pcm", "audio/pcmu", "audio/pcma"),
        truncate=True,
        retrieve=False,
        usage="seconds of connected audio, messages; no tokens",
        note=_("Billed by the hour of audio and by messages in text."),
    )

    def __init__(self) -> None:
        super().__init__()
        self._began = False
        self._heard: dict[str, str] = {}  # the transcript passed on so far, by item
        self._text_name: dict[str, str] = {}  # by response, which of two names its text has

    def told(self, event: Event) -> Iterable[Event]:
        if event["type"] == "session.update":
            event["session"] = self.session(event["session"])
        return (event,)

    def session(self, session: Mapping[str, Any]) -> Event:
        lifted = {name: value for name, value in session.items() if name != "audio"}
        audio = {side: dict(inner) for side, inner in (session.get("audio") or {}).items()}
        ears, mouth = audio.get("input", {}), audio.get("output", {})
        if "turn_detection" in ears:
            turns = ears.pop("turn_detection")
            if turns is not None:
                turns = {"create_response": True, "interrupt_response": True} | turns
            lifted["turn_detection"] = turns
        if "voice" in mouth:
            lifted["voice"] = mouth.pop("voice")
        if audio := {side: inner for side, inner in audio.items() if inner}:
            lifted["audio"] = audio
        return lifted

    def translated(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        if kind in ("session.created", "conversation.created"):
            yield from self._begins(event)
        elif kind == f"{TRANSCRIPTION}.updated":
            yield from self._so_far(event)
        elif not self._is_twice(event):
            if kind == "response.content_part.added" and not isinstance(event.get("part"), dict):
                event["part"] = {"type": "audio"}
            if kind == f"{TRANSCRIPTION}.completed":
                self._heard.pop(str(event.get("item_id")), None)
            if kind in SESSIONS and isinstance(event.get("session"), dict):
                event["session"].setdefault("modalities", ["audio", "text"])
            yield from super().translated(event)

    def _begins(self, event: Event) -> Iterable[Event]:
        """A session begins with either of two events; a second is an update."""
        again, self._began = self._began, True
        if event["type"] == "session.created":
            yield from super().translated(event | {"type": "session.updated"} if again else event)
            return
        if not again:
            created = {"type": "session.created", "session": {"modalities": ["audio", "text"]}}
            yield from super().translated(created)
        yield event

    def _so_far(self, event: Event) -> Iterable[Event]:
        """The growth of a transcript, as a delta; nothing if it was revised: the end has it all."""
        item_id, words = str(event.get("item_id")), event.get("transcript")
        before = self._heard.get(item_id, "")
        if isinstance(words, str) and words.startswith(before) and words != before:
            self._heard[item_id] = words
            yield event | {"type": f"{TRANSCRIPTION}.delta", "delta": words[len(before) :]}

    def _is_twice(self, event: Event) -> bool:
        """Whether an answer's text comes a second time, under its other name."""
        name = next((each for each in TEXT_NAMES if event["type"].startswith(each)), None)
        if name is None:
            return False
        return self._text_name.setdefault(str(event.get("response_id")), name) != name

    def judged(self, error: Event) -> Event:
        if error["code"] is not None and error["code"].lower() not in KNOWN_CODES:
            return error | {"type": error["code"], "code": None}
        return error
