"""The provider languages we speak, by name."""

from __future__ import annotations

from .base import Dialect
from .openai_ga import OpenAIGA
from .target import Target, Timeouts

DIALECTS: dict[str, type[Dialect]] = {OpenAIGA.name: OpenAIGA}
"""Every dialect by its name; a new one is added here."""


def dialect_for(target: Target) -> Dialect:
    """A fresh dialect for one upstream session. Raises `KeyError` for an unknown name."""
    return DIALECTS[target.dialect]()


__all__ = ["DIALECTS", "Dialect", "Target", "Timeouts", "dialect_for"]
