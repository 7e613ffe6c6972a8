"""The providers' wire protocols, by name."""

from __future__ import annotations

from .azure_ga import AzureGA
from .azure_preview import AzurePreview
from .base import Dialect
from .gemini import GeminiLive
from .glm import GLM
from .minimax import MiniMax
from .openai_beta import OpenAIBeta
from .openai_ga import OpenAIGA
from .qwen import Qwen
from .stepfun import StepFun
from .target import Target, Timeouts
from .traits import Traits
from .voice_live import VoiceLive
from .xai import XAI

_ALL: tuple[type[Dialect], ...] = (
    OpenAIGA,
    AzureGA,
    AzurePreview,
    VoiceLive,
    OpenAIBeta,
    XAI,
    GeminiLive,
    Qwen,
    MiniMax,
    GLM,
    StepFun,
)
DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in _ALL}
"""Every dialect by its name, in the order people are offered them; a new one is added here."""


def traits_of(name: str) -> Traits:
    """What the dialect of this name can do. Raises `KeyError` for an unknown name."""
    return DIALECTS[name].traits


def dialect_for(target: Target) -> Dialect:
    """A fresh dialect for one upstream session. Raises `KeyError` for an unknown name."""
    return DIALECTS[target.dialect]()


__all__ = ["DIALECTS", "Dialect", "Target", "Timeouts", "Traits", "dialect_for", "traits_of"]
