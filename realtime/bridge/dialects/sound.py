"""Converts between our audio, PCM16 at 24 kHz, and a provider's format and rate on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import g711
from ..audio import RATE
from ..resample import Resampler
from .traits import Traits

PCM = "audio/pcm"
RATES = range(4_000, 192_001)


@dataclass(frozen=True, slots=True)
class Wire:
    """The audio of one direction on the wire: a GA format name and samples per second."""

    form: str = PCM
    rate: int = RATE
    plain: bool = field(init=False)
    """Whether this is PCM16 at 24 kHz, so that nothing is converted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", self.form == PCM and self.rate == RATE)


class Sound:
    """Both directions of one upstream session.

    A session's configuration asks for formats, but those that the provider then reports count. The
    microphone's stream is cut only where its format changes, so that the provider's milliseconds
    are the call's.
    """

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self._ears = self._ears_before = Wire(rate=traits.input_rate)
        self._mouth = self._mouth_asked = Wire(rate=traits.output_rate)
        self._to_wire = Resampler(RATE, self._ears.rate)
        self._from_wire = Resampler(self._mouth.rate, RATE)
        self._answer: Wire | None = None  # the response's own format, if it has one
        self._heard: tuple[str, int] | None = None  # item and content index of audio inside

    # Microphone

    def to_wire(self, pcm: bytes) -> bytes:
        """Microphone audio as the provider wants it."""
        return pcm if self._ears.plain else self._law(self._to_wire.feed(pcm))

    def rest(self) -> bytes:
        """The microphone audio still inside the resampler; to be sent before a turn ends."""
        return self._law(self._to_wire.flush())

    def _law(self, pcm: bytes) -> bytes:
        return pcm if self._ears.form == PCM else g711.encode(pcm, self._ears.form)

    def _listen(self, wire: Wire) -> None:
        if wire != self._ears:
            self._ears, self._to_wire = wire, Resampler(RATE, wire.rate)

    # Configuration

    def asks(self, session: Mapping[str, Any]) -> None:
        """A configuration is being sent: from now on the microphone's audio has its format."""
        audio = _inner(session, "audio")
        if (form := _form(audio, "input")) is not None:
            self._ears_before = self._ears
            self._listen(self._wire(form, self._traits.input_rate))
        if (form := _form(audio, "output")) is not None:
            self._mouth_asked = self._wire(form, self._traits.output_rate)

    def refused(self) -> None:
        """The configuration asked for last was refused."""
        self._listen(self._ears_before)
        self._mouth_asked = self._mouth

    def told(self, session: Mapping[str, Any], *, accepted: bool) -> None:
        """The provider reports its configuration; `accepted`: in answer to ours."""
        audio = _inner(session, "audio")
        if accepted:
            self._mouth = self._mouth_asked
            self._ears_before = self._ears
        self._listen(self._told(audio, "input", self._ears))
        self._mouth = self._told(audio, "output", self._mouth)

    def answers(self, response: Mapping[str, Any]) -> None:
        """A response begins; it may have an audio format of its own."""
        told = self._told(_inner(response, "audio"), "output", self._mouth)
        self._answer = None if told == self._mouth else told

    def _told(self, audio: Mapping[str, Any], side: str, now: Wire) -> Wire:
        told = _inner(_inner(audio, side), "format")
        form = told.get("type")
        if form in g711.LAWS:
            return Wire(form, g711.RATE)
        if form != PCM:
            return now
        rate = told.get("rate")
        usual = self._traits.input_rate if side == "input" else self._traits.output_rate
        return Wire(PCM, rate if type(rate) is int and rate in RATES else usual)

    def _wire(self, form: str, rate: int) -> Wire:
        return Wire(form, g711.RATE) if form in g711.LAWS else Wire(PCM, rate)

    # Answers

    @property
    def speaks_plainly(self) -> bool:
        """Whether the answer's audio comes as PCM16 at 24 kHz."""
        return (self._answer or self._mouth).plain

    def from_wire(self, place: tuple[str, int], data: bytes) -> bytes:
        """An answer's audio as PCM16 at 24 kHz. `place`: its item and content index."""
        wire = self._answer or self._mouth
        if wire.plain:
            return data
        if place != self._heard:
            self._heard, self._from_wire = place, Resampler(wire.rate, RATE)
        return self._from_wire.feed(data if wire.form == PCM else g711.decode(data, wire.form))

    def unfinished(self) -> tuple[str, int] | None:
        """The item and content index whose audio is still partly inside the resampler."""
        return self._heard

    def finish(self) -> bytes:
        """The rest of the answer's audio; the resampler is empty afterwards."""
        self._heard = None
        return self._from_wire.flush()


def ours(session: dict[str, Any]) -> None:
    """Make a provider's session or response, in GA's form, describe audio as it is on our side: PCM
    at 24 kHz."""
    for side in ("input", "output"):
        inner = _inner(_inner(session, "audio"), side)
        if _inner(inner, "format").get("type") == PCM:
            inner["format"] = {"type": PCM, "rate": RATE}


def _form(audio: Mapping[str, Any], side: str) -> str | None:
    form = _inner(_inner(audio, side), "format").get("type")
    return form if isinstance(form, str) else None


def _inner(outer: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = outer.get(name)
    return value if isinstance(value, dict) else {}
