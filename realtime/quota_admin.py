"""Quotas, and the places that running calls take, in Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from realtime.models import Lease, Quota
from realtime.money_admin import Kept


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    list_display = [
        "__str__",
        "money_per_day",
        "money_per_month",
        "minutes_per_day",
        "calls_at_once",
        "call_minutes",
        "idle_minutes",
    ]
    list_select_related = ["account", "user"]
    search_fields = ["account__name", "user__username", "user__email"]
    autocomplete_fields = ["account", "user"]
    fieldsets = [
        (_("Whose"), {"fields": ["account", "user"]}),
        (_("Money"), {"fields": ["money_per_day", "money_per_month", "unpriced_allowed"]}),
        (
            _("Calls"),
            {"fields": ["minutes_per_day", "calls_at_once", "call_minutes", "idle_minutes"]},
        ),
    ]


@admin.register(Lease)
class LeaseAdmin(Kept):
    """To be looked at: a call gives its place back itself, and one that died is forgotten."""

    list_display = ["call_id", "account_id", "user_id", "reserved", "began", "heartbeat"]
    search_fields = ["=call_id"]
