"""Calls in Django's admin: past ones, and live ones in every process, which can be hung up."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from chats import audit
from chats.admin import Kept
from chats.admin_lists import LongList
from realtime.bridge.ends import ENDS
from realtime.calls.audience import ask_to_end
from realtime.calls.elsewhere import OPEN, ask
from realtime.calls.janitor import DEAD_SECONDS
from realtime.models import CallRecord, Usage
from realtime.models.exact import ExactSum

MOST = 500
"""Calls on the page, oldest first: those are the ones that may have been forgotten."""
PERMISSION = "realtime.supervise_calls"
TITLES = "chats.view_conversation"

Cost = tuple[Decimal | None, str]


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A row of the page. `silent`: its process has shown no sign of life for a while."""

    record: CallRecord
    title: str
    minutes: int
    costs: list[Cost]
    silent: bool


def live_calls(now: datetime, *, titles: bool) -> list[LiveCall]:
    """The open calls, oldest first. `titles`: whether conversations may be named."""
    rows = CallRecord.objects.filter(state__in=OPEN).order_by("started")
    records = list(rows.select_related("user", "account", "conversation", "token")[:MOST])
    costs = _costs([record.pk for record in records])
    return [
        LiveCall(
            record=record,
            title=str(record.conversation) if titles and record.conversation else "",
            minutes=max(0, (now - record.started) // timedelta(minutes=1)),
            costs=costs[record.pk],
            silent=now - record.heartbeat > timedelta(seconds=DEAD_SECONDS),
        )
        for record in records
    ]


def _costs(call_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Cost]]:
    rows = Usage.objects.filter(call_id__in=call_ids).order_by().values_list("call_id", "currency")
    costs: dict[uuid.UUID, list[Cost]] = defaultdict(list)
    for call_id, currency, cost in rows.annotate(ExactSum("cost")):
        costs[call_id].append((cost, currency))
    return costs


END_WORDS = {
    # The messages of `ENDS` speak to the person in the call; admins read about somebody else.
    "hang_up": _("It was hung up."),
    "signed_out": _("The person was signed out."),
    "slow_reader": _("The person's connection was too slow for it."),
    "internal_error": _("Something went wrong in this site."),
    # What the janitor found.
    "process_died": _("The process that it ran in died."),
}


def ended_by(reason: str) -> str:
    """What ended a call, in words; an unknown reason, of another version, is returned as it is."""
    if reason in END_WORDS:
        return str(END_WORDS[reason])
    return gettext(ENDS[reason].message) if reason in ENDS else reason


class EndedBy(admin.SimpleListFilter):
    """Calls that ended for one reason."""

    title = _("ended by")
    parameter_name = "end_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(reason, ended_by(reason)) for reason in dict.fromkeys((*ENDS, *END_WORDS))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(end_reason=self.value()) if self.value() else queryset


@admin.register(CallRecord)
class CallRecordAdmin(Kept, LongList):
    """Calls, and the page of those that run now. Rows cannot be deleted: quotas and reports count
    the minutes of past calls."""

    list_display = [
        "started",
        "user",
        "account",
        "provider_name",
        "model_name",
        "state",
        "ended_by",
        "length",
    ]
    list_filter = ["state", EndedBy, "started"]
    list_select_related = ["user", "account"]
    search_fields = ["id", "user__username", "user__email", "conversation__id", "end_detail"]
    date_hierarchy = "started"
    fields = [
        "conversation",
        ("user", "account"),
        ("provider", "token"),
        ("provider_name", "model_name"),
        "state",
        ("ended_by", "end_detail"),
        ("started", "connected", "ended"),
        ("duration_ms", "spoken_ms", "answered_ms"),
        ("worker", "heartbeat"),
    ]
    readonly_fields = ["ended_by"]

    @admin.display(description=_("ended by"), ordering="end_reason")
    def ended_by(self, call: CallRecord) -> str:
        return ended_by(call.end_reason)

    @admin.display(description=_("length"), ordering="duration_ms")
    def length(self, call: CallRecord) -> str:
        seconds = call.duration_ms // 1000
        return f"{seconds // 60}:{seconds % 60:02d}"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("live/", wrap(require_safe(self.live_view)), name="live_calls"),
            path("live/rows/", wrap(require_safe(self.live_rows_view)), name="live_calls_rows"),
            path("live/<uuid:pk>/hang-up/", wrap(require_POST(self.hang_up_view)), name="hang_up"),
            *super().get_urls(),
        ]

    def live_view(self, request: HttpRequest) -> TemplateResponse:
        """The whole page."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Live calls"),
            "opts": CallRecord._meta,
            **self._rows(request),
        }
        return TemplateResponse(request, "admin/realtime/callrecord/live.html", context)

    def live_rows_view(self, request: HttpRequest) -> TemplateResponse:
        """The part of the page that changes."""
        template = "admin/realtime/callrecord/_live_rows.html"
        return TemplateResponse(request, template, self._rows(request))

    def hang_up_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """End a call. The person is told that an administrator did."""
        self._check(request)
        call = CallRecord.objects.filter(pk=pk).select_related("account", "user").first()
        if call is None:
            raise Http404
        ask(str(pk), "admin_ended")
        place = str(call.conversation_id or pk)
        async_to_sync(ask_to_end)(place, str(pk), "admin_ended")
        audit.record(
            "call.hung_up",
            actor=request.user,
            account=call.account,
            target=call,
            request=request,
            call=str(pk),
        )
        messages.success(
            request, _("The call of %(person)s is being ended.") % {"person": call.user}
        )
        return redirect("admin:live_calls")

    def _rows(self, request: HttpRequest) -> dict[str, Any]:
        self._check(request)
        titles = request.user.has_perm(TITLES)
        calls = live_calls(timezone.now(), titles=titles)
        return {"calls": calls, "titles": titles, "most": MOST if len(calls) == MOST else None}

    def _check(self, request: HttpRequest) -> None:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
