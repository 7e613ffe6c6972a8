"""Prices, exchange rates and the ledger in Django's admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from chats.admin import Kept
from chats.admin_fields import Autocompletes
from chats.admin_lists import LongList
from realtime.models import ExchangeRate, Price, Usage, UsageDay
from realtime.money.admin.reports import CostReport, asked_span
from realtime.money.prices import reporting_currency, without_price
from realtime.money.pricing import plain
from realtime.money.repricing import what_if
from realtime.money.waiting_prices import waits

GROUPS = [
    (_("text"), ("text_in", "text_cached", "text_out")),
    (_("audio"), ("audio_in", "audio_cached", "audio_out")),
    (_("images"), ("image_in", "image_cached")),
    (_("a minute"), ("per_minute",)),
    (_("a million characters"), ("per_million_characters",)),
    (_("a message"), ("per_message",)),
]
"""The order in which rates are listed: read, read again from a cache, written."""


@admin.register(Price)
class PriceAdmin(Autocompletes, admin.ModelAdmin):
    """Prices are added, not changed: a new row counts from its date on, and the ledger keeps the
    price of each row in any case. Prices that come with NextVoice are read-only."""

    change_list_template = "admin/realtime/price/change_list.html"
    list_display = ["model", "rates", "where", "day", "kind", "source"]
    list_filter = ["source", "kind", "currency", "provider", "dialect"]
    list_select_related = ["provider"]
    search_fields = ["model", "note", "provider__name"]
    autocomplete_fields = ["provider"]
    date_hierarchy = "since"
    fieldsets = [
        (None, {"fields": ["provider", "dialect", "model", "kind", "since", "currency", "note"]}),
        (
            _("Per million tokens"),
            {
                "fields": [
                    ("text_in", "text_cached", "text_out"),
                    ("audio_in", "audio_cached", "audio_out"),
                    ("image_in", "image_cached"),
                ]
            },
        ),
        (
            _("Other measures"),
            {"fields": [("per_minute", "per_million_characters", "per_message")]},
        ),
    ]

    @admin.display(description=_("provider"))
    def where(self, price: Price) -> str:
        if price.provider is not None:
            return price.provider.name
        return price.get_dialect_display() if price.dialect else str(_("any"))

    @admin.display(description=_("rates"))
    def rates(self, price: Price) -> str:
        given = {name: rate for name, rate in price.prices().rates().items() if rate is not None}
        if not any(given.values()):
            return str(_("free"))
        groups = [(label, [given[n] for n in names if n in given]) for label, names in GROUPS]
        return f"{price.currency} " + " · ".join(
            # No line breaks within a rate.
            f"{label} {' / '.join(map(plain, rates))}".replace(" ", "\N{NO-BREAK SPACE}")
            for label, rates in groups
            if rates
        )

    @admin.display(description=_("since"), ordering="since")
    def day(self, price: Price) -> str:
        return date_format(timezone.localtime(price.since), "SHORT_DATE_FORMAT")

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.source != Price.Source.SEED)

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.source != Price.Source.SEED)

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for words in filter(None, (obj.lacking(), waits(obj))):
            messages.warning(request, words)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"since": timezone.now(), **super().get_changeform_initial_data(request)}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"without_price": without_price(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.what_if_view)
        return [path("what-if/", view, name="realtime_price_what_if"), *super().get_urls()]

    def what_if_view(self, request: HttpRequest) -> TemplateResponse:
        """What the ledger's rows would have cost at today's prices."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        problems: list[str] = []
        since, until = asked_span(request.GET, problems)
        context = {
            **self.admin_site.each_context(request),
            "title": _("What if"),
            "opts": Price._meta,
            "since": since,
            "until": until,
            "problems": problems,
            "groups": what_if(since, until),
        }
        return TemplateResponse(request, "admin/realtime/price/what_if.html", context)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(admin.ModelAdmin):
    list_display = ["currency", "into", "since", "rate"]
    list_filter = ["currency", "into"]
    date_hierarchy = "since"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given = {"into": reporting_currency(), "since": timezone.now().date()}
        return {**given, **super().get_changeform_initial_data(request)}


@admin.register(Usage)
class UsageAdmin(CostReport, Kept, LongList):
    change_list_template = "admin/realtime/usage/change_list.html"
    list_display = [
        "created",
        "kind",
        "user_name",
        "account_name",
        "provider_name",
        "model",
        "amount",
        "source",
        "status",
    ]
    list_filter = ["source", "kind", "status", "created"]
    search_fields = [
        "=call_id",
        "user_name",
        "account_name",
        "provider_name",
        "model",
        "key",
        "upstream_session",
    ]
    date_hierarchy = "created"

    @admin.display(description=_("cost"), ordering="cost")
    def amount(self, row: Usage) -> str:
        return "" if row.cost is None else f"{plain(row.cost)} {row.currency}"


@admin.register(UsageDay)
class UsageDayAdmin(Kept, LongList):
    list_display = [
        "day",
        "account_name",
        "user_name",
        "provider_name",
        "model",
        "amount",
        "source",
        "rows",
    ]
    list_filter = ["source", "currency", "day"]
    search_fields = ["account_name", "user_name", "provider_name", "model"]
    date_hierarchy = "day"

    @admin.display(description=_("cost"), ordering="cost")
    def amount(self, row: UsageDay) -> str:
        return f"{plain(row.cost)} {row.currency}"
