"""Quotas, and the places that running calls take, in Django's admin."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from chats.admin import Kept
from chats.admin_fields import Autocompletes
from chats.models import Account, User
from realtime.models import Lease, Quota
from realtime.money.books import Books, Used
from realtime.money.prices import reporting_currency
from realtime.money.pricing import plain

CENT = Decimal("0.01")


@admin.register(Quota)
class QuotaAdmin(Autocompletes, admin.ModelAdmin):
    list_display = ["__str__"]
    list_select_related = ["account", "user"]
    search_fields = ["account__name", "user__username", "user__email"]
    autocomplete_fields = ["account", "user"]
    fieldsets = [
        (
            _("Whose"),
            {
                "fields": ["account", "user"],
                "description": _(
                    "Of all quotas that hold for a call (the site's, its account's, its person's) "
                    "the tightest wins. A change holds within seconds, in running calls as well."
                ),
            },
        ),
        (
            _("Money"),
            {
                "fields": ["money_per_day", "money_per_month", "unpriced_allowed"],
                "description": _(
                    "Days and months begin at midnight UTC. Empty: no limit. The site's limits are "
                    "about its own providers; keys that accounts brought cost it nothing."
                ),
            },
        ),
        (
            _("Calls"),
            {
                "fields": ["minutes_per_day", "calls_at_once", "call_minutes", "idle_minutes"],
                "description": _(
                    "People are warned a minute before a call reaches its time limit. Idle minutes "
                    "override the site's setting CALL_IDLE_SECONDS."
                ),
            },
        ),
    ]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """One reading of the books for the whole page."""

        @cache
        def books() -> Books:
            return Books([], timezone.now(), locking=False)

        return ["__str__", *_columns(lambda quota: books().used(quota))]


def _columns(used: Callable[[Quota], Used]) -> list[Callable[[Quota], str]]:
    @admin.display(description=_("money today"))
    def money_today(quota: Quota) -> str:
        return _bar(used(quota).money_day, quota.money_per_day, reporting_currency())

    @admin.display(description=_("money this month"))
    def money_this_month(quota: Quota) -> str:
        return _bar(used(quota).money_month, quota.money_per_month, reporting_currency())

    @admin.display(description=_("minutes today"))
    def minutes_today(quota: Quota) -> str:
        return _bar(used(quota).minutes_day, quota.minutes_per_day)

    @admin.display(description=_("calls now"))
    def calls_now(quota: Quota) -> str:
        return _bar(Decimal(used(quota).calls), quota.calls_at_once)

    @admin.display(description=_("longest call (minutes)"))
    def longest(quota: Quota) -> str:
        return str(quota.call_minutes or "-")

    return [money_today, money_this_month, minutes_today, calls_now, longest]


def _bar(used: Decimal, most: Decimal | int | None, unit: str = "") -> str:
    """How much of how much, with a bar where there is a limit."""
    shown = plain(used.quantize(CENT)) if unit else str(int(used))
    if most is None:
        return f"{shown} {unit}".strip()
    limit = plain(most) if isinstance(most, Decimal) else str(most)
    words = f"{shown} / {limit} {unit}".strip()
    part = min(Decimal(1), used / most) if most else Decimal(1)
    bar = '<meter min="0" max="1" low="0.8" high="0.999" optimum="0" value="{}"></meter>'
    return format_html(bar + "<br>{}", f"{part:.3f}", words)


@admin.register(Lease)
class LeaseAdmin(Kept):
    """Read-only: a call gives its place back itself, and a dead one's expires."""

    list_display = ["call_id", "person", "account", "began", "amount", "heartbeat"]
    search_fields = ["=call_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lease]:
        people = User.objects.filter(pk=OuterRef("user_id")).values("username")[:1]
        accounts = Account.objects.filter(pk=OuterRef("account_id")).values("name")[:1]
        leases: QuerySet[Lease] = super().get_queryset(request)
        return leases.annotate(person_=Subquery(people), account_=Subquery(accounts))

    @admin.display(description=_("person"), ordering="person_")
    def person(self, lease: Lease) -> str:
        return getattr(lease, "person_", None) or f"#{lease.user_id}"

    @admin.display(description=_("account"), ordering="account_")
    def account(self, lease: Lease) -> str:
        return getattr(lease, "account_", None) or f"#{lease.account_id}"

    @admin.display(description=_("reserved"), ordering="reserved")
    def amount(self, lease: Lease) -> str:
        return f"{plain(lease.reserved)} {reporting_currency()}"
