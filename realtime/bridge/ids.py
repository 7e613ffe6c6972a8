"""Fresh identifiers in the shape providers use."""

from __future__ import annotations

import secrets


def new_id(kind: str) -> str:
    """`kind_` and 20 random hex digits; at most 32 characters for kinds of up to 11."""
    return f"{kind}_{secrets.token_hex(10)}"
