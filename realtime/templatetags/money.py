"""Money in templates."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

from realtime.models import BudgetNotice
from realtime.money import alerts, prices
from realtime.money.pricing import plain

register = template.Library()

SMALLEST_SHOWN = Decimal("0.0001")


@register.filter
def exact(amount: Decimal | None) -> str:
    """All digits of an amount."""
    return "" if amount is None else plain(amount)


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """An amount for people, rounded to what they look at; all its digits are its `value`."""
    if amount is None:
        return _("no price")
    places = 2 if abs(amount) >= 1 or not amount else 4
    rounded = amount.quantize(Decimal(1).scaleb(-places))
    sign = ""
    if amount and not rounded:
        sign, rounded = ("< ", SMALLEST_SHOWN) if amount > 0 else ("> ", -SMALLEST_SHOWN)
    shown = number_format(rounded, use_l10n=True, force_grouping=True)
    exactly = plain(amount)
    return format_html(
        '<data value="{}" title="{} {}">{}{} {}</data>',
        exactly,
        exactly,
        currency,
        sign,
        shown,
        currency,
    )


@register.simple_tag
def models_without_price() -> list[prices.Missing]:
    """Models that can be used and have no price."""
    return prices.without_price()


@register.simple_tag
def unsent_notices() -> QuerySet[BudgetNotice]:
    """Budget notices that could not be sent so far, or not at all."""
    return alerts.unsent()
