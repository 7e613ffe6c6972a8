"""Functions of other services: what they are, how they are called, and what comes of it.

document -> openapi ─┐
mcp ─────────────────┤ listed, chosen by an admin (models.tools) ── run ── request -> results
images ──────────────┘
"""
