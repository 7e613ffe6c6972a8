"""Prove that the books agree."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from realtime.models import Provider
from realtime.money import provider_costs, reconciling, rollups
from realtime.money.pricing import plain


class Command(BaseCommand):
    help = (
        "Prove that the ledger, the daily sums, the sums of calls and the places of running calls "
        "agree to the last digit, and list what belongs to nothing. Exits with 1 when our books "
        "do not agree. --openai compares with a costs export of OpenAI's, by day and model: "
        "differences are listed, and are no error of ours."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fix-rollups", action="store_true", help="make the daily sums anew")
        parser.add_argument("--openai", metavar="FILE", help="costs export, JSON or CSV")
        parser.add_argument("--provider", help="name of whose costs they are; else all of OpenAI")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["provider"] and not options["openai"]:
            raise CommandError("--provider says whose costs the file of --openai has: give both.")
        beside = self._beside(options) if options["openai"] else []
        if options["fix_rollups"]:
            self.stdout.write(f"{rollups.rebuild()} daily sums made anew")
        wrong = 0
        for finding in reconciling.findings():
            wrong += finding.wrong
            self.stdout.write(f"{'WRONG  ' if finding.wrong else '       '}{finding.text}")
        for each in beside:
            self.stdout.write(
                f"{each.day}\t{each.model or 'all models'}\t{each.currency}\t"
                f"ours {plain(each.ours)}\ttheirs {plain(each.theirs)}\t"
                f"difference {plain(each.difference)}"
            )
        if wrong:
            self.stderr.write(f"{wrong} differences. --fix-rollups makes the daily sums anew.")
            sys.exit(1)
        self.stdout.write("The books agree.")

    def _beside(self, options: dict[str, Any]) -> list[provider_costs.Beside]:
        path, name = Path(options["openai"]), options["provider"]
        try:
            told = provider_costs.read(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise CommandError(f"{path} cannot be read: {problem}") from None
        named = Provider.objects.filter(name=name) if name else Provider.objects.none()
        if name and not named:
            raise CommandError(f"There is no provider {name}.")
        found = named if name else Provider.objects.filter(dialect="openai_ga")
        return provider_costs.beside(told, {str(each.pk) for each in found})
