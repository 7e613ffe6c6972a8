"""What models cost: list, import and set prices, and ask what the past would have cost."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.utils import timezone

from realtime.management.arguments import check_span, day
from realtime.models import Price, Provider
from realtime.money import seeds
from realtime.money.prices import without_price
from realtime.money.pricing import RATES, Prices, plain
from realtime.money.repricing import what_if
from realtime.money.waiting_prices import waits


class Command(BaseCommand):
    help = (
        "List what models cost. --import brings in the prices that NextVoice comes with (or those "
        "of a file); --set MODEL text_in=4 audio_in=32 ... sets a price of your own, which wins; "
        "--what-if says what the past would have cost at the prices of now, or at given ones. "
        f"Rates: {', '.join(RATES)}; tokens and characters are per million."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--import", nargs="?", const=str(seeds.SHIPPED), metavar="FILE")
        doing.add_argument("--from-genai", action="store_true", help="make that file anew")
        doing.add_argument("--set", nargs="+", metavar=("MODEL", "RATE=AMOUNT"))
        doing.add_argument("--what-if", nargs="*", metavar="MODEL [RATE=AMOUNT]")
        parser.add_argument("--provider", help="name of the provider; without it, of all")
        parser.add_argument("--kind", choices=Price.Kind.values, default=Price.Kind.REALTIME.value)
        parser.add_argument("--currency", default="USD")
        parser.add_argument("--since", type=day, help="YYYY-MM-DD; without it, from now on")
        parser.add_argument("--from", type=day, help="first day of --what-if (UTC)")
        parser.add_argument("--to", type=day, help="last day of --what-if (UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["import"]:
            self._import(Path(options["import"]))
        elif options["from_genai"]:
            self._from_genai()
        elif options["set"]:
            self._set(options)
        elif options["what_if"] is not None:
            self._what_if(options)
        else:
            self._list()

    def _import(self, path: Path) -> None:
        try:
            added = seeds.seed(seeds.load(path)) + seeds.seed_embedded()
        except (OSError, ValueError) as problem:
            raise CommandError(f"{path} cannot be read: {problem}") from None
        self.stdout.write(f"{added} prices added")

    def _from_genai(self) -> None:
        try:
            told = seeds.from_genai()
        except ImportError:
            raise CommandError("genai-prices is not installed: pip install genai-prices") from None
        seeds.SHIPPED.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        self.stdout.write(f"{len(told['prices'])} prices of {told['source']} in {seeds.SHIPPED}")

    def _set(self, options: dict[str, Any]) -> None:
        model, *rates = options["set"]
        since = options["since"]
        price = Price(
            provider=self._provider(options["provider"]),
            model=model.strip(),
            kind=options["kind"],
            currency=options["currency"],
            since=datetime(since.year, since.month, since.day, tzinfo=UTC)
            if since
            else timezone.now(),
            source=Price.Source.ADMIN,
            **_rates(rates),
        )
        try:
            price.full_clean()
            price.save()
        except ValidationError as problem:
            raise CommandError("; ".join(problem.messages)) from None
        except IntegrityError:
            raise CommandError("There is such a price since then already.") from None
        self.stdout.write(f"{price} since {price.since:%Y-%m-%d %H:%M} UTC: {_shown(price)}")
        for words in filter(None, (price.lacking(), waits(price))):
            self.stdout.write(words)

    def _provider(self, name: str | None) -> Provider | None:
        if not name:
            return None
        found = list(Provider.objects.filter(name=name)[:2])
        if len(found) != 1:
            raise CommandError(f"There is {'no' if not found else 'more than one'} provider {name}")
        return found[0]

    def _what_if(self, options: dict[str, Any]) -> None:
        check_span(options["from"], options["to"])
        prices = None
        if options["what_if"]:
            model, *rates = options["what_if"]
            prices = {model: Prices(**_rates(rates), currency=options["currency"])}
        found = what_if(options["from"], options["to"], prices)
        groups = [each for each in found if prices is None or each.model in prices]
        self.stdout.write("provider\tmodel\tkind\trows\tunpriced\twas\twould_be\tdifference")
        if not found:
            self.stderr.write("Nothing was used in this period.")
        elif not groups:
            used = ", ".join(sorted({each.model for each in found}))
            self.stderr.write(f"{options['what_if'][0]} was not used in this time, but {used}.")
        for each in groups:
            would = "unpriced" if each.would is None else f"{plain(each.would)} "
            difference = "" if each.difference is None else plain(each.difference)
            self.stdout.write(
                f"{each.provider}\t{each.model}\t{each.kind}\t{each.rows}\t{each.unpriced}\t"
                f"{plain(each.was)} {each.was_currency}\t{would}{each.would_currency}\t{difference}"
            )

    def _list(self) -> None:
        for price in Price.objects.select_related("provider").order_by("model", "kind", "since"):
            where = price.provider.name if price.provider else price.dialect or "any"
            self.stdout.write(
                f"{price.model}\t{price.kind}\t{where}\t{price.source}\t"
                f"{price.since:%Y-%m-%d}\t{price.currency}\t{_shown(price)}"
            )
        for missing in without_price():
            self.stdout.write(
                f"{missing.model}\t{missing.kind}\t{missing.provider.name}\tWITHOUT A PRICE"
            )


def _rates(given: list[str]) -> dict[str, Decimal]:
    rates = {}
    for each in given:
        name, _, amount = each.partition("=")
        if name not in RATES:
            raise CommandError(f"{name} is no rate; these are: {', '.join(RATES)}")
        try:
            rates[name] = Decimal(amount)
        except InvalidOperation:
            raise CommandError(f"Write {name}=AMOUNT: {amount!r} is no number") from None
        if not rates[name].is_finite() or rates[name] < 0:
            raise CommandError(f"{amount} is no price")
    return rates


def _shown(price: Price) -> str:
    rates = price.prices().rates().items()
    return " ".join(f"{name}={plain(rate)}" for name, rate in rates if rate is not None)
