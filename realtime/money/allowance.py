"""The tap that ends a call when a quota does, and warns before.

What the call has used beyond the ledger is estimated from what was received. It is compared with
what was left at the last look at the quotas (once a second, `money.keeper`): there, when an
answer begins, and with each second of its audio, because providers send faster than they
speak. So an answer goes on for at most a second of audio beyond what is left.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.utils import timezone

from realtime.bridge import Tap
from realtime.bridge.audio import BYTES_PER_SECOND
from realtime.models import Price, Usage
from realtime.money.prices import Rates, reporting_currency
from realtime.money.pricing import (
    SMALLEST,
    Prices,
    Unpriced,
    cost,
    per_minute,
    plain,
    priced_part,
)
from realtime.money.quota_words import over_words, soon_words, warn_words
from realtime.money.terms import Limit, OverQuota, Terms, Wish, totals
from realtime.money.usage import Counts

log = logging.getLogger(__name__)

AHEAD_SECONDS = 10
"""How much talk is reserved ahead."""
LOOK_BYTES = BYTES_PER_SECOND
"""Audio between two looks at what an answer costs."""
GOODBYE = timedelta(minutes=1)
"""How long before the longest call is over its person is warned."""
NOTHING = Decimal(0)
NEWS = 100
"""The page is told anew when more than one part in so many of what was left is gone."""

Event = Mapping[str, Any]
End = Callable[[str, tuple[str, str] | None], None]
"""Ends the call for a reason of the bridge's, with message and remedy; None: the usual ones."""


@dataclass(frozen=True)
class Tariff:
    """What a call costs, in the reporting currency. `prices`: of its model, None when nobody wrote
    them down; `rate`: what one unit of their currency is worth; `by_time`: whether connected time
    is billed, in whatever currency."""

    prices: Prices | None = None
    rate: Decimal = Decimal(1)
    currency: str = "USD"
    by_time: bool = False

    @cached_property
    def ahead(self) -> Decimal | None:
        """About what the next seconds cost; None when nobody knows."""
        minute = per_minute(self.prices) if self.prices is not None else None
        if minute is None:
            return None
        return (minute * self.rate * AHEAD_SECONDS / 60).quantize(SMALLEST)

    def of(self, used: Iterable[Counts]) -> Decimal | None:
        """What was used costs; None without a price."""
        if self.prices is None:
            return None
        try:
            costs = [cost(priced_part(each, self.prices), self.prices) for each in used]
        except Unpriced:
            return None
        return (sum(costs, NOTHING) * self.rate).quantize(SMALLEST)


def tariff_at(price: Price | None, now: datetime) -> Tariff:
    """What is paid by a price now. Without an exchange rate that is unknown, as without a price."""
    prices = price.prices() if price is not None else None
    rate = Rates().at(prices.currency, now.date()) if prices is not None else None
    by_time = prices is not None and bool(prices.per_minute)
    if rate is None:
        return Tariff(currency=reporting_currency(), by_time=by_time)
    return Tariff(prices, rate, reporting_currency(), by_time)


class Allowance(Tap):
    """What one call may still use. `own`: over a provider of its account's own. `under_way`
    gives what it used that the ledger has not yet, without the rows of these names; `unsettled`
    the names of rows that are on their way there; `idle_seconds` for how long nobody spoke."""

    def __init__(
        self,
        *,
        call_id: uuid.UUID,
        account_id: int,
        user_id: int,
        tariff: Tariff,
        terms: Terms,
        own: bool = False,
        under_way: Callable[[Collection[str]], Sequence[Counts]],
        unsettled: Callable[[], Collection[str]],
        idle_seconds: Callable[[], float],
        end: End,
        tell: Callable[[dict[str, Any]], None],
        now: Callable[[], datetime] = timezone.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call_id, self._account_id, self._user_id = call_id, account_id, user_id
        self._own = own
        self._tariff = tariff
        self._under_way = under_way
        self._unsettled = unsettled
        self._idle_seconds = idle_seconds
        self._end = end
        self._tell = tell
        self._clock = clock
        # The call's age is counted from here on, whatever becomes of the machine's clock.
        self._made, self._made_at = now(), clock()
        self._agree_to(terms)
        self._waited: set[str] = set()  # rows that were unsettled at the last look
        self._read: set[str] = set()  # those of them that it may have read
        self._bytes = 0  # of audio since the last look at the answer
        self._about: tuple[Any, ...] = ()  # what the page was told, besides the limits
        self._limits: Mapping[str, Limit] = {}  # as it was told
        self._warned: set[tuple[str, ...]] = set()
        self._over = False

    # What the keeper asks and tells

    def wish(self) -> Wish:
        running = self._tariff.of(self._under_way(()))
        ahead = self._tariff.ahead
        return Wish(self._call_id, self._account_id, self._user_id, running, ahead, self._own)

    def told(self, terms: Terms) -> None:
        """How the call may go on."""
        self._agree_to(terms)
        # A row is in the ledger a moment before this call knows. Counted twice it would end the
        # call too early, so until the next look it counts as read; longer it does not.
        waiting = set(self._unsettled())
        self._read, self._waited = waiting - self._waited, waiting
        if self._over:
            return
        if terms.over is not None and not self._was_counted_twice(terms.over):
            self._stop(terms.over)
            return
        self._keep_time(terms)
        self.show()

    def _agree_to(self, terms: Terms) -> None:
        self._terms = terms
        money = [limit for limit in terms.limits if limit.of_money]
        self._tightest = min(money, key=lambda limit: limit.left, default=None)
        self._in_ledger = NOTHING  # of this call, since the last look

    def _was_counted_twice(self, over: OverQuota) -> bool:
        """Whether an answer that was under way when the quotas were asked went into the ledger
        before they answered."""
        limit = over.limit
        if limit is None or not limit.of_money:
            return False
        return limit.left > self._running()

    def _running(self) -> Decimal:
        """What the call used that the last look at the quotas cannot have read."""
        return self._tariff.of(self._under_way(self._read)) or NOTHING

    def unheard(self) -> None:
        """The database is away. What was left when it was last heard of is what counts."""
        self._look()
        if not self._over:
            self._keep_time(self._terms)

    # What the tap is told

    def on_event(self, event: Event) -> None:
        if event["type"] == "response.created":
            self._look()

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        self._heard(pcm)

    def on_aside_audio(self, response_id: str, pcm: bytes) -> None:
        self._heard(pcm)

    def _heard(self, pcm: bytes) -> None:
        self._bytes += len(pcm)
        if self._bytes >= LOOK_BYTES:
            self._bytes = 0
            self._look()

    def costs_now(self, tariff: Tariff) -> None:
        """Its price may have changed."""
        self._tariff = tariff

    def costs(self, name: str, row: Usage) -> None:
        """A row of this call went into the ledger."""
        prices = self._tariff.prices
        if name in self._read:
            return
        if row.cost is None or prices is None or row.own != self._own:
            return
        if row.currency == prices.currency:
            self._in_ledger += row.cost * self._tariff.rate

    def _look(self) -> None:
        """Stop at what is known here."""
        if self._over or self._tightest is None:
            return
        used = self._running() + self._in_ledger
        if used and used >= self._tightest.left:
            self._stop(OverQuota(self._tightest))

    def _stop(self, over: OverQuota) -> None:
        self._over = True
        log.info("call %s: a quota is used up: %s", self._call_id, over)
        self._tell(self.quota_event(over.limit))
        self._end("quota_used_up", over_words(over, self._tariff.currency))

    def _keep_time(self, terms: Terms) -> None:
        if terms.idle is not None and self._idle_seconds() > terms.idle.total_seconds():
            self._over = True
            self._end("idle", None)
        if self._over or terms.longest is None or terms.began is None:
            return
        left = terms.longest - self._age(terms.began)
        if left <= timedelta(0):
            self._over = True
            self._end("call_too_long", None)
        elif left <= GOODBYE and self._is_first_warning("call", "length"):
            self._tell(notice("call_ends_soon", *soon_words()))

    def _is_first_warning(self, *mark: str) -> bool:
        known = mark in self._warned
        self._warned.add(mark)
        return not known

    def _age(self, began: datetime) -> timedelta:
        before = max(timedelta(0), self._made - began)
        return before + timedelta(seconds=self._clock() - self._made_at)

    # What the page is shown

    def show(self) -> None:
        """Tell the page what is left, if that is news to it; warn once of each limit."""
        terms, limits = self._terms, totals(self._terms.limits)
        about = (self._tariff, terms.longest, terms.began, limits.keys())
        # Asked only when the page knows of a limit of each of these kinds.
        told = (_is_as_told(limit, self._limits[what]) for what, limit in limits.items())
        if about != self._about or not all(told):
            self._about, self._limits = about, limits
            self._tell(self.quota_event())
        for limit in self._terms.limits:
            # A new day, or another amount, is to be warned of anew.
            mark = (limit.scope, limit.what, str(limit.most), str(limit.renews))
            if limit.nearly_used_up and self._is_first_warning(*mark):
                words = warn_words(limit, self._tariff.currency)
                self._tell(notice("quota_nearly_used_up", *words))

    def quota_event(self, over: Limit | None = None) -> dict[str, Any]:
        """`nextvoice.quota`: what is left of each kind of limit, the tightest of several scopes.
        Amounts are exact decimals as strings; money in `currency`. `prices_in`: the currency of the
        model's prices; `free`: it costs nothing."""
        ends = None
        if self._terms.longest is not None and self._terms.began is not None:
            ends = (self._terms.began + self._terms.longest).isoformat()
        return {
            "type": "nextvoice.quota",
            "currency": self._tariff.currency,
            "priced": self._tariff.prices is not None,
            "prices_in": self._tariff.prices.currency if self._tariff.prices else None,
            "free": self._tariff.ahead == 0,
            "limits": [_shown(limit) for limit in totals(self._terms.limits).values()],
            "over": _shown(over) if over is not None else None,
            "ends_at": ends,
        }


def _shown(limit: Limit) -> dict[str, Any]:
    return {
        "scope": limit.scope,
        "what": limit.what,
        "most": plain(limit.most),
        "left": plain(limit.left.quantize(Decimal("0.0001"))),
        "warn": limit.nearly_used_up,
        "renews": limit.renews.isoformat() if limit.renews else None,
    }


def _is_as_told(limit: Limit, told: Limit) -> bool:
    """Whether the page, which was told of the other one, knows enough of this one."""
    return (
        (limit.scope, limit.most, limit.renews) == (told.scope, told.most, told.renews)
        and limit.nearly_used_up == told.nearly_used_up
        and abs(limit.left - told.left) * NEWS <= told.left
    )


def notice(code: str, message: str, remedy: str) -> dict[str, Any]:
    """A `nextvoice.notice` in words of ours."""
    return {"type": "nextvoice.notice", "code": code, "message": message, "remedy": remedy}
