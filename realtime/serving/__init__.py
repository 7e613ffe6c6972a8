"""What `manage.py serve` runs: one process, or a supervisor and its workers.

supervisor ── listening socket, embedded provider's address ──> worker (pages and calls) x N
     ├─ chores (janitor and budget alerts), once
     └─ embedded provider, once
"""
