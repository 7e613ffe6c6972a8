"""Providers and their models: how they are set up, whose they are, and whether they answer.

- `preset`, `presets`: the services we know, for filling the form
- `tidy`, `forms`, `model_forms`, `scripted_setup`: from what an admin or a command says to rows
- `availability`, `own`: which models a person may use, and the pages of keys that people bring
- `targets`, `endpoints`, `circuits`: from a row to a connection, where it may lead, and when not
- `connection_test`, `connection_views`: one connection tried step by step
- `describe`: what people are told of a model
- `admin`: all of it in Django's admin
"""
