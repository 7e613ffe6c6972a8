"""How many cases a property is tried with."""

from __future__ import annotations

import os


def examples(thorough: int, quick: int = 3) -> int:
    """All of them in CI; few on a developer's machine, where the answer is wanted at once."""
    return thorough if os.environ.get("CI") == "true" else min(thorough, quick)
