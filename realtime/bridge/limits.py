"""Bounds of one call, and the guard that notices a browser sending more than a call can carry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .audio import BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call; seconds and bytes."""

    idle_seconds: float = 300.0
    stuck_seconds: float = 10.0
    """How long one send to a leg may last."""
    queued_bytes: int = 1_000_000
    """How much may wait for a slow leg."""
    buffered_seconds: float = 2.0
    """Audio kept while no provider is attached; older is dropped."""
    buffered_events: int = 64
    flood_window: float = 2.0
    flood_realtime: float = 2.0
    """Audio may come at this multiple of real time over the window."""
    flood_messages: float = 100.0
    """Messages per second over the window."""
    flood_text: float = 256_000.0
    """Characters of text per second over the window."""
    drain_seconds: float = 1.5
    """How long a cancelled answer's usage is waited for, out of `finalise_seconds`."""
    finalise_seconds: float = 5.0
    reconnect_waits: tuple[float, ...] = (0.0, 0.5, 1.5)
    """Pauses before each try for another session, when the provider's connection broke."""
    reconnect_try: float = 3.0
    """How long one such try may last."""
    reconnect_settled: float = 10.0
    """A session that lived so long was fine: the next break has all its tries again."""
    rollover_seconds: float = 120.0
    """So long before a session's own end another one is to take over, at a quiet moment."""
    rollover_deadline: float = 10.0
    """So long before it another one takes over whether it is quiet or not."""
    repeated_seconds: float = 15.0
    """How much of a turn under way another session is given again."""
    onset_seconds: float = 0.5
    """The same while nobody was found to speak: a word may just have begun."""
    remembered_letters: int = 24_000
    """How much of the conversation another session is told."""


class FloodGuard:
    """Counts what came within the last `flood_window` seconds."""

    def __init__(self, limits: Limits) -> None:
        self._window = limits.flood_window
        self._most_audio = limits.flood_realtime * BYTES_PER_SECOND * limits.flood_window
        self._most_text = limits.flood_text * limits.flood_window
        self._most_frames = limits.flood_messages * limits.flood_window
        self._seen: deque[tuple[float, int, int, int]] = deque()
        self._frames = self._audio = self._text = 0

    def admits(self, now: float, *, frames: int = 1, audio: int = 0, text: int = 0) -> bool:
        """Count `audio` bytes and `text` characters; False when it is too much."""
        oldest = now - self._window
        seen = self._seen
        while seen and seen[0][0] <= oldest:
            _, old_frames, old_audio, old_text = seen.popleft()
            self._frames -= old_frames
            self._audio -= old_audio
            self._text -= old_text
        seen.append((now, frames, audio, text))
        self._frames += frames
        self._audio += audio
        self._text += text
        return (
            self._audio <= self._most_audio
            and self._text <= self._most_text
            and self._frames <= self._most_frames
        )
