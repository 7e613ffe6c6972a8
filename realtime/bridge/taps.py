"""Taps watch a call and cannot alter it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .audio import BYTES_PER_SECOND
from .ends import End

logger = logging.getLogger(__name__)

TOGETHER_BYTES = BYTES_PER_SECOND // 5
"""Audio of one side is collected up to this size before taps are told (200 ms). By the time of the
next frame, what a tap works with has left the processor's cache, so telling frames one by one costs
several times as much."""


@dataclass(frozen=True, slots=True)
class EndRecord:
    """How a call ended. Told to taps once, and returned by `run_call`.

    `duration_ms` counts from the moment the call was ready; 0 when it never was.
    `detail` is for operators (the step that failed, never a key); `provider_message` is the
    provider's own wording, key removed. `user_ms` is the audio sent to the provider,
    `assistant_ms` the audio received from it.
    """

    end: End
    duration_ms: int = 0
    provider_message: str | None = None
    detail: str | None = None
    user_ms: int = 0
    assistant_ms: int = 0
    skipped_events: int = 0
    tap_errors: int = 0

    @property
    def reason(self) -> str:
        """The end reason, a key of `ends.ENDS`."""
        return self.end.reason

    @property
    def close_code(self) -> int:
        """The WebSocket close code for the browser."""
        return self.end.close_code


class Tap:
    """A synchronous watcher. Subclass it and override what you need: by default every method does
    nothing.

    Methods append somewhere and return at once; they never block, never await and never change what
    they are given. What they raise is logged and counted and does not reach the call. A tap is told
    of an event before the other leg is, so that what it has appended is never older than what a
    person has seen. It is told of audio up to `TOGETHER_BYTES` later, but before any event that
    comes after that audio.
    """

    lingers: ClassVar[bool] = False
    """Whether it is told of events even after the call has ended, until the provider has reported
    the last answer's usage; `on_end` comes after that."""

    @property
    def awaits_usage(self) -> bool:
        """Whether it waits for the provider to report usage, apart from the end of an answer."""
        return False

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        """Microphone audio as sent upstream. `start_sample`: its place on the call's one timeline
        (24 000 per second of audio sent), to which `audio_start_ms` of events refers too."""

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """Audio of an answer as received, which is faster than it is heard."""

    def on_aside_audio(self, response_id: str, pcm: bytes) -> None:
        """Audio, as received, of an answer outside the conversation; of such an answer the only
        event is its `response.done`."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A GA server event, complete (ids and indexes filled); audio deltas are left out."""

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        """A GA client event as sent upstream; audio appends are left out."""

    def on_played(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """How much of an answer has left the speaker; grows, and never beyond what was received."""

    def on_end(self, record: EndRecord) -> None:
        """The call is over. Called exactly once, last."""


class Taps:
    """Several taps as one, each kept from harming the call or the other taps."""

    def __init__(self, taps: Sequence[Tap]) -> None:
        self.errors = 0
        self._record: EndRecord | None = None
        # Audio that taps have not been told of yet: the person's, from this sample on, and that of
        # one part of an answer.
        self._heard: list[bytes] = []
        self._heard_from = self._heard_size = 0
        self._said: list[bytes] = []
        self._said_size = 0
        self._place: tuple[str, int] | None = None
        self._watch(taps)

    def _watch(self, taps: Sequence[Tap]) -> None:
        self._taps = taps
        self._user_audio = _of(taps, "on_user_audio")
        self._assistant_audio = _of(taps, "on_assistant_audio")
        self._aside_audio = _of(taps, "on_aside_audio")
        self._event = _of(taps, "on_event")
        self._client_event = _of(taps, "on_client_event")
        self._played = _of(taps, "on_played")

    @property
    def linger(self) -> bool:
        """Whether any of the taps lingers."""
        return any(tap.lingers for tap in self._taps)

    @property
    def awaits_usage(self) -> bool:
        """Whether a tap that lingers waits for usage; see `Tap.awaits_usage`."""
        return any(tap.awaits_usage for tap in self._taps if tap.lingers)

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        if not self._heard:
            self._heard_from = start_sample
        self._heard.append(pcm)
        self._heard_size += len(pcm)
        if self._heard_size >= TOGETHER_BYTES:
            self._tell_heard()

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        place = (item_id, content_index)
        if place != self._place:
            self._tell_said()
            self._place = place
        self._said.append(pcm)
        self._said_size += len(pcm)
        if self._said_size >= TOGETHER_BYTES:
            self._tell_said()

    def catch_up(self) -> None:
        """Tell the taps of all audio collected so far."""
        if self._heard:
            self._tell_heard()
        if self._said:
            self._tell_said()

    def _tell_heard(self) -> None:
        pcm, self._heard, self._heard_size = b"".join(self._heard), [], 0
        self._tell(self._user_audio, pcm, self._heard_from)

    def _tell_said(self) -> None:
        if self._said and self._place is not None:
            pcm, self._said, self._said_size = b"".join(self._said), [], 0
            self._tell(self._assistant_audio, *self._place, pcm)

    def on_aside_audio(self, response_id: str, pcm: bytes) -> None:
        self._tell(self._aside_audio, response_id, pcm)

    def on_late_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """Audio that came after the end of the call; only taps that linger are told."""
        self.catch_up()
        late = [tap.on_assistant_audio for tap in self._taps if tap.lingers]
        self._tell(late, item_id, content_index, pcm)

    def on_event(self, event: Mapping[str, Any]) -> None:
        self.catch_up()
        self._tell(self._event, event)

    def on_client_event(self, event: Mapping[str, Any]) -> None:
        self.catch_up()
        self._tell(self._client_event, event)

    def on_played(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self.catch_up()
        self._tell(self._played, item_id, content_index, audio_end_ms)

    def on_end(self, record: EndRecord) -> None:
        """The call is over. Taps that linger are told later, by `close`."""
        self._record = record
        self.catch_up()
        self._tell([tap.on_end for tap in self._taps if not tap.lingers], record)
        self._watch([tap for tap in self._taps if tap.lingers])

    def close(self) -> None:
        """Nothing more comes from the provider: tell the taps that linger of the end."""
        self.catch_up()
        if self._record is not None:
            self._tell([tap.on_end for tap in self._taps], self._record)
            self._watch(())

    def _tell(self, methods: Sequence[Callable[..., None]], *args: object) -> None:
        for method in methods:
            try:
                method(*args)
            except Exception:
                self._failed(method)

    def _failed(self, method: Callable[..., None]) -> None:
        # A tap that fails on every frame would flood the log: say it on 1, 2, 4, 8, ...
        self.errors += 1
        if self.errors & (self.errors - 1) == 0:
            name = getattr(method, "__qualname__", "?")
            logger.exception("tap %s failed (%d failures so far)", name, self.errors)


def _of(taps: Sequence[Tap], name: str) -> list[Callable[..., None]]:
    """The method `name` of all taps that override it. The others are not called at all, because
    audio comes fifty times a second."""
    usual = getattr(Tap, name)
    return [getattr(tap, name) for tap in taps if getattr(type(tap), name) is not usual]
