"""Create, change, test, list and remove providers from a script."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.bridge.dialects import DIALECTS
from realtime.models import Provider
from realtime.providers import tidy
from realtime.providers.connection_test import model_of, prepare, told, verdict
from realtime.providers.scripted_setup import Wish, Wrong, account_of, apply, find, remove

COLUMNS = ("organization", "project", "workspace", "deployment", "api_version")


class Command(BaseCommand):
    help = (
        "Create or change a provider of realtime voices and its models; doing it again changes "
        "nothing. Addresses on this machine and in private networks are allowed. The key is read "
        "from a variable or from standard input, never from the command line, and never shown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        # Names are kept stripped, and are looked up as they are kept.
        parser.add_argument("name", nargs="?", type=str.strip, help="the provider's name")
        parser.add_argument("--url", help="wss://… of the endpoint, or embedded:")
        parser.add_argument(
            "--dialect", choices=sorted(DIALECTS), help="default: by the address, else openai_ga"
        )
        parser.add_argument("--account", metavar="SLUG", help="of this account, not of the site")
        key = parser.add_mutually_exclusive_group()
        key.add_argument("--key-env", metavar="VAR", help="the variable that holds the key")
        key.add_argument("--key-stdin", action="store_true", help="read the key's line")
        for name in COLUMNS:
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT")
        parser.add_argument(
            "--header-env",
            action="append",
            default=[],
            metavar="NAME=VAR",
            help="a further header, with the variable that holds its value; replaces those there",
        )
        parser.add_argument(
            "--private",
            action=BooleanOptionalAction,
            help="whether it may be in the own network; default: yes",
        )
        parser.add_argument(
            "--enabled", action=BooleanOptionalAction, help="whether calls may use it"
        )
        self._add_model_arguments(parser)
        do = parser.add_mutually_exclusive_group()
        do.add_argument("--list", action="store_true", help="list providers, or this one")
        do.add_argument("--remove", action="store_true", help="remove it, or with --model those")
        do.add_argument("--test", action="store_true", help="then test the connection")
        parser.add_argument("--json", action="store_true", help="--list or --test as JSON")

    def _add_model_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--model",
            action="append",
            type=str.strip,
            default=[],
            metavar="M",
            help="again for more",
        )
        parser.add_argument("--default", action="store_true", help="calls take the first --model")
        parser.add_argument(
            "--voice", action="append", metavar="V", help="of each --model; the default first"
        )
        parser.add_argument("--label", help="what people see for the model")
        parser.add_argument("--transcription-model", metavar="M")
        parser.add_argument("--instructions", metavar="TEXT")
        parser.add_argument(
            "--feature",
            action="append",
            default=[],
            metavar="NAME=JSON",
            help="such as 'speed=[0.5,1.5]' or 'turn_detection=[\"none\"]'",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(options)
        except Wrong as problem:
            raise CommandError(str(problem)) from None

    def _handle(self, options: dict[str, Any]) -> None:
        name = options["name"]
        if options["list"]:
            self._list(name, options["account"], options["json"])
            return
        if not name:
            raise CommandError("Name the provider, or use --list.")
        if options["remove"]:
            self._say(remove(name, options["account"], options["model"]))
            return
        wish = _wish(options)
        # Asked for nothing but a test, it changes nothing either.
        if not options["test"] or wish != Wish(name, wish.account, models=wish.models):
            done = apply(wish)
            if not options["json"]:
                self._say(done)
        if options["test"]:
            self._test(wish, options["json"])

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _list(self, name: str | None, account: str | None, as_json: bool) -> None:
        rows = Provider.objects.select_related("account").prefetch_related("models")
        if name:
            rows = rows.filter(name=name)
        if account:
            rows = rows.filter(account=account_of(account))
        found = [_shown(row) for row in rows.order_by("account__slug", "name")]
        if as_json:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
            return
        if not found:
            self.stdout.write("There are no providers.")
        for each in found:
            marks = [each["account"] or "site", each["dialect"], each["url"], _key_words(each)]
            marks += ["own key"] if each["own"] else []
            marks += [] if each["enabled"] else ["disabled"]
            self.stdout.write(f"{each['name']}  ({', '.join(marks)})")
            for model in each["models"]:
                self.stdout.write(f"  {model['name']}" + ("  default" * model["default"]))

    def _test(self, wish: Wish, as_json: bool) -> None:
        provider = find(wish.name, wish.account)
        if provider is None:
            raise CommandError(f"There is no provider {wish.name!r}.")
        wanted = {"name": wish.models[0]} if wish.models else {}
        if wanted and not provider.models.filter(**wanted).exists():
            raise CommandError(
                f"{provider.name!r} has no model {wish.models[0]!r}; without --test it is added."
            )
        test = prepare(model_of(provider, **wanted))
        if not asyncio.run(self._follow(test, as_json)):
            raise SystemExit(1)

    async def _follow(self, test: Any, as_json: bool) -> bool:
        ok = False
        async for step in test.steps(candid=True, user=None):
            ok = step.ok
            if as_json:
                self.stdout.write(json.dumps(told(step), ensure_ascii=False))
            else:
                self._show(told(step))
        if not as_json:
            self.stdout.write(verdict(ok))
        return ok

    def _show(self, step: dict[str, Any]) -> None:
        mark, time = "✓" if step["ok"] else "✕", "" if step["ms"] is None else f"{step['ms']} ms"
        self.stdout.write(f"{mark} {step['label']:<24}{time:>9}  {step['detail']}".rstrip())
        said = f"The service said: “{step['said']}”" if step["said"] else ""
        for line in (step["message"], said, step["remedy"]):
            if line:
                self.stdout.write(f"    {line}")
        self.stdout.flush()


def _wish(options: dict[str, Any]) -> Wish:
    fields = {name: tidy.tidied(options[name]) for name in COLUMNS if options[name] is not None}
    if options["enabled"] is not None:
        fields["enabled"] = options["enabled"]
    texts = ("label", "transcription_model", "instructions")
    model_fields = {name: options[name] for name in texts if options[name] is not None}
    if options["voice"] is not None:
        model_fields["voices"] = options["voice"]
    features = dict(_feature(each) for each in options["feature"])
    if (model_fields or features) and not options["model"]:
        raise Wrong("--voice, --label, --feature and the like need a --model.")
    return Wish(
        name=options["name"],
        account=options["account"],
        url=options["url"],
        dialect=options["dialect"],
        private=options["private"],
        key=_key(options),
        headers=dict(_header(each) for each in options["header_env"]),
        fields=fields,
        models=tuple(options["model"]),
        model_fields=model_fields,
        features=features,
        default=options["default"],
    )


def _key(options: dict[str, Any]) -> str | None:
    if options["key_stdin"]:
        key = sys.stdin.readline().strip()
        if not key:
            raise Wrong("--key-stdin: no key came.")
        return key
    return None if options["key_env"] is None else _variable("--key-env", options["key_env"])


def _header(text: str) -> tuple[str, str]:
    name, _, variable = text.partition("=")
    if not name or not variable:
        raise Wrong("--header-env: write NAME=VAR.")
    value = _variable("--header-env", variable)
    try:
        (pair,) = tidy.tidied_pairs(f"{name}: {value}", {}, reserved=tidy.RESERVED_HEADERS).items()
    except tidy.Untidy:
        raise Wrong(f"--header-env: {name} cannot be such a header.") from None
    return pair


def _variable(option: str, name: str) -> str:
    value = os.environ.get(name, "")
    if not value.strip():
        # A key given instead of a variable's name must not be repeated.
        told = name if name.isidentifier() and len(name) < 60 and name == name.upper() else "it"
        raise Wrong(f"{option}: {told} is not set in the environment.")
    return value


def _feature(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise Wrong(f"--feature: write {name or 'NAME'}=JSON.") from None


def _shown(row: Provider) -> dict[str, Any]:
    return {
        "name": row.name,
        "account": row.account.slug if row.account else None,
        "own": row.own,
        "dialect": row.dialect,
        "url": row.url,
        "has_key": bool(row.sealed_key),
        "key_end": row.key_end,
        "enabled": row.enabled,
        "private": row.may_be_private,
        "models": [
            {"name": model.name, "label": model.label, "default": model.default}
            for model in row.models.all()
        ],
    }


def _key_words(row: dict[str, Any]) -> str:
    if not row["has_key"]:
        return "no key"
    return f"key …{row['key_end']}" if row["key_end"] else "key set"
