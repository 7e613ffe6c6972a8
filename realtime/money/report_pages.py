"""Usage pages: a person's own, and an account's for its managers. Everything else is 404."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from chats.asking import person_of
from chats.downloads import sent
from chats.models import Conversation
from realtime.models import CallRecord
from realtime.money.charts import every_day, shares
from realtime.money.prices import reporting_currency
from realtime.money.quota_summary import quota_summary
from realtime.money.report_files import cells, columns, csv_pieces
from realtime.money.report_filters import Filters
from realtime.money.reports import Line, call_lines, lines, totals
from realtime.providers.availability import managed_account, managed_accounts

LATEST = 20
OWN = ("day", "model", "provider", "call")
OF_ACCOUNT = ("day", "user", "model", "provider", "call")


@require_safe
@login_required
def usage(request: HttpRequest) -> HttpResponse:
    """What the person used in a month, through any account."""
    person = person_of(request)
    filters = _month(request, Filters(user=person.pk))
    calls = _latest(filters, Filters(user=person.pk))
    seen = Conversation.objects.visible_to(person)
    linked = set(
        seen.filter(pk__in=[_conversation(call) for call in calls]).values_list("pk", flat=True)
    )
    context = {
        **_context(filters, OWN),
        "calls": [(call, _conversation(call) in linked) for call in calls],
        "quota": quota_summary(user=person),
        "teams": managed_accounts(person).exclude(owner=person),
    }
    return render(request, "realtime/usage/own.html", context)


@require_safe
@login_required
def account_usage(request: HttpRequest, slug: str) -> HttpResponse:
    """What an account's people used in a month, for its managers."""
    account = managed_account(request, slug)
    filters = _month(request, Filters(account=account.pk))
    context = {
        **_context(filters, OF_ACCOUNT),
        "account": account,
        "quota": quota_summary(account=account),
        "people": shares(lines("user", filters)),
        "calls": [(call, False) for call in _latest(filters, Filters(account=account.pk))],
    }
    return render(request, "realtime/usage/account.html", context)


@require_safe
@login_required
def usage_csv(request: HttpRequest) -> HttpResponse:
    """A month of the person's usage as CSV, grouped by `?by=`."""
    return _csv(request, Filters(user=person_of(request).pk), OWN, "usage")


@require_safe
@login_required
def account_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """A month of an account's usage as CSV, for its managers."""
    account = managed_account(request, slug)
    return _csv(request, Filters(account=account.pk), OF_ACCOUNT, f"usage-{account.slug}")


def _csv(request: HttpRequest, whose: Filters, allowed: Sequence[str], name: str) -> HttpResponse:
    by = request.GET.get("by", "day")
    if by not in allowed:
        raise Http404
    filters = _month(request, whose)
    found = call_lines(filters) if by == "call" else lines(by, filters)
    rows = (cells(by, line) for line in found)
    file = f"{name}-{filters.since:%Y-%m}-{by}.csv"
    answer: HttpResponse = sent(
        request, csv_pieces(columns(by), rows), file, "text/csv", "usage.exported"
    )
    return answer


def _context(filters: Filters, allowed: Sequence[str]) -> dict[str, Any]:
    assert filters.since and filters.until
    today = datetime.now(UTC).date()
    by_day = lines("day", filters)
    after = filters.until + timedelta(days=1)
    return {
        "month": filters.since,
        "before": (filters.since - timedelta(days=1)).replace(day=1),
        "after": after if after <= today else None,
        "totals": totals(filters),
        "chart": every_day(by_day, filters.since, filters.until, reporting_currency()),
        "days": by_day,
        "models": shares(lines("model", filters)),
        "files": allowed,
    }


def _month(request: HttpRequest, filters: Filters) -> Filters:
    """The filters for the month of `?month=YYYY-MM`, or for this one."""
    today = datetime.now(UTC).date()
    try:
        first = date.fromisoformat(f"{request.GET['month']}-01")
    except (KeyError, ValueError):
        first = today.replace(day=1)
    if not 2000 <= first.year <= today.year + 1:
        first = today.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return replace(filters, since=first, until=last)


def _latest(month: Filters, whose: Filters) -> list[Line]:
    """The month's latest calls, with all they cost."""
    calls = list(month.calls().order_by("-started").values_list("pk", flat=True)[:LATEST])
    return list(call_lines(whose, calls))


def _conversation(call: Line) -> Any:
    record: CallRecord | None = call.about.get("record")
    return record.conversation_id if record else None
