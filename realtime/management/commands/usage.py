"""What was used and what it cost, as in the reports."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chats.models import Account, User
from realtime.management.arguments import check_span, day
from realtime.models import Provider, Usage
from realtime.models.money import Source
from realtime.money.report_files import Cell, cells, columns, csv_pieces, text_of
from realtime.money.report_filters import Filters
from realtime.money.reports import BY, call_lines, lines


class Command(BaseCommand):
    help = (
        "What was used and what it cost, in days of UTC. One row per group; a group that has "
        "amounts in a currency without an exchange rate has a row for each such currency. An "
        "empty cost: nothing of it has a price. --csv prints every column, otherwise those that "
        "are 0 everywhere are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", type=day, help="first day, YYYY-MM-DD")
        parser.add_argument("--to", type=day, help="last day, YYYY-MM-DD; it is included")
        parser.add_argument("--by", choices=[*BY, "person"], default="day")
        parser.add_argument("--csv", action="store_true", help="print CSV, every column")
        parser.add_argument("--account", help="slug of an account")
        parser.add_argument("--user", help="name of a person")
        parser.add_argument("--provider", help="name of a provider")
        parser.add_argument("--model", help="a model, as the provider writes it")
        parser.add_argument("--kind", choices=Usage.Kind.values)
        parser.add_argument("--status", choices=Usage.Status.values)
        parser.add_argument("--source", choices=Source.values)

    def handle(self, *args: Any, **options: Any) -> None:
        check_span(options["from"], options["to"])
        by = "user" if options["by"] == "person" else options["by"]
        filters = _filters(options)
        found = call_lines(filters) if by == "call" else lines(by, filters)
        rows = (cells(by, line) for line in found)
        if options["csv"]:
            for piece in csv_pieces(columns(by), rows):
                self.stdout.write(piece.decode("utf-8-sig"), ending="")
        else:
            self._table(columns(by), list(rows))

    def _table(self, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        kept = [
            at
            for at, name in enumerate(head)
            if name in ("cost", "currency") or any(row[at] for row in rows)
        ]
        kept = kept if rows else list(range(len(head)))
        texts = [[head[at] for at in kept], *([text_of(row[at]) for at in kept] for row in rows)]
        widths = [max(len(row[at]) for row in texts) for at in range(len(kept))]
        numbers = [rows and not isinstance(rows[0][at], str | date) for at in kept]
        for row in texts:
            shown = (
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(row, widths, numbers, strict=True)
            )
            self.stdout.write("  ".join(shown).rstrip())
        if not rows:
            self.stderr.write("Nothing was used in this period.")


def _filters(options: dict[str, Any]) -> Filters:
    given: dict[str, Any] = {name: options[name] for name in ("model", "kind", "status", "source")}
    if options["account"]:
        given["account"] = _one(Account.objects.filter(slug=options["account"]), "account")
    if options["user"]:
        given["user"] = _one(User.objects.filter(username=options["user"]), "person")
    if options["provider"]:
        given["provider"] = str(_one(Provider.objects.filter(name=options["provider"]), "provider"))
    return Filters(since=options["from"], until=options["to"], **given)


def _one(found: Iterable[Any], what: str) -> Any:
    rows = list(found)
    if len(rows) != 1:
        raise CommandError(f"There is {'no' if not rows else 'more than one'} {what} of this name.")
    return rows[0].pk
