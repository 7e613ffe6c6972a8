"""What the server runs with, read once from the environment (NEXTVOICE_*)."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from realtime.hearing.vad import VadPool
from realtime.local.brain import Brain
from realtime.local.ears import Ears, built_in_ears, has_ears
from realtime.local.endpoints import EARS_LIMIT_S, EndpointEars, EndpointMouth
from realtime.local.http import Endpoint
from realtime.local.llm import ChatBrain
from realtime.local.mouth import Mouth, built_in_mouth
from realtime.local.reply import Pace
from realtime.local.talker import Talker


@dataclass(slots=True)
class Engine:
    """The parts every session shares."""

    ears: Ears
    mouth: Mouth
    brain: Brain
    vads: VadPool
    pace: Pace = field(default_factory=Pace)
    # An answer waits at most this long for the recogniser, which has a limit of its own; later
    # words are treated as if nothing was said.
    recognition_wait_s: float = EARS_LIMIT_S
    # The local time the talker tells.
    now: Callable[[], datetime] = datetime.now

    @property
    def ready(self) -> bool:
        return self.ears.ready and self.mouth.ready

    def start(self) -> None:
        self.ears.start()
        self.mouth.start()

    async def close(self) -> None:
        await self.ears.close()
        await self.mouth.close()

    def health(self) -> dict[str, Any]:
        return {
            "recogniser": self.ears.health(),
            "synthesiser": self.mouth.health(),
            "talker": self.brain.health(),
            "vad": {"name": self.vads.kind, "ready": True},
        }


def endpoint(environ: Mapping[str, str], name: str, model: str) -> Endpoint | None:
    """NEXTVOICE_<name>_URL, _KEY and _MODEL, or None when there is no URL."""
    url = environ.get(f"NEXTVOICE_{name}_URL", "").strip()
    if not url:
        return None
    key = environ.get(f"NEXTVOICE_{name}_KEY", "").strip()
    return Endpoint(url, key, environ.get(f"NEXTVOICE_{name}_MODEL", "").strip() or model)


def can_hear() -> bool:
    """Whether there is a recogniser, built in or elsewhere."""
    return endpoint(os.environ, "ASR", "") is not None or has_ears()


def engine_from(environ: Mapping[str, str] | None = None) -> Engine:
    environ = os.environ if environ is None else environ
    hearing = endpoint(environ, "ASR", "whisper-1")
    speaking = endpoint(environ, "TTS", "tts-1")
    thinking = endpoint(environ, "LLM", "default")
    speaker = environ.get("NEXTVOICE_TTS_VOICE", "").strip()
    most = environ.get("NEXTVOICE_ASR_WORKERS", "")
    workers = int(most) if most.isdigit() and int(most) > 0 else min(2, os.cpu_count() or 1)
    return Engine(
        ears=EndpointEars(hearing) if hearing else built_in_ears(workers),
        mouth=EndpointMouth(speaking, speaker) if speaking else built_in_mouth(),
        brain=ChatBrain(thinking) if thinking else Talker(),
        vads=VadPool(environ.get("NEXTVOICE_VAD") or None),
    )
