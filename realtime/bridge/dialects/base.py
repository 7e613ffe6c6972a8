"""The interface of a dialect, which translates between a provider's wire protocol and GA."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from ..events import Event
from ..writer import Frame
from .target import Target
from .traits import Traits

AUDIO_DELTA = "response.output_audio.delta"
"""Inside the bridge this event carries PCM `bytes` in its `delta`, not base64."""

RENEW = "nextvoice.renew"
"""Inside the bridge: the session should be replaced within so many `seconds`, at a quiet moment,
because its provider said so or because settings changed that apply to a session's whole life."""

SPENT = "nextvoice.spent"
"""Inside the bridge: what the answer `response_id` used, in the provider's words as `raw_usage`,
reported after its end with this `status`. For taps only."""

TAKEN_BACK = "nextvoice.taken_back"
"""Inside the bridge: the function calls `call_ids` are not wanted any more. For taps only."""

OPENING_IDS = "nextvoice_open_"
"""Event ids of opening frames start with this, which tells whether an error is about one."""
OPENING = f"{OPENING_IDS}session"
"""The event id of the session's configuration."""


class Dialect(Protocol):
    """One provider's wire protocol, for one upstream session; it may keep state.

    The call knows GA events only. For a protocol without responses and items a dialect makes them
    up; for one with another sample rate it resamples. It never waits or does I/O.
    """

    name: ClassVar[str]
    traits: ClassVar[Traits]
    history_mode: ClassVar[Literal["items", "packed"]]
    """How a session is told the conversation before it: as messages of both sides, or as one system
    message, for models that answer in text after text."""
    subprotocols: Sequence[str]
    skipped: int
    """Frames and events dropped so far: unknown, broken or repeated."""

    recalls: bool
    """Whether the provider itself remembers the session before."""

    waits_for_tools: ClassVar[bool]
    """Whether it is silent while a function it called runs."""

    @property
    def hears_from(self) -> int | None:
        """Where somebody seems to speak of whom the provider has told nothing yet, in ms of the
        audio sent; None where it tells at once, or nobody does."""

    def succeed(self, handle: str | None, told: bool) -> None:
        """Called first: the handle of the session before this one, to go on from, and whether
        `opening` will tell a conversation."""

    def handle(self) -> str | None:
        """A handle with which another session could go on exactly where this one is, if the
        provider keeps sessions; None while it would miss something that was said."""

    def url(self, target: Target) -> str:
        """The WebSocket URL with its query."""

    def headers(self, target: Target) -> Mapping[str, str]:
        """The handshake's headers, the key among them."""

    def greeting(self, session: Mapping[str, Any]) -> Iterable[Frame]:
        """Frames to send at once, for providers that wait for the client to speak first."""

    def taken(self, item_ids: Collection[str]) -> None:
        """Ids of items in earlier sessions and calls, given before `opening`: no new item may have
        one of them, except those that the provider is told itself."""

    def opening(
        self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
    ) -> Iterable[Frame]:
        """Frames to send once the session exists: its GA configuration, then GA items of
        `history`, oldest first."""

    def decode(self, frame: Frame) -> Iterable[Event]:
        """The GA events of one received frame, complete: ids and indexes filled, audio as PCM
        bytes. The session's start is `session.created`. Never raises on bad input.

        `response.usage` and a transcription's `usage` are in GA's spelling. If the provider reports
        something else, or no usage of a transcription (for which GA requires one), the event's
        `raw_usage` has its own object, or None.
        """

    def more_audio(self, frame: Frame) -> tuple[Event, bytes] | None:
        """A fast path, tried before `decode`: if the frame only has more audio for the part of an
        answer whose audio `decode` returned last, that event and the new PCM. None: `decode` it."""

    def encode(self, event: Mapping[str, Any]) -> Iterable[Frame]:
        """The frames for one GA client event other than an audio append."""

    def answers(self) -> Sequence[Event]:
        """GA events with which the dialect itself answers what it was last given to encode, in
        place of the provider; fetched after each `encode` and `audio`. Each is returned once."""

    def audio(self, pcm: bytes) -> Iterable[Frame]:
        """The frames that carry microphone audio; none while a resampler still gathers."""
