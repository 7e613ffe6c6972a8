"""Money in templates."""

from __future__ import annotations

from decimal import Decimal

from django import template

from realtime import prices
from realtime.pricing import plain

register = template.Library()


@register.filter
def exact(amount: Decimal | None) -> str:
    """All digits of an amount."""
    return "" if amount is None else plain(amount)


@register.simple_tag
def models_without_price() -> list[prices.Missing]:
    """Models that can be used and have no price."""
    return prices.without_price()
