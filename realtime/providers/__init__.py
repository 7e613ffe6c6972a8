"""Providers and their models: how they are set up, whose they are, and whether they answer.

- `presets`, `tidy`, `forms`, `scripted_setup`: from what an admin or a command says to rows
- `availability`, `own`: which models a person may use, and keys that people bring
- `targets`, `endpoints`, `circuits`: from a row to a connection, where it may lead, and when not
- `connection_test`, `connection_views`: one connection tried step by step
- `admin`: all of it in Django's admin
- `describe`: what people are told of a model
"""
