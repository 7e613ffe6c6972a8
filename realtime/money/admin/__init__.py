"""Prices, quotas, alerts and reports in Django's admin."""

from . import alerts, prices, quotas  # noqa: F401  (they register themselves; prices, reports)
