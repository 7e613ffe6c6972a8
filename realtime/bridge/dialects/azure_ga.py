"""Azure OpenAI GA: OpenAI's events at `/openai/v1/realtime?model=DEPLOYMENT`, with `api-key`.

A deployment is named in place of a model, for transcription too.
Source: Microsoft's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from ..words import gettext_noop as _
from .openai_ga import OpenAIGA
from .target import Target
from .traits import Traits


def azure_identity(target: Target) -> dict[str, str]:
    """The header for the key: `api-key`, or `Authorization` for an Entra ID token, a JWT."""
    if not target.key:
        return {}
    if target.key.startswith("eyJ") and target.key.count(".") == 2:
        return {"Authorization": f"Bearer {target.key}"}
    return {"api-key": target.key}


class AzureGA(OpenAIGA):
    """Azure OpenAI in its GA form."""

    name: ClassVar[str] = "azure_ga"
    path: ClassVar[tuple[str, str]] = ("/openai/v1", "/realtime")
    traits: ClassVar[Traits] = replace(
        OpenAIGA.traits,
        label=_("Azure OpenAI"),
        url_hint="wss://RESOURCE.openai.azure.com/openai/v1/realtime",
        auth="api-key: KEY, or Authorization: Bearer ENTRA_TOKEN",
        mcp=False,
        asks=("deployment",),
        note=_("A transcription model is named by its deployment, too."),
    )

    def query(self, target: Target) -> Mapping[str, str]:
        return {"model": target.deployment or target.model}

    def identity(self, target: Target) -> dict[str, str]:
        return azure_identity(target)
