"""GLM-Realtime of Zhipu (bigmodel.cn): the beta API with fields of its own.

The model is named in the session, not in the address. `beta_fields` is required. A change without
turn detection turns it off, so each change is sent as a whole session. `speech_started` may come
without an item id.
Source: MetaGLM/glm-realtime-sdk.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..events import Event
from ..ids import new_id
from ..words import gettext_noop as _
from .fit import fit_session
from .openai_beta import Beta
from .target import Target
from .traits import Traits

BETA_FIELDS = {"chat_mode": "audio", "tts_source": "e2e", "auto_search": False}
SPEECH = ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped")


class GLM(Beta):
    """GLM-Realtime."""

    name: ClassVar[str] = "glm"
    path: ClassVar[tuple[str, str]] = ("/api/paas/v4", "/realtime")
    traits: ClassVar[Traits] = Traits(
        label="GLM-Realtime",
        url_hint="wss://open.bigmodel.cn/api/paas/v4/realtime",
        auth="Authorization: Bearer KEY",
        turn_detection=("server_vad",),
        input_rate=16_000,
        transcription=False,
        truncate=False,
        retrieve=False,
        usage="tokens by modality; transcription not",
        note=_("It remembers about two minutes of a conversation."),
    )

    def __init__(self) -> None:
        super().__init__()
        self._session: Event = {}
        self._turn = ""  # the item of a turn whose id is not known yet
        self._newest = ""  # the item of the turn that was named last
        self._speaking = False
        self._turns: dict[str, str] = {}  # the provider's ids of such items, and ours

    def query(self, target: Target) -> Mapping[str, str]:
        return {}

    def session(self, session: Mapping[str, Any]) -> Event:
        self._session = _merged(self._session, fit_session(session, self.traits))
        flat = super().session(self._session)
        if flat.get("turn_detection", {}) is None:
            flat["turn_detection"] = {"type": "client_vad"}
        flat["turn_detection"] = flat.get("turn_detection") or {"type": "server_vad"}
        formats = {"input_audio_format": "pcm16", "output_audio_format": "pcm"}
        return flat | formats | {"model": self._model, "beta_fields": dict(BETA_FIELDS)}

    def item(self, item: Mapping[str, Any]) -> Event:
        told = super().item(item)
        if told.get("type") == "function_call_output":
            told.pop("call_id", None)
        return told

    def told(self, event: Event) -> Iterable[Event]:
        for name in ("item_id", "previous_item_id"):
            theirs = {ours: item_id for item_id, ours in self._turns.items()}
            if event.get(name) in theirs:
                event[name] = theirs[event[name]]
        for each in super().told(event):
            yield each | {"client_timestamp": round(time.time() * 1000)}

    def translated(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        if kind in SPEECH:
            self._name_turn(event)
        elif self._turn and kind in ("input_audio_buffer.committed", "conversation.item.created"):
            self._know_turn(event)
        for name in ("item_id", "previous_item_id"):
            if isinstance(event.get(name), str):
                event[name] = self._turns.get(event[name], event[name])
        if isinstance(item := event.get("item"), dict) and isinstance(item.get("id"), str):
            item["id"] = self._turns.get(item["id"], item["id"])
        return super().translated(event)

    def _name_turn(self, event: Event) -> None:
        began = event["type"] == SPEECH[0]
        if not isinstance(event.get("item_id"), str) or not event["item_id"]:
            # A turn whose start or stop is reported again is still the same one.
            if (began and not self._speaking) or not self._newest:
                self._turn = self._newest = new_id("item")
            event["item_id"] = self._newest
        self._speaking = began

    def _know_turn(self, event: Event) -> None:
        item = event.get("item")
        item_id = item.get("id") if isinstance(item, dict) else event.get("item_id")
        if isinstance(item, dict) and item.get("role") != "user":
            return
        if isinstance(item_id, str) and item_id:
            self._turns[item_id], self._turn = self._turn, ""


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Event:
    both = dict(below)
    for name, value in above.items():
        inner = isinstance(value, Mapping) and isinstance(both.get(name), Mapping)
        whole = name != "turn_detection" and inner
        both[name] = _merged(both[name], value) if whole else value
    return both
