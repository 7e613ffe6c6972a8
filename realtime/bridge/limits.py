"""Bounds of one call, and the guard that notices a browser sending more than a call can carry."""

from __future__ import annotations

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
    buffered_seconds: float = 15.0
    """Audio kept while no provider is attached, which is longer than mending takes; older is
    dropped."""
    buffered_events: int = 64
    flood_realtime: float = 1.25
    """Audio may come at this multiple of real time for ever."""
    flood_burst: float = 6.0
    """So many seconds of it may come at once, as after a stall of a phone's network."""
    flood_messages: float = 100.0
    """Messages per second."""
    flood_messages_burst: float = 5.0
    """So many seconds' worth of them may come at once."""
    flood_text: float = 256_000.0
    """Characters of text per second."""
    flood_text_burst: float = 2.0
    """So many seconds' worth of it may come at once."""
    drain_seconds: float = 1.5
    """How long a cancelled answer's usage is waited for, out of `finalise_seconds`."""
    usage_seconds: float = 10.0
    """How long it is waited for in all, after the browser has been let go."""
    words_seconds: float = 2.0
    """The same when only a transcription is missing."""
    stopping_seconds: float = 3.0
    """The most of either when the process is to end."""
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
    silent_seconds: float = 5.0
    """An answer of which nothing comes for so long may have ended without a word: one that waits
    for its end is asked for."""
    repeated_seconds: float = 30.0
    """How much of a turn under way another session is given again."""
    recalled_seconds: float = 60.0
    """The same where somebody keeps what was sent, so that it takes no memory."""
    onset_seconds: float = 0.5
    """The same while nobody was found to speak: a word may just have begun."""
    tool_seconds: float = 15.0
    """How long a function of our own may take."""
    tool_slow_seconds: float = 2.0
    """After so long the assistant says that it takes longer."""
    tool_bytes: int = 64_000
    """How much of a function's output the model is told."""
    tool_files: int = 8
    """How many files of one result are kept."""
    tool_keep_seconds: float = 30.0
    """How long that may take."""
    tool_ask_seconds: float = 60.0
    """How long the person may take to allow what they are asked about first."""
    tool_calls: int = 10
    """How many functions a model may call between two turns of the person."""
    resume_seconds: float = 15.0
    """How long a call goes on without its browser."""
    resume_bytes: int = 400_000
    """How much is kept for a browser that may have lost it, and has not said that it arrived."""
    remembered_letters: int = 24_000
    """How much of the conversation another session is told."""


ROUNDING = 1e-6
"""Seconds that sums of times may be off."""


class FloodGuard:
    """Notices a browser that sends more than a call can carry.

    Of audio, text and messages it knows until when each would have taken at the rate that may go on
    for ever; how far that lies ahead is how much came at once (the generic cell rate algorithm).
    """

    def __init__(self, limits: Limits) -> None:
        self._audio = self._text = self._frames = 0.0
        self._byte_takes = 1 / (limits.flood_realtime * BYTES_PER_SECOND)
        self._letter_takes = 1 / limits.flood_text
        self._frame_takes = 1 / limits.flood_messages
        self._audio_ahead = limits.flood_burst / limits.flood_realtime + ROUNDING
        self._text_ahead = limits.flood_text_burst + ROUNDING
        self._frames_ahead = limits.flood_messages_burst + ROUNDING

    def admits(self, now: float, audio: int = 0, text: int = 0, frames: int = 1) -> bool:
        """Count `audio` bytes and `text` characters; False when it is too much."""
        # Every frame comes by here: what is not in it is not looked at, and `max` takes longer.
        self._frames = (self._frames if self._frames > now else now) + frames * self._frame_takes
        fits = self._frames - now <= self._frames_ahead
        if audio:
            self._audio = (self._audio if self._audio > now else now) + audio * self._byte_takes
            fits = fits and self._audio - now <= self._audio_ahead
        if text:
            self._text = (self._text if self._text > now else now) + text * self._letter_takes
            fits = fits and self._text - now <= self._text_ahead
        return fits
