"""Budget alerts: which levels are reached, and telling of each once a period.

Any number of processes may do this at once. A level is taken by adding its row, which only one
can; an attempt to tell of it by moving its next attempt on, which only one can as well. Who dies
while telling is followed by the next attempt.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from chats.models import Membership, User
from realtime.models import BudgetAlert, BudgetNotice, Quota
from realtime.money.prices import reporting_currency
from realtime.money.pricing import SMALLEST, plain
from realtime.money.spending import Scope, spent
from realtime.money.usage import NOTHING
from realtime.sealing import SealBroken
from realtime.webhooks import NotDelivered, deliver

log = logging.getLogger(__name__)

EVERY_SECONDS = 60
WAITS = (60, 300, 1800, *[3600] * 72)
"""Seconds before each further attempt: a mail server may be away over a weekend."""
MOST_ATTEMPTS = len(WAITS) + 1
SHOWN_DAYS = 31
"""For how long admins are shown what was not sent."""
LATE = timedelta(hours=1)
"""For how long after a period its levels are still looked for: nobody looked in its last minute,
nor while the site was started anew."""
MOST_AT_ONCE = 100
"""On each way: mails that wait for their server are in no webhook's place."""


def run(now: datetime | None = None) -> int:
    """Take the levels that are reached and tell what is due; returns how many were told."""
    now = now or timezone.now()
    for alert in BudgetAlert.objects.filter(enabled=True).select_related("account", "user"):
        if alert.began(now - LATE) < alert.began(now):
            take(alert, now - LATE)
        take(alert, now)
    due = BudgetNotice.objects.filter(
        alert__enabled=True, state=BudgetNotice.State.PENDING, next_try__lte=now
    )
    due = due.select_related("alert__account", "alert__user").order_by("next_try")
    ways = [due.filter(channel=way)[:MOST_AT_ONCE] for way in BudgetNotice.Channel.values]
    told, mails = 0, True
    for notice in sorted(chain(*ways), key=attrgetter("next_try")):
        is_mail = notice.channel == BudgetNotice.Channel.EMAIL
        if is_mail and not mails:
            continue  # a server that is away takes long to say so, and webhooks wait
        done = _try(notice, now)
        mails = mails and (done > 0 or not is_mail or not recipients(notice.alert))
        told += done
    return told


def budget_of(alert: BudgetAlert) -> Decimal | None:
    """What 100 % are, in the reporting currency; None without a budget."""
    fixed: Decimal | None = alert.amount
    if fixed is not None:
        return fixed
    quota: Any = Quota.objects.filter(account=alert.account, user=alert.user).first()
    limit: Decimal | None = getattr(quota, f"money_per_{alert.period}", None)
    return limit


def used_of(alert: BudgetAlert, now: datetime) -> Decimal:
    """What is spent of it up to the end of that day. As with quotas, what cannot be converted
    counts as if it were."""
    scope = Scope(account_id=alert.account_id, user_id=alert.user_id)
    found = spent(scope, alert.began(now), now.astimezone(UTC).date())
    return found.amount + sum(found.unconverted.values(), NOTHING)


def take(alert: BudgetAlert, now: datetime) -> None:
    """Add a notice for each way and each level that is reached for the first time in this period.
    Of several at once only the highest is told."""
    budget = budget_of(alert)
    if not budget:
        return
    used = used_of(alert, now)
    reached = [level for level in alert.percents() if used * 100 >= budget * level]
    known = _known(alert, budget, reached, now)
    new = [
        BudgetNotice(
            alert=alert,
            channel=channel,
            level=level,
            period_began=alert.began(now),
            spent=used.quantize(SMALLEST),
            budget=budget,
            currency=reporting_currency(),
            state=BudgetNotice.State.PENDING
            if level == reached[-1]
            else BudgetNotice.State.SKIPPED,
            next_try=now,
            created=now,
        )
        for channel in _channels(alert)
        for level in reached
        if (channel, level) not in known
    ]
    BudgetNotice.objects.bulk_create(new, ignore_conflicts=True)


def _known(
    alert: BudgetAlert, budget: Decimal, reached: list[int], now: datetime
) -> set[tuple[str, int]]:
    """The ways and levels that are taken in this period. Those of a smaller budget, which are not
    reached of this one, are given up: they will be news again."""
    taken = list(alert.notices.filter(period_began=alert.began(now)))
    old = [each for each in taken if each.budget < budget and each.level not in reached]
    if old:
        alert.notices.filter(pk__in=[each.pk for each in old]).delete()
    return {(each.channel, each.level) for each in taken if each not in old}


def _channels(alert: BudgetAlert) -> list[str]:
    webhook = [BudgetNotice.Channel.WEBHOOK.value] if alert.webhook_url else []
    email = [BudgetNotice.Channel.EMAIL.value] if alert.emails.strip() or not webhook else []
    return [*email, *webhook]


def _try(notice: BudgetNotice, now: datetime) -> int:
    """Tell of it, if no other process does; 1 when it was told."""
    mine = BudgetNotice.objects.filter(
        pk=notice.pk, state=BudgetNotice.State.PENDING, attempts=notice.attempts
    )
    if notice.attempts >= MOST_ATTEMPTS:
        # Whoever made the last attempt died over it.
        mine.update(state=BudgetNotice.State.FAILED)
        return 0
    wait = timedelta(seconds=WAITS[min(notice.attempts, len(WAITS) - 1)])
    if not mine.update(attempts=notice.attempts + 1, next_try=now + wait):
        return 0
    ways: dict[str, Callable[[BudgetNotice, datetime], None]] = {
        BudgetNotice.Channel.EMAIL.value: _mail,
        BudgetNotice.Channel.WEBHOOK.value: _post,
    }
    told = BudgetNotice.objects.filter(pk=notice.pk)
    try:
        ways[notice.channel](notice, now)
    except (NotDelivered, SealBroken, OSError) as problem:  # SMTPException is an OSError
        error = _why(problem)
        last = notice.attempts + 1 >= MOST_ATTEMPTS
        state = BudgetNotice.State.FAILED if last else BudgetNotice.State.PENDING
        told.update(error=error[:200], state=state)
        if last:
            log.error("budget notice %s is given up, nobody was told: %s", notice.pk, error)
        else:
            log.warning("budget notice %s was not sent: %s", notice.pk, error)
        return 0
    told.update(state=BudgetNotice.State.SENT, error="")
    return 1


def _why(problem: Exception) -> str:
    """What kept a notice from being sent, for admins."""
    if isinstance(problem, NotDelivered | SealBroken):
        return str(problem)
    # What a mail server says may hold addresses; its kind is enough.
    kind = type(problem.__cause__ or problem).__name__
    return _("the mail server is unreachable or refused: %(kind)s") % {"kind": kind}


def unsent() -> QuerySet[BudgetNotice]:
    """What could not be sent so far, or not at all, newest first."""
    since = timezone.now() - timedelta(days=SHOWN_DAYS)
    tried = Q(state=BudgetNotice.State.PENDING) & ~Q(error="")
    found = BudgetNotice.objects.filter(
        tried | Q(state=BudgetNotice.State.FAILED), created__gte=since
    )
    return found.select_related("alert__account", "alert__user")


def send_again(notices: QuerySet[BudgetNotice], now: datetime) -> int:
    """Let what was not sent be tried from the beginning; returns how many these are."""
    states = [BudgetNotice.State.PENDING, BudgetNotice.State.FAILED]
    return notices.filter(state__in=states).update(
        state=BudgetNotice.State.PENDING, attempts=0, next_try=now
    )


def recipients(alert: BudgetAlert) -> list[str]:
    """Who gets the email: who was written down, or who it concerns."""
    if written := alert.addresses():
        return written
    if alert.account is not None:
        managers = Membership.objects.filter(account=alert.account, role=Membership.Role.MANAGER)
        found = User.objects.filter(is_active=True, pk__in=managers.values("user"))
    elif alert.user is not None:
        found = User.objects.filter(is_active=True, pk=alert.user.pk)
    else:
        found = User.objects.filter(is_active=True, is_superuser=True)
    return list(found.exclude(email="").values_list("email", flat=True))


def _mail(notice: BudgetNotice, now: datetime) -> None:
    if not settings.SENDS_MAIL:
        raise NotDelivered("EMAIL_URL names no mail server")  # it would only be printed
    to = recipients(notice.alert)
    if not to:
        raise NotDelivered("nobody has an email address")
    said = _said(notice)
    subject = _("%(whose)s: %(level)d%% of the budget is used") % said
    lines = [
        _("%(spent)s of %(budget)s %(currency)s used since %(since)s (UTC).") % said,
        _("This notice is for %(level)d%%. It is sent once a %(period)s.") % said,
    ]
    # Those who get it need not know of each other.
    mail = EmailMessage(" ".join(subject.splitlines()), "\n".join(lines) + "\n", bcc=to)
    mail.send()


def _said(notice: BudgetNotice) -> dict[str, object]:
    alert = notice.alert
    return {
        "whose": str(alert.account or alert.user or _("The whole site")),
        "level": notice.level,
        "spent": plain(notice.spent),
        "budget": plain(notice.budget),
        "currency": notice.currency,
        "since": notice.period_began.isoformat(),
        "period": alert.get_period_display().lower(),
    }


def _post(notice: BudgetNotice, now: datetime) -> None:
    alert = notice.alert
    told = {
        "type": "nextvoice.budget_alert",
        "id": str(notice.pk),
        "scope": "account" if alert.account_id else "person" if alert.user_id else "site",
        "account": alert.account.slug if alert.account else None,
        "user": alert.user.get_username() if alert.user else None,
        "period": alert.period,
        "period_began": notice.period_began.isoformat(),
        "level": notice.level,
        "spent": plain(notice.spent),
        "budget": plain(notice.budget),
        "currency": notice.currency,
        "created": notice.created.isoformat(),
    }
    deliver(alert.webhook_url, json.dumps(told).encode(), alert.secret(), int(now.timestamp()))
