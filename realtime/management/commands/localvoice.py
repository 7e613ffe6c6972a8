"""Run the embedded provider alone."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.local.__main__ import arguments, run
from realtime.management.arguments import port


class Command(BaseCommand):
    help = "Run the embedded realtime provider alone, without the site."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=port, default=8911, help="TCP port; 0 finds a free one")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")

    def handle(self, *args: Any, **options: Any) -> None:
        options_ = arguments(["--host", options["host"], "--port", str(options["port"])])
        try:
            asyncio.run(run(options_))
        except OSError as problem:
            where = f"{options['host']}:{options['port']}"
            raise CommandError(f"Cannot listen on {where}: {problem}") from None
