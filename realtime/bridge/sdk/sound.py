"""A program's audio, converted from and to the core's PCM16 at 24 kHz.

The provider's side does not change: a program's formats only apply between it and us.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import g711
from ..audio import RATE, SAMPLE_BYTES
from ..events import Event, Problem
from ..resample import Resampler
from .session import PCM, Formats, formats_of

LAW_TIMES = SAMPLE_BYTES * RATE // g711.RATE
"""Bytes of PCM16 at 24 kHz for one byte of G.711."""


class Rest(NamedTuple):
    """The end of an answer's audio, in the program's format. `place`: the item and indexes."""

    place: Event
    data: bytes


class Sound:
    """Both directions of one program's call."""

    def __init__(self, formats: Formats) -> None:
        self.formats = self._before = formats
        self._asked: str | None = None
        self._ears = Resampler(g711.RATE, RATE)
        self._mouth = Resampler(RATE, g711.RATE)
        self._place: Event = {}

    # Settings

    def ask(self, session: Mapping[str, Any], event_id: str) -> None:
        """Apply a checked change of the session, to everything that is sent after it."""
        formats = formats_of(session, self.formats)
        if formats != self.formats:
            self._before, self._asked = self.formats, event_id
            self._set(formats)

    def refused(self, event_id: str | None) -> None:
        """The provider refused the change with this id, so all of it is undone."""
        if event_id is not None and event_id == self._asked:
            self._asked = None
            self._set(self._before)

    def _set(self, formats: Formats) -> None:
        if formats.input != self.formats.input:
            self._ears = Resampler(g711.RATE, RATE)
        self.formats = formats

    # From the program

    def size(self, data: bytes) -> int:
        """How many bytes this is as PCM16 at 24 kHz."""
        return len(data) * (1 if self.formats.input == PCM else LAW_TIMES)

    def check(self, data: bytes) -> None:
        """Raise `Problem` unless it can be audio in the program's format."""
        if self.formats.input == PCM and len(data) % SAMPLE_BYTES:
            raise Problem("invalid_audio", "PCM16 audio has an even number of bytes.", "audio")

    def take(self, data: bytes) -> bytes:
        """The next piece of microphone audio as PCM16 at 24 kHz."""
        law = self.formats.input["type"]
        return data if law not in g711.LAWS else self._ears.feed(g711.decode(data, law))

    def rest(self) -> bytes:
        """The microphone audio still inside the resampler: the turn is over."""
        return self._ears.flush()

    def whole(self, data: bytes) -> bytes:
        """A separate recording as PCM16 at 24 kHz."""
        law = self.formats.input["type"]
        if law not in g711.LAWS:
            return data
        ears = Resampler(g711.RATE, RATE)
        return ears.feed(g711.decode(data, law)) + ears.flush()

    # To the program

    def give(self, place: Event, pcm: bytes) -> bytes:
        """A piece of the answer at this place, in the program's format. Call `finish` first if the
        place has changed."""
        law = self.formats.output["type"]
        if law not in g711.LAWS:
            return pcm
        self._place = place
        return g711.encode(self._mouth.feed(pcm), law)

    def finish(self) -> Rest | None:
        """The rest of the last answer's audio, if there is any."""
        place, self._place = self._place, {}
        pcm, law = self._mouth.flush(), self.formats.output["type"]
        return Rest(place, g711.encode(pcm, law)) if place and pcm and law in g711.LAWS else None
