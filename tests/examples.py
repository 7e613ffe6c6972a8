"""The number of examples for property-based tests."""

from __future__ import annotations

import os


def examples(thorough: int, quick: int = 3) -> int:
    """All of them in CI; only a few on a developer's machine, where results should come quickly."""
    return thorough if os.environ.get("CI") == "true" else min(thorough, quick)
