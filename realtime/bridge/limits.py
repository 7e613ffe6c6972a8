"""Limits of one call, and the guard that notices a browser sending more than a call can carry."""

from __future__ import annotations

from dataclasses import dataclass

from .audio import BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one call; seconds and bytes."""

    idle_seconds: float = 300.0
    stuck_seconds: float = 10.0
    """How long one send to either side may last."""
    queued_bytes: int = 1_000_000
    """How much may wait for a slow receiver."""
    buffered_seconds: float = 15.0
    """Audio kept while no provider is attached; reconnecting takes less than that. Older audio is
    dropped."""
    buffered_events: int = 64
    flood_realtime: float = 1.25
    """Audio may come at this multiple of real time for ever."""
    flood_burst: float = 6.0
    """This many seconds of it may come at once, as after a stall of a phone's network."""
    flood_messages: float = 100.0
    """Messages per second."""
    flood_messages_burst: float = 5.0
    """This many seconds' worth of them may come at once."""
    flood_text: float = 256_000.0
    """Characters of text per second."""
    flood_text_burst: float = 2.0
    """This many seconds' worth of it may come at once."""
    drain_seconds: float = 1.5
    """How long a cancelled answer's usage is waited for, as part of `finalise_seconds`."""
    usage_seconds: float = 10.0
    """How long that usage is waited for in total, after the browser has been let go."""
    words_seconds: float = 2.0
    """The same when only a transcription is missing."""
    stopping_seconds: float = 3.0
    """The maximum of both when the process is about to end."""
    finalise_seconds: float = 5.0
    reconnect_waits: tuple[float, ...] = (0.0, 0.5, 1.5)
    """Pauses before each attempt at another session, when the provider's connection broke."""
    reconnect_try: float = 3.0
    """How long one attempt may last."""
    reconnect_settled: float = 10.0
    """A session that lived so long was fine: after the next break all attempts are available
    again."""
    rollover_seconds: float = 120.0
    """How long before a session's own end another one takes over, at a quiet moment."""
    rollover_deadline: float = 10.0
    """How long before its end another one takes over even if it is not quiet."""
    silent_seconds: float = 5.0
    """An answer that is silent for so long may have ended without saying so: a request that waits
    for its end is sent."""
    late_seconds: float = 20.0
    """An answer of which nothing has come for so long is reported as late."""
    repeated_seconds: float = 30.0
    """How much of a turn under way another session is given again."""
    recalled_seconds: float = 60.0
    """The same if somebody keeps the audio anyway, so that it takes no memory."""
    onset_seconds: float = 0.5
    """The same while no speech has been detected: a word may just have begun."""
    tool_seconds: float = 15.0
    """How long a function of our own may take."""
    tool_slow_seconds: float = 2.0
    """After this the assistant says that it takes longer."""
    tool_bytes: int = 64_000
    """How much of a function's output the model gets."""
    tool_files: int = 8
    """How many files of one result are kept."""
    tool_keep_seconds: float = 30.0
    """How long storing them may take."""
    tool_ask_seconds: float = 60.0
    """How long the person may take to allow something."""
    tool_calls: int = 10
    """How many functions a model may call between two turns of the person."""
    resume_seconds: float = 15.0
    """How long a call goes on without its browser."""
    beat_seconds: float = 0.0
    """How often a browser that listens for it hears that the line is there, when nothing else is
    to be told; 0: never."""
    resume_bytes: int = 400_000
    """How much that a browser has not confirmed is kept, in case it was lost."""
    remembered_letters: int = 24_000
    """How much of the conversation another session is told."""


ROUNDING = 1e-6
"""Seconds by which sums of times may be off."""


class FloodGuard:
    """Notices a browser that sends more than a call can carry.

    The generic cell rate algorithm: for audio, text and messages each, it keeps the time by which
    all that came would have come at the permitted rate. How far that lies ahead is how much came
    at once.
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
        # Runs for every frame: what a frame does not have is skipped, and `max` would be slower.
        self._frames = (self._frames if self._frames > now else now) + frames * self._frame_takes
        fits = self._frames - now <= self._frames_ahead
        if audio:
            self._audio = (self._audio if self._audio > now else now) + audio * self._byte_takes
            fits = fits and self._audio - now <= self._audio_ahead
        if text:
            self._text = (self._text if self._text > now else now) + text * self._letter_takes
            fits = fits and self._text - now <= self._text_ahead
        return fits
