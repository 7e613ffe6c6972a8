"""Azure OpenAI preview: the beta API at `/openai/realtime?api-version=&deployment=`.

Deprecated since 30 April 2026; a resource that has the GA form should use it. It requires both
modalities and refuses `["audio"]`. Source: Microsoft's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ..words import gettext_noop as _
from .azure_ga import azure_identity
from .openai_beta import Beta
from .target import Target
from .traits import Traits

API_VERSION = "2025-04-01-preview"


class AzurePreview(Beta):
    """Azure OpenAI in its preview form."""

    name: ClassVar[str] = "azure_preview"
    path: ClassVar[tuple[str, str]] = ("/openai", "/realtime")
    traits: ClassVar[Traits] = Traits(
        label=_("Azure OpenAI (preview)"),
        url_hint="wss://RESOURCE.openai.azure.com/openai/realtime",
        auth="api-key: KEY, or Authorization: Bearer ENTRA_TOKEN",
        formats=("audio/pcm", "audio/pcmu", "audio/pcma"),
        noise_reduction=True,
        speed=True,
        usage="tokens by modality; cached ones perhaps not by modality",
        asks=("deployment", "api_version"),
        note=_("Deprecated by Azure since April 2026. Use Azure OpenAI where you can."),
    )

    def query(self, target: Target) -> Mapping[str, str]:
        return {
            "api-version": target.api_version or API_VERSION,
            "deployment": target.deployment or target.model,
        }

    def identity(self, target: Target) -> dict[str, str]:
        return azure_identity(target)
