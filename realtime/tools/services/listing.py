"""What a service offers now, compared with what an admin has seen of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from django.db import transaction
from django.utils import timezone

from realtime.models import ToolFunction, ToolService
from realtime.outbound import Destination, NoAnswer, fetch
from realtime.tools.services import images
from realtime.tools.services.document import MOST_BYTES, BadDocument
from realtime.tools.services.openapi import Function, read
from realtime.tools.services.results import ServiceFailed
from realtime.tools.services.run import mcp_client

MOST_PROBLEMS = 50


@dataclass(slots=True)
class Changes:
    """Names of functions, by what happened to them."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


async def fetched(to: Destination) -> str:
    """A document from its address. Raises ServiceFailed."""
    try:
        answer = await fetch(to, "GET", headers={"Accept": "application/json, */*"})
    except NoAnswer as problem:
        raise ServiceFailed(str(problem)) from None
    if answer.status != 200:
        raise ServiceFailed(f"HTTP {answer.status}")
    if len(answer.data) > MOST_BYTES:
        raise ServiceFailed("it is too large")
    return answer.data.decode("utf-8", "replace")


async def listed(service: ToolService, to: Destination) -> tuple[list[Function], list[str]]:
    """The functions of a service as it offers them now, and what is wrong with others.

    Raises ServiceFailed.
    """
    if service.kind == ToolService.Kind.IMAGES:
        return [images.FUNCTION], []
    if service.kind == ToolService.Kind.OPENAPI:
        try:
            document = read(service.document, service.url)
        except BadDocument as problem:
            raise ServiceFailed(str(problem)) from None
        return document.functions, document.problems
    mcp = await mcp_client()
    try:
        functions, problems = await mcp.functions(to)
    except NoAnswer as problem:
        raise ServiceFailed(str(problem)) from None
    return list(functions), list(problems)


def store(service: ToolService, functions: Sequence[Function], problems: Sequence[str]) -> Changes:
    """Store what a service offers. New functions wait to be chosen; changed or removed ones are not
    chosen any more until somebody has looked at them."""
    changes = Changes()
    with transaction.atomic():
        known = {row.name: row for row in service.functions.select_for_update()}
        for function in functions:
            _keep(service, function, known.pop(function.name, None), changes)
        for row in known.values():
            if row.state != ToolFunction.State.GONE:
                changes.gone.append(row.name)
            row.state, row.chosen = ToolFunction.State.GONE, False
            row.save(update_fields=["state", "chosen"])
        service.problems = list(problems)[:MOST_PROBLEMS]
        service.refreshed = timezone.now()
        service.save(update_fields=["problems", "refreshed"])
    return changes


def _keep(
    service: ToolService, function: Function, row: ToolFunction | None, changes: Changes
) -> None:
    printed = fingerprint(function)
    if row is None:
        changes.new.append(function.name)
        # There is only one way to make pictures, and whoever adds the service wants it.
        at_once = service.kind == ToolService.Kind.IMAGES
        row = ToolFunction(service=service, name=function.name, chosen=at_once)
        row.ask = not function.read_only
    elif row.fingerprint != printed:
        changes.changed.append(function.name)
        row.state, row.chosen = ToolFunction.State.CHANGED, False
    elif row.state == ToolFunction.State.GONE:
        changes.new.append(function.name)
        row.state = ToolFunction.State.NEW
    row.fingerprint, row.call = printed, function.call
    row.description, row.parameters = function.description, function.parameters
    row.save()


def fingerprint(function: Function) -> str:
    """Identifies a description, schema and way of calling."""
    told = [function.description, function.parameters, function.call]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
