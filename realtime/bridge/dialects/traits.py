"""What a dialect can do: one frozen record per dialect class, read by forms and the call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """What providers that speak a dialect can do.

    What is False or absent is not sent to them, or done by the bridge itself. Strings for people
    are English, marked for translation.
    """

    label: str
    """The dialect's name for people."""
    url_hint: str
    """The usual endpoint; words in capitals are to be replaced."""
    auth: str
    """How the key is sent: `Authorization: Bearer KEY`, `api-key: KEY`."""
    turn_detection: tuple[str, ...] = ("server_vad", "semantic_vad")
    """Kinds that the provider has; if there are none, the bridge detects turns itself."""
    input_rate: int = 24_000
    """Samples per second of microphone audio on the wire (`audio/pcm`)."""
    output_rate: int = 24_000
    """Samples per second of answers on the wire (`audio/pcm`)."""
    formats: tuple[str, ...] = ("audio/pcm",)
    """GA audio formats on the wire; the browser's leg is always `audio/pcm` at 24 kHz."""
    transcription: bool = True
    """Whether the transcription model and language can be chosen."""
    noise_reduction: bool = False
    speed: bool = False
    instructions: bool = True
    text: bool = True
    """Whether it can answer in writing."""
    images: bool = False
    tools: bool = True
    mcp: bool = False
    """Whether the provider calls MCP servers itself, as GA's tools of type `mcp` ask it to."""
    truncate: bool = True
    """`conversation.item.truncate`; without it the bridge answers."""
    retrieve: bool = True
    """`conversation.item.retrieve`; without it the bridge answers from the items it saw."""
    item_create: bool = True
    """`conversation.item.create`; without it history goes into the instructions."""
    further: tuple[str, ...] = ()
    """Other GA session fields that it takes; `*`: all of them."""
    usage: str = "tokens"
    """Which usage is reported, in words."""
    asks: tuple[str, ...] = ()
    """Fields of a `Target` that the dialect uses, besides url, model and key."""
    note: str = ""
    """What an admin should know, and where the facts come from."""

    @property
    def own_turns(self) -> bool:
        """Whether the bridge has to detect turns."""
        return not self.turn_detection
