"""Where speech starts and stops, decided from one probability per short frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ONSET_MS = 96
HYSTERESIS = 0.15
# Steady noise must not keep a turn open for ever.
LONGEST_MS = 120_000
# How long a pause must be before the turn ends, for each eagerness.
AUTO_SILENCE_MS = 700
EAGERNESS_SILENCE_MS = {"low": 1200, "medium": AUTO_SILENCE_MS, "high": 400}


@dataclass(frozen=True, slots=True)
class Started:
    """Speech was found; `at_ms` is where its audio begins, padding included."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Speech ended; `at_ms` is where its audio ends, the silence included."""

    at_ms: int


class TurnDetector:
    """Hysteresis and counters only. Times are ms since the first audio of the session."""

    def __init__(
        self, *, threshold: float, prefix_ms: int, silence_ms: int, longest_ms: int = LONGEST_MS
    ) -> None:
        self.on = threshold
        self.off = max(0.01, threshold - HYSTERESIS)
        self.prefix_ms = prefix_ms
        self.silence_ms = silence_ms
        self.longest_ms = longest_ms
        self.speaking = False
        self._since = 0.0
        self._voiced_ms = 0.0
        self._quiet_ms = 0.0

    def feed(self, probability: float, end_ms: float, frame_ms: float) -> Started | Stopped | None:
        """One frame that ends at `end_ms`; returns what it changed."""
        if self.speaking:
            return self._while_speaking(probability, end_ms, frame_ms)
        if probability < self.on:
            # One doubtful frame inside an onset must not throw the onset away.
            self._voiced_ms = max(0.0, self._voiced_ms - frame_ms)
            return None
        if not self._voiced_ms:
            self._since = end_ms - frame_ms
        self._voiced_ms += frame_ms
        if self._voiced_ms < ONSET_MS:
            return None
        self.speaking, self._voiced_ms, self._quiet_ms = True, 0.0, 0.0
        self._since = max(0.0, self._since - self.prefix_ms)
        return Started(int(self._since))

    def _while_speaking(self, probability: float, end_ms: float, frame_ms: float) -> Stopped | None:
        self._quiet_ms = self._quiet_ms + frame_ms if probability < self.off else 0.0
        too_long = end_ms - self._since >= self.longest_ms
        if self._quiet_ms < self.silence_ms and not too_long:
            return None
        self.reset()
        return Stopped(int(end_ms))

    def carry_on(self, earlier: TurnDetector) -> None:
        """Take over a turn that is being spoken while the settings change."""
        self.speaking, self._since = earlier.speaking, earlier._since

    def reset(self) -> None:
        self.speaking, self._voiced_ms, self._quiet_ms = False, 0.0, 0.0


def silence_ms(detection: Mapping[str, Any]) -> int:
    """How much silence ends a turn under GA turn detection settings.

    Nothing here understands what is said, so semantic detection only waits longer or shorter.
    """
    if detection.get("type") == "semantic_vad":
        return EAGERNESS_SILENCE_MS.get(str(detection.get("eagerness")), AUTO_SILENCE_MS)
    return int(_number(detection, "silence_duration_ms", 500, LONGEST_MS))


def detector_for(detection: Mapping[str, Any]) -> TurnDetector:
    """A detector with GA turn detection settings (`threshold`, `prefix_padding_ms`,
    `silence_duration_ms` or `eagerness`). Missing or invalid ones, since programs may send
    anything, get OpenAI's defaults."""
    return TurnDetector(
        threshold=_number(detection, "threshold", 0.5, 1),
        prefix_ms=int(_number(detection, "prefix_padding_ms", 300, LONGEST_MS)),
        silence_ms=silence_ms(detection),
    )


def _number(detection: Mapping[str, Any], name: str, usual: float, most: float) -> float:
    value: Any = detection.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and 0 <= value <= most else usual
