"""OpenAI Realtime GA: the call's own protocol, so little is translated and much is checked."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..words import gettext_noop as _
from .json_dialect import JsonDialect
from .target import Target
from .traits import Traits

LAWS = ("audio/pcm", "audio/pcmu", "audio/pcma")


class OpenAIGA(JsonDialect):
    """The GA dialect for one upstream session."""

    name: ClassVar[str] = "openai_ga"
    history_mode: ClassVar[Literal["items", "packed"]] = "items"
    complete: ClassVar[bool] = True
    traits: ClassVar[Traits] = Traits(
        label=_("OpenAI (GA)"),
        url_hint="wss://api.openai.com/v1/realtime",
        auth="Authorization: Bearer KEY",
        formats=LAWS,
        noise_reduction=True,
        speed=True,
        images=True,
        mcp=True,
        further=("*",),
        usage="tokens by modality, cached ones too; transcription in tokens or seconds",
        asks=("organization", "project"),
        note=_("OpenAI Realtime GA, and servers that speak it without quirks."),
    )

    def identity(self, target: Target) -> dict[str, str]:
        headers = super().identity(target)
        if target.organization:
            headers["OpenAI-Organization"] = target.organization
        if target.project:
            headers["OpenAI-Project"] = target.project
        return headers
