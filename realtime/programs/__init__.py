"""Programs of ours that run beside the site, and end with it.

- `beside`: how the site starts a program and asks it
- `program`, `database_program`: how a program answers
- `priority`: scheduling priorities
"""
