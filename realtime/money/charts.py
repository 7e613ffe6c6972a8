"""Bar charts for reports, drawn by the server: as SVG with attributes, since inline styles are
forbidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from realtime.money.reports import Line
from realtime.money.usage import NOTHING

MOST_BARS = 400


@dataclass(frozen=True)
class Bar:
    """One bar. `x`, `y`, `width`, `height`: in a picture that is 100 high, and 10 wide for each
    bar."""

    label: str
    amount: Decimal
    currency: str
    x: str
    y: str
    height: str


@dataclass(frozen=True)
class Chart:
    """Bars of one currency; `words` describe the picture."""

    bars: Sequence[Bar]
    width: int
    words: str


def every_day(lines: Iterable[Line], since: date, until: date, currency: str) -> Chart | None:
    """A bar for each day from `since` to `until`; None when there is nothing to show."""
    costs = {line.key: line.cost for line in lines if line.currency == currency and line.cost}
    days = [since + timedelta(days=n) for n in range(min((until - since).days + 1, MOST_BARS))]
    return _chart([(day.isoformat(), costs.get(day) or NOTHING) for day in days], currency)


def of_lines(lines: Iterable[Line], currency: str) -> Chart | None:
    """A bar for each line of the currency, in their order."""
    mine = [line for line in lines if line.currency == currency]
    return _chart([(line.label, line.cost or NOTHING) for line in mine[-MOST_BARS:]], currency)


def _chart(costs: Sequence[tuple[str, Decimal]], currency: str) -> Chart | None:
    most = max((cost for _label, cost in costs), default=NOTHING)
    if most <= 0:
        return None
    bars = []
    for at, (label, cost) in enumerate(costs):
        height = max(NOTHING, cost * 100 / most)
        if height:
            height = max(height, Decimal(1))
        top = 100 - height
        bars.append(Bar(label, cost, currency, f"{at * 10 + 1}", f"{top:.2f}", f"{height:.2f}"))
    dearest = max(costs, key=lambda each: each[1])
    words = _("Cost from %(first)s to %(last)s; the most on %(dearest)s: %(most)s %(currency)s.")
    said = {"first": costs[0][0], "last": costs[-1][0], "dearest": dearest[0]}
    return Chart(bars, len(bars) * 10, words % {**said, "most": f"{most:f}", "currency": currency})


def shares(lines: Sequence[Line]) -> list[tuple[Line, str]]:
    """Each line with its share of its currency's largest line, in percent, for a bar beside it."""
    most: dict[str, Decimal] = {}
    for line in lines:
        most[line.currency] = max(most.get(line.currency, NOTHING), line.cost or NOTHING)
    return [
        (line, f"{max(NOTHING, (line.cost or NOTHING) * 100 / most[line.currency]):.1f}")
        if most[line.currency]
        else (line, "0")
        for line in lines
    ]
