"""The provider languages we speak, by name."""

from __future__ import annotations

from .base import Dialect
from .openai_ga import OpenAIGA
from .target import Target, Timeouts
from .traits import Traits

DIALECTS: dict[str, type[Dialect]] = {OpenAIGA.name: OpenAIGA}
"""Every dialect by its name; a new one is added here."""


def traits_of(name: str) -> Traits:
    """What the dialect of this name can do. Raises `KeyError` for an unknown name."""
    return DIALECTS[name].traits


def dialect_for(target: Target) -> Dialect:
    """A fresh dialect for one upstream session. Raises `KeyError` for an unknown name."""
    return DIALECTS[target.dialect]()


__all__ = ["DIALECTS", "Dialect", "Target", "Timeouts", "Traits", "dialect_for", "traits_of"]
