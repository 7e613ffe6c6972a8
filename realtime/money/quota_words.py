"""Quotas in words, for the people they stop."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext, ngettext

from realtime.money.pricing import plain
from realtime.money.terms import Limit, OverQuota


def over_words(over: OverQuota, currency: str) -> tuple[str, str]:
    """What is used up, and what to do: message and remedy."""
    limit = over.limit
    if limit is None:
        return (
            gettext("This model has no price yet, and money is limited here."),
            gettext("Choose another model, or ask your administrator to set its price."),
        )
    if limit.what == "calls" and not limit.most:
        return _none_allowed(limit), _remedy(limit)
    if limit.what == "calls":
        return _too_many(limit), gettext("End another call first, or try again in a moment.")
    message = gettext("%(what)s is used up.") % {"what": named(limit, currency)}
    return message, _remedy(limit)


def warn_words(limit: Limit, currency: str) -> tuple[str, str]:
    """What is nearly used up: message and remedy."""
    left = amount_words(limit.what, limit.left, currency)
    words = {"what": named(limit, currency), "left": left}
    return gettext("%(what)s is nearly used up: %(left)s left.") % words, _remedy(limit)


def withdrawn_words() -> tuple[str, str]:
    """That the model of a running call may not be used any more: message and remedy."""
    return (
        gettext("This model is no longer available to you."),
        gettext("Choose another model, or ask your administrator."),
    )


def soon_words() -> tuple[str, str]:
    """That the longest time of a call is nearly over: message and remedy."""
    return (
        gettext("This call ends in a minute: it is about to reach its time limit."),
        gettext("You can start another one right after it."),
    )


def named(limit: Limit, currency: str) -> str:
    """A limit by name, such as "Your team's budget for today (5.00 USD)"."""
    names = {
        ("site", "money_day"): gettext("This site's budget for today"),
        ("site", "money_month"): gettext("This site's budget for the month"),
        ("site", "minutes_day"): gettext("This site's talking time for today"),
        ("account", "money_day"): gettext("Your account's budget for today"),
        ("account", "money_month"): gettext("Your account's budget for the month"),
        ("account", "minutes_day"): gettext("Your account's talking time for today"),
        ("person", "money_day"): gettext("Your budget for today"),
        ("person", "money_month"): gettext("Your budget for the month"),
        ("person", "minutes_day"): gettext("Your talking time for today"),
    }
    return f"{names[limit.scope, limit.what]} ({amount_words(limit.what, limit.most, currency)})"


def _none_allowed(limit: Limit) -> str:
    return {
        "site": gettext("This site allows no calls at the moment."),
        "account": gettext("Your account may have no calls at the moment."),
        "person": gettext("You may have no calls at the moment."),
    }[limit.scope]


def _too_many(limit: Limit) -> str:
    most = int(limit.most)
    said = {
        "site": ngettext(
            "%(most)d call is going on, the most this site allows at once.",
            "%(most)d calls are going on, the most this site allows at once.",
            most,
        ),
        "account": ngettext(
            "Your account already has %(most)d call going on, the most it may have.",
            "Your account already has %(most)d calls going on, the most it may have.",
            most,
        ),
        "person": ngettext(
            "You already have %(most)d call going on, the most you may have.",
            "You already have %(most)d calls going on, the most you may have.",
            most,
        ),
    }
    return said[limit.scope] % {"most": most}


def _remedy(limit: Limit) -> str:
    who = {
        "site": gettext("Ask your administrator if you need more."),
        "account": gettext("Ask your account's manager if you need more."),
        "person": gettext("Ask your administrator if you need more."),
    }[limit.scope]
    if limit.renews is None:
        return who
    when = gettext("It resets on %(day)s at midnight UTC.") % {
        "day": limit.renews.strftime("%Y-%m-%d")
    }
    return f"{when} {who}"


def amount_words(what: str, amount: Decimal, currency: str) -> str:
    """An amount of what a limit is about: "12 minutes", "0.25 USD"."""
    if what == "minutes_day":
        minutes = int(amount)
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    rounded = (
        amount.quantize(Decimal("0.01")) if amount >= 1 else amount.quantize(Decimal("0.0001"))
    )
    return f"{plain(rounded)} {currency}"
