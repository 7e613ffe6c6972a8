"""Azure Voice Live: the beta API with Azure's own voices, noise reduction and turn detection.

Voices of Azure Speech, such as `en-US-Ava:DragonHDLatestNeural`, are objects; those of OpenAI's
models are names. Its animation, avatar, timestamp and search events are skipped.
Source: azure-ai-voicelive 1.3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..events import Event
from ..words import gettext_noop as _
from .azure_ga import azure_identity
from .openai_beta import Beta
from .target import Target
from .traits import Traits

API_VERSION = "2026-07-15"
AZURE_VOICE = re.compile(r"[a-z]{2,3}-[A-Z]{2}-")
SEMANTIC = "azure_semantic_vad"
NOISE = "azure_deep_noise_suppression"


class VoiceLive(Beta):
    """Azure Voice Live."""

    name: ClassVar[str] = "voice_live"
    path: ClassVar[tuple[str, str]] = ("/voice-live", "/realtime")
    traits: ClassVar[Traits] = Traits(
        label=_("Azure Voice Live"),
        url_hint="wss://RESOURCE.services.ai.azure.com/voice-live/realtime",
        auth="api-key: KEY, or Authorization: Bearer ENTRA_TOKEN",
        formats=("audio/pcm", "audio/pcmu", "audio/pcma"),
        noise_reduction=True,
        usage="tokens by modality, reasoning too; transcription not",
        asks=("api_version",),
        note=_("For an agent, put its agent-id and project into the extra query."),
    )

    def query(self, target: Target) -> Mapping[str, str]:
        return {"api-version": target.api_version or API_VERSION, "model": target.model}

    def identity(self, target: Target) -> dict[str, str]:
        return azure_identity(target)

    def session(self, session: Mapping[str, Any]) -> Event:
        flat = super().session(session)
        if isinstance(voice := flat.get("voice"), str) and AZURE_VOICE.match(voice):
            flat["voice"] = {"type": "azure-standard", "name": voice}
        turns = flat.get("turn_detection")
        if isinstance(turns, Mapping) and turns.get("type") == "semantic_vad":
            # It has no eagerness, but silence and threshold, which are kept.
            kept = {name: value for name, value in turns.items() if name != "eagerness"}
            flat["turn_detection"] = kept | {"type": SEMANTIC}
        if flat.get("input_audio_noise_reduction"):
            flat["input_audio_noise_reduction"] = {"type": NOISE}
        if flat.get("input_audio_format") == "pcm16":
            flat["input_audio_sampling_rate"] = 24_000
        return flat

    def response(self, response: Mapping[str, Any]) -> Event:
        flat = super().response(response)
        if isinstance(voice := flat.get("voice"), str) and AZURE_VOICE.match(voice):
            flat["voice"] = {"type": "azure-standard", "name": voice}
        return flat

    def translated(self, event: Event) -> Iterable[Event]:
        session = event.get("session")
        turns = session.get("turn_detection") if isinstance(session, dict) else None
        if isinstance(turns, dict) and str(turns.get("type")).startswith(SEMANTIC):
            turns["type"] = "semantic_vad"
        return super().translated(event)
