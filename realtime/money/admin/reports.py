"""The cost report in Django's admin: grouped, filtered, down to each ledger row, as files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _

from chats.downloads import sent
from chats.models import Account, User
from chats.paging import every
from realtime.models import Provider, Usage, VoiceModel
from realtime.models.money import Source
from realtime.money.charts import every_day, of_lines, shares
from realtime.money.prices import reporting_currency
from realtime.money.report_files import ROW, Cell, cells, columns, csv_pieces, row_cells
from realtime.money.report_filters import Filters
from realtime.money.reports import BY, TIMES, Line, call_ids, call_lines, lines, totals

PAGE = 50
ROWS = "row"
"""Not a grouping: each row of the ledger."""
NEXT = {
    "day": "user",
    "week": "day",
    "month": "day",
    "account": "user",
    "user": "call",
    "provider": "model",
    "model": "call",
    "call": ROWS,
}
"""The grouping that a click on a line leads to."""
AT_ONCE = 2000
"""Ledger rows that are read at a time for a file."""
NAMED = 300
"""How many names are offered while one is typed."""


class CostReport:
    """Mixin of the ledger's admin: `admin:usage_report`, and its files at `usage_report_file`."""

    def get_urls(self) -> list[Any]:
        wrap: Any = self.admin_site.admin_view  # type: ignore[attr-defined]
        return [
            path("report/", wrap(self.report_view), name="usage_report"),
            path("report/file/", wrap(self.file_view), name="usage_report_file"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def report_view(self, request: HttpRequest) -> TemplateResponse:
        """The report that the query asks for."""
        self._check(request)
        by, filters, problems = asked(request.GET)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": _("Usage and cost"),
            "opts": Usage._meta,
            "by": by,
            "filters": filters,
            "problems": problems,
            "query": query_of(by, filters),
            "totals": totals(filters),
            "groupings": [(each, label) for each, label in groupings()],
            "spans": spans(by, filters),
            **choices(filters),
            **_listed(request, by, filters),
        }
        return TemplateResponse(request, "admin/realtime/usage/report.html", context)

    def file_view(self, request: HttpRequest) -> Any:
        """The whole report as `?format=csv` or xlsx; 400 where part of the query is not understood:
        a file of everything would be taken for the one that was asked for."""
        self._check(request)
        by, filters, problems = asked(request.GET)
        if problems:
            return HttpResponseBadRequest(
                "\n".join(problems), content_type="text/plain; charset=utf-8"
            )
        name = f"usage-by-{by}"
        if request.GET.get("format") == "xlsx":
            from realtime.money.report_xlsx import XLSX, xlsx_pieces

            pieces = xlsx_pieces(name, columns(by), _rows(by, filters))
            return sent(request, pieces, f"{name}.xlsx", XLSX, "usage.exported")
        pieces = csv_pieces(columns(by), _rows(by, filters))
        return sent(request, pieces, f"{name}.csv", "text/csv", "usage.exported")

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied


def groupings() -> list[tuple[str, str]]:
    """The groupings by name, with their labels."""
    return [
        ("day", _("Day")),
        ("week", _("Week")),
        ("month", _("Month")),
        ("account", _("Account")),
        ("user", _("Person")),
        ("provider", _("Provider")),
        ("model", _("Model")),
        ("call", _("Call")),
        (ROWS, _("Ledger row")),
    ]


def asked(query: Any) -> tuple[str, Filters, list[str]]:
    """Grouping and filters of a query, and what is wrong with it. Without days: this month."""
    by = query.get("by", "day")
    by = by if by in (*BY, ROWS) else "day"
    problems: list[str] = []
    given: dict[str, Any] = {}
    today = datetime.now(UTC).date()
    given["since"], given["until"] = asked_span(query, problems)
    if "from" not in query and "to" not in query:
        given["since"], given["until"] = today.replace(day=1), today
    if text := query.get("account", "").strip():
        given["account"] = _found(Account.objects.filter(name=text), text, problems)
    if text := query.get("user", "").strip():
        given["user"] = _found(User.objects.filter(username=text), text, problems)
    for name, allowed in (
        ("kind", Usage.Kind.values),
        ("status", Usage.Status.values),
        ("source", Source.values),
    ):
        given[name] = _chosen(query.get(name), allowed, problems)
    given["model"] = query.get("model", "").strip() or None
    if text := query.get("provider", "").strip():
        given["provider"] = "" if text == NOBODY else text if _uuid(text) else None
        if given["provider"] is None:
            problems.append(_("“%(text)s” is not a provider's id.") % {"text": text})
    if text := query.get("call", "").strip():
        given["call"] = _uuid(text)
        if given["call"] is None:
            problems.append(_("“%(text)s” is not a call's id.") % {"text": text})
    return by, Filters(**given), problems


NOBODY = "none"


def asked_span(query: Any, problems: list[str]) -> tuple[date | None, date | None]:
    """The first and the last day that a query asks for; adds to `problems` what is wrong with
    them."""
    since, until = (_day(query.get(name), problems) for name in ("from", "to"))
    if since and until and until < since:
        problems.append(_("The last day is before the first one."))
    return since, until


def _day(text: str | None, problems: list[str]) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        problems.append(_("“%(text)s” is not a day: write it as 2026-11-30.") % {"text": text})
        return None


def _chosen(text: str | None, allowed: Sequence[str], problems: list[str]) -> str | None:
    if text and text not in allowed:
        problems.append(_("“%(text)s” is not one of the choices.") % {"text": text})
        return None
    return text or None


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _found(named: Any, text: str, problems: list[str]) -> int:
    """The id for a name, or for `#id`, as links have it."""
    if text.startswith("#") and text[1:].isascii() and text[1:].isdigit() and len(text) < 19:
        return int(text[1:])
    found: list[int] = list(named.values_list("pk", flat=True)[:2])
    if len(found) == 1:
        return found[0]
    if found:
        problems.append(_("Several are called “%(text)s”; follow a link instead.") % {"text": text})
    else:
        problems.append(_("Nobody is called “%(text)s”.") % {"text": text})
    return -1  # matches nobody: an answer about everybody would look like one about them


def query_of(by: str, filters: Filters) -> str:
    """The query that asks for this report."""
    return urlencode(
        {
            "by": by,
            "from": filters.since or "",
            "to": filters.until or "",
            **({} if filters.account is None else {"account": f"#{filters.account}"}),
            **({} if filters.user is None else {"user": f"#{filters.user}"}),
            **({} if filters.provider is None else {"provider": filters.provider or NOBODY}),
            **{
                name: value
                for name in ("model", "kind", "status", "source", "call")
                if (value := getattr(filters, name))
            },
        }
    )


def spans(by: str, filters: Filters) -> list[tuple[str, str, bool]]:
    """The usual periods: label, query, and whether it is the one that is shown."""
    today = datetime.now(UTC).date()
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    found = [
        (_("Today"), today, today),
        (_("7 days"), today - timedelta(days=6), today),
        (_("This month"), month, today),
        (_("Last month"), before.replace(day=1), before),
        (_("This year"), today.replace(month=1, day=1), today),
        (_("Always"), None, None),
    ]
    shown = (filters.since, filters.until)
    return [
        (label, query_of(by, replace(filters, since=since, until=until)), shown == (since, until))
        for label, since, until in found
    ]


def choices(filters: Filters) -> dict[str, Any]:
    """What the filters' fields offer and contain."""
    account = Account.objects.filter(pk=filters.account).first() if filters.account else None
    user = User.objects.filter(pk=filters.user).first() if filters.user else None
    return {
        "account_shown": account or ("" if filters.account is None else f"#{filters.account}"),
        "user_shown": user or ("" if filters.user is None else f"#{filters.user}"),
        "accounts": Account.objects.order_by("name").values_list("name", flat=True)[:NAMED],
        "users": User.objects.order_by("username").values_list("username", flat=True)[:NAMED],
        "providers": Provider.objects.order_by("name")[:NAMED],
        "model_names": VoiceModel.objects.order_by("name").values_list("name", flat=True)[:NAMED],
        "kinds": Usage.Kind.choices,
        "statuses": Usage.Status.choices,
        "sources": Source.choices,
    }


def _listed(request: HttpRequest, by: str, filters: Filters) -> dict[str, Any]:
    """The lines or ledger rows to show, and the chart above them."""
    page: Any
    if by == ROWS:
        page = Paginator(filters.ledger().order_by("-created", "pk"), PAGE).get_page(_at(request))
        return {"page": page, "rows": [(row, _json(row.raw), _json(row.rates)) for row in page]}
    if by == "call":
        page = Paginator(call_ids(filters), PAGE).get_page(_at(request))
        found = list(call_lines(filters, list(page)))
        return {"page": page, "lines": _linked(by, filters, found)}
    found = lines(by, filters)
    currency, chart = reporting_currency(), None
    if by == "day" and found:
        first = max(filters.since or found[0].key, found[-1].key - timedelta(days=365))
        last = min(filters.until or found[-1].key, first + timedelta(days=365))
        chart = every_day(found, first, last, currency)
    elif by in TIMES:
        chart = of_lines(found, currency)
    page = Paginator(found, 10 * PAGE).get_page(_at(request))
    return {"page": page, "lines": _linked(by, filters, list(page)), "chart": chart}


def _at(request: HttpRequest) -> str:
    return request.GET.get("page", "1")


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=1, ensure_ascii=False)


def _linked(by: str, filters: Filters, found: Sequence[Line]) -> list[tuple[Line, str, str]]:
    """Each line with its bar's width in percent, and the query that shows its details."""
    return [
        (line, share, query_of(NEXT[by], _into(by, filters, line)) if _opens(by, line) else "")
        for line, share in shares(found)
    ]


def _opens(by: str, line: Line) -> bool:
    return by != "call" or line.key is not None


def _into(by: str, filters: Filters, line: Line) -> Filters:
    """The filters that find only the usage of a line."""
    if by not in TIMES:
        return replace(filters, **{by: line.key})
    last = line.key
    if by == "week":
        last = line.key + timedelta(days=6)
    elif by == "month":
        last = (line.key + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    since = max(line.key, filters.since or line.key)
    return replace(filters, since=since, until=min(last, filters.until or last))


def _rows(by: str, filters: Filters) -> Iterable[list[Cell]]:
    """The rows of a file."""
    if by == ROWS:
        found = filters.ledger().only("pk", *ROW)
        return (row_cells(row) for row in every(found, ("created", "pk"), AT_ONCE))
    listed = call_lines(filters) if by == "call" else lines(by, filters)
    return (cells(by, line) for line in listed)
