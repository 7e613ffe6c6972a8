"""One call of a service's function, from the row to the result."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.db.models import BigIntegerField, QuerySet
from django.utils import timezone

from chats.models import Account, User
from realtime.bridge.tools import Result, ToolFailed
from realtime.db import in_database
from realtime.models import Price, ToolFunction, ToolService
from realtime.models.tools import ToolServiceQuerySet
from realtime.money.allowance import tariff_at
from realtime.money.ledger import IMAGES, Entry, Payer
from realtime.money.meter import charge
from realtime.money.prices import price_for
from realtime.money.quota_words import over_words
from realtime.money.quotas import look
from realtime.money.terms import NOTHING, OverQuota, Wish
from realtime.money.usage import Counts
from realtime.outbound import Destination, NoAnswer, fetch
from realtime.prepared import Given, Prepared
from realtime.providers import endpoints
from realtime.sealing import SealBroken
from realtime.tools.registry import Where
from realtime.tools.services import images
from realtime.tools.services.request import request_for
from realtime.tools.services.results import ServiceFailed, of_files, result_of
from realtime.tools.services.schema import check

A_PICTURE = Counts(text_in=100, other_out=1_000)
"""Roughly what a picture costs: for asking quotas before one is made."""
UNREACHABLE = "The service could not be reached."
"""One text for whatever is in the way, so that nobody learns about our network from it."""


@dataclass(slots=True)
class Trace:
    """What an admin's test shows of a call besides its result. `status`: in a few words."""

    target: str = ""
    status: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    @property
    def ms(self) -> int:
        """How long the service took."""
        return round(1000 * ((self.ended or time.monotonic()) - self.began))


@dataclass(frozen=True, slots=True)
class Plan:
    """A function of a service as it is now, how to reach it, for whom, and in which call."""

    function: ToolFunction
    to: Destination
    account: Account
    user: User
    call_id: uuid.UUID | None = None

    @property
    def service(self) -> ToolService:
        return self.function.service


@dataclass(frozen=True, slots=True)
class ServiceTool:
    """A service's function as a call offers it. Its row is read again for each call, so that admins
    can switch it off at once."""

    function: ToolFunction
    account_pk: int | None

    @property
    def name(self) -> str:
        return self.function.offered_name

    @property
    def label(self) -> str:
        return self.function.name

    @property
    def about(self) -> str:
        return self.function.description.split("\n")[0][:200]

    @property
    def group(self) -> str:
        return self.function.service.name

    @property
    def ask(self) -> bool:
        return self.function.ask

    @property
    def seconds(self) -> float | None:
        return seconds_of(self.function.service)

    @property
    def offer(self) -> dict[str, Any]:
        return self.function.offer

    async def answer(self, where: Where, arguments: dict[str, Any]) -> Result:
        """Do what a model asks for. Raises ToolFailed."""
        assert self.account_pk is not None, "only listed"
        plan = await in_database(plan_for, self.function.pk, self.account_pk, where)
        try:
            return await run(plan, arguments)
        except ServiceFailed as problem:
            await in_database(note_failure, self.function.pk, problem.reason)
            raise


def _chosen(services: ToolServiceQuerySet) -> QuerySet[ToolFunction]:
    rows = ToolFunction.objects.filter(service__in=services, chosen=True)
    return rows.select_related("service").order_by("service__name", "name")


_chosen_for = Prepared(
    lambda: _chosen(ToolService.objects.of(Account(pk=Given("account", BigIntegerField()))))
)


def offered_to(account: Account | None) -> list[ServiceTool]:
    """The chosen functions of the services that are on for an account; None: for any."""
    if account is None:
        return [ServiceTool(row, None) for row in _chosen(ToolService.objects.filter(enabled=True))]
    return [ServiceTool(row, account.pk) for row in _chosen_for.all(account=account.pk)]


def seconds_of(service: ToolService) -> float | None:
    """How long a call may take, if that is longer than usual."""
    return images.SECONDS if service.kind == ToolService.Kind.IMAGES else None


def plan_for(function_pk: int, account_pk: int, where: Where) -> Plan:
    """The plan of a chosen function for a person in an account. Raises ServiceFailed when it is
    gone."""
    account, user = Account.objects.get(pk=account_pk), User.objects.get(pk=where.user_pk)
    chosen = ToolFunction.objects.filter(
        pk=function_pk, chosen=True, service__in=ToolService.objects.of(account)
    )
    row = chosen.select_related("service").first()
    if row is None:
        raise ServiceFailed("it is switched off", "This function was switched off.")
    return Plan(row, destination(row.service), account, user, where.call_id)


def destination(service: ToolService) -> Destination:
    """How a service is reached. Raises ServiceFailed."""
    try:
        secret = service.secret()
    except SealBroken:
        raise ServiceFailed("its secret cannot be opened") from None
    return Destination(service.url, endpoints.vouched_url(service.url), secret)


async def run(plan: Plan, arguments: Mapping[str, Any], trace: Trace | None = None) -> Result:
    """Call the function. Raises ToolFailed for arguments that do not fit, otherwise
    ServiceFailed."""
    trace = trace or Trace()
    given = {name: value for name, value in arguments.items() if value is not None}
    if plan.service.kind == ToolService.Kind.OPENAPI:
        known = plan.function.parameters.get("properties", {})
        given = {name: value for name, value in given.items() if name in known}
    await asyncio.to_thread(check, given, plan.function.parameters)
    trace.target, trace.began = plan.service.url, time.monotonic()
    try:
        result = await _KINDS[plan.service.kind](plan, given, trace)
    except NoAnswer as problem:
        trace.status = str(problem)
        raise ServiceFailed(str(problem), UNREACHABLE) from None
    except ServiceFailed as problem:
        trace.status = problem.reason
        raise
    finally:
        trace.ended = time.monotonic()
    trace.status = trace.status or "done"
    return result


async def _operation(plan: Plan, arguments: dict[str, Any], trace: Trace) -> Result:
    request = request_for(plan.service.url, plan.function.call, arguments)
    trace.target = f"{request.method} {request.url}"
    answer = await fetch(
        plan.to, request.method, request.url, headers=request.headers, body=request.body
    )
    trace.status = f"HTTP {answer.status}"
    return await asyncio.to_thread(result_of, answer, plan.to.secret.values())


async def _tool(plan: Plan, arguments: dict[str, Any], trace: Trace) -> Result:
    mcp = await mcp_client()
    result: Result = await mcp.call(plan.to, plan.function.call["tool"], arguments)
    return result


async def _image(plan: Plan, arguments: dict[str, Any], trace: Trace) -> Result:
    await in_database(_may_buy, plan)
    made = await images.make(plan.to, plan.service.model, arguments, _elsewhere)
    await charge(_entry(plan, made.usage))
    return of_files([made.picture])


def _may_buy(plan: Plan) -> None:
    """Raise ToolFailed when a quota leaves no money for a picture."""
    payer, now = _payer(plan), timezone.now()
    price = price_for(None, payer.dialect, _model(plan), Price.Kind.REALTIME, now)
    tariff = tariff_at(price, now)
    ahead = tariff.of([A_PICTURE])
    wish = Wish(uuid.uuid4(), payer.account_id, payer.user_id, NOTHING, ahead, payer.own)
    try:
        look(wish, now)
    except OverQuota as over:
        raise ToolFailed(" ".join(over_words(over, tariff.currency))) from None


_KINDS = {
    ToolService.Kind.OPENAPI.value: _operation,
    ToolService.Kind.MCP.value: _tool,
    ToolService.Kind.IMAGES.value: _image,
}


async def mcp_client() -> Any:
    """The module of MCP servers; importing it takes seconds, so that is done beside the loop."""
    return await asyncio.to_thread(import_module, "realtime.tools.services.mcp_client")


async def _elsewhere(url: str) -> Destination:
    """How to fetch a picture from where a service says it is: without the service's secret."""
    return Destination(url, await in_database(endpoints.vouched_url, url))


def _entry(plan: Plan, usage: Mapping[str, Any] | None) -> Entry:
    """The ledger's row of a picture."""
    return Entry(
        payer=_payer(plan),
        model=_model(plan),
        call_id=plan.call_id,
        upstream_session=f"image-{uuid.uuid4()}",
        key="image",
        raw=usage,
    )


def _payer(plan: Plan) -> Payer:
    return Payer(
        account_id=plan.account.pk,
        account_name=plan.account.name,
        user_id=plan.user.pk,
        user_name=plan.user.get_username(),
        provider_name=plan.service.name,
        dialect=IMAGES,
        own=plan.service.account_id is not None,
    )


def _model(plan: Plan) -> str:
    """The ledger's name for the model that makes pictures."""
    return plan.service.model or plan.service.name


def note_failure(function_pk: int, reason: str) -> None:
    """Keep why a function failed last, for the admin."""
    row = ToolFunction.objects.filter(pk=function_pk)
    row.update(last_error=reason[:200], last_failed=timezone.now())
