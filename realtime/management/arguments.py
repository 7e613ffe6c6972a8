"""Arguments that several commands have: `day` and `port` are for argparse's `type`."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date

from django.core.management.base import CommandError


def day(text: str) -> date:
    """A day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day: write YYYY-MM-DD") from None


def port(text: str) -> int:
    """A TCP port; 0 means any free one."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535")
    return int(text)


def check_span(first: date | None, last: date | None) -> None:
    """Raises CommandError when `--to` is before `--from`."""
    if first and last and last < first:
        raise CommandError(f"--to {last} is before --from {first}.")
