"""What `manage.py serve` runs: one process, or a supervisor and its workers.

supervisor ── listening socket, embedded provider's address ──> worker (pages and calls) x N
     ├─ chores (janitor and budget alerts), once
     └─ embedded provider, once

- `supervisor`, `child`: keep these processes alive, and one process from start to end
- `worker`: serves pages and calls; `garbage` and `heap` tune its memory, `figures` its metrics
- `chores`, `chores_program`: what is done once for all workers
"""
