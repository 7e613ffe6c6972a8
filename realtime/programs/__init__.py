"""Programs of ours that run beside the site, and end with it.

- `beside`: how the site starts one and asks it
- `program`, `database_program`: how one answers
- `priority`: who goes first on a core
"""
