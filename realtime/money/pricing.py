"""Usage times price, in exact decimals.

Pure: no Django, no I/O, no float. A price of tokens has a finite product, which is kept to its last
digit. Only time may not divide (a minute has 60 seconds): that one product is rounded, half to
even, at `PLACES` digits after the point, which is what the ledger's column holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property, lru_cache

from realtime.money.usage import Counts

PLACES = 12
"""Digits after the point of a cost: one token at the smallest price still has one of its own."""
PRICE_PLACES = 6
"""Digits after the point of a price per million tokens or characters."""

MILLION = Decimal(1_000_000)
MINUTE = Decimal(60)
SMALLEST = Decimal(1).scaleb(-PLACES)
# Far more digits than any product here has, so that nothing is rounded unnoticed.
EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)


class Unpriced(Exception):
    """Something was used that the price has no rate for; `measures` names it."""

    def __init__(self, *measures: str) -> None:
        super().__init__(", ".join(measures))
        self.measures = measures


@dataclass(frozen=True)
class Prices:
    """What one model costs. None: no such rate; 0: free.

    `text_*`, `audio_*`, `image_*`: per million tokens. Without rates of their own, audio and images
    cost what text does, and cached tokens what others cost. `per_minute`: of connected time, or of
    transcribed audio. `per_million_characters`: of speech made. `per_message`: each text message
    in.
    """

    text_in: Decimal | None = None
    text_cached: Decimal | None = None
    text_out: Decimal | None = None
    audio_in: Decimal | None = None
    audio_cached: Decimal | None = None
    audio_out: Decimal | None = None
    image_in: Decimal | None = None
    image_cached: Decimal | None = None
    per_minute: Decimal | None = None
    per_million_characters: Decimal | None = None
    per_message: Decimal | None = None
    currency: str = "USD"

    def rates(self) -> dict[str, Decimal | None]:
        """Every rate by name, in the order of the columns."""
        return {name: getattr(self, name) for name in RATES}

    def plain(self) -> dict[str, str]:
        """The rates for JSON, to the last digit; `read_prices` reads them."""
        rates = {name: f"{rate:f}" for name, rate in self.rates().items() if rate is not None}
        return {**rates, "currency": self.currency}

    @cached_property
    def by_token(self) -> bool:
        """Whether tokens have a price, which may be 0."""
        return any(getattr(self, name) is not None for name in TOKEN_RATES)

    @property
    def by_time(self) -> bool:
        """Whether it is time that is billed."""
        return self.per_minute is not None and not self.by_token

    @cached_property
    def of_one(self) -> dict[str, Decimal]:
        """What one of each part costs, by the names of `costs`; of seconds, what a minute costs.

        Parts without a rate are left out.
        """
        rates = {part: _rate(part, self) for part in _parts(Counts())}
        return {
            part: rate if part in ("seconds", "messages") else EXACT.divide(rate, MILLION)
            for part, rate in rates.items()
            if rate is not None
        }


RATES = tuple(field.name for field in fields(Prices) if field.name != "currency")
TOKEN_RATES = RATES[:8]


def read_prices(plain: Mapping[str, str]) -> Prices:
    """The prices that `Prices.plain` wrote."""
    return _read_prices(tuple(plain.items()))


@lru_cache(maxsize=64)
def _read_prices(plain: tuple[tuple[str, str], ...]) -> Prices:
    rates = {name: Decimal(rate) for name, rate in plain if name != "currency"}
    return Prices(**rates, currency=dict(plain).get("currency", ""))


def cost(counts: Counts, prices: Prices) -> Decimal:
    """What `counts` cost, in `prices.currency`. Raises Unpriced when a rate is missing.

    Negative counts, those of a correction, cost less than nothing.
    """
    return sum(costs(counts, prices).values(), Decimal(0))


def costs(counts: Counts, prices: Prices) -> dict[str, Decimal]:
    """What each part of `counts` costs: text_in (without what was cached), text_cached, ...,
    seconds, characters, messages. Unused parts are left out. Raises Unpriced."""
    used, of_one = _used(counts, prices), prices.of_one
    if not used.keys() <= of_one.keys():
        raise Unpriced(*(part for part in used if part not in of_one))
    products = {part: EXACT.multiply(of_one[part], amount) for part, amount in used.items()}
    if "seconds" in products:
        minutes = EXACT.divide(products["seconds"], MINUTE)
        products["seconds"] = minutes.quantize(SMALLEST, context=EXACT)
    return products


def priced_part(counts: Counts, prices: Prices) -> Counts:
    """The measures of an estimate that the price is for: it measures the same thing in several
    ways."""
    if not (counts.seconds or counts.characters or counts.messages) and prices.by_token:
        return counts
    tokens = counts._replace(seconds=Decimal(0), characters=0, messages=0)
    if prices.by_token and tokens:
        return tokens
    if prices.per_minute is not None:
        # Nothing is left of an answer: connected time has rows of its own.
        return Counts(seconds=counts.seconds, messages=counts.messages, doubts=counts.doubts)
    return counts


def per_minute(prices: Prices) -> Decimal | None:
    """About what a minute of talk costs, for choosing a model; None without a price for it.

    Assumed: four turns a minute, each with 6 s of speech and 7 s of answer, a context of 2 000
    tokens of text (instructions, what was said before) and 500 of audio, nine tenths of it cached.
    """
    try:
        tokens = cost(TYPICAL_TURN, prices) * TURNS if prices.by_token else Decimal(0)
        time = cost(Counts(seconds=MINUTE), prices) if prices.per_minute is not None else Decimal(0)
    except Unpriced:
        return None
    return tokens + time if prices.by_token or prices.by_time else None


def lacking(prices: Prices) -> tuple[str, ...]:
    """Missing rates for a usual spoken answer, some of whose tokens are text."""
    try:
        if prices.by_token:
            cost(TYPICAL_TURN, prices)
    except Unpriced as problem:
        return tuple(each for each in problem.measures if not each.endswith("_cached"))
    return ()


TURNS = 4
TYPICAL_TURN = Counts(
    text_in=2000,
    text_cached=1800,
    text_out=35,
    audio_in=560,  # 500 of the context and 6 s of new speech, a token each 100 ms
    audio_cached=450,
    audio_out=140,  # 7 s, a token each 50 ms
)

UNITS = {"seconds": "per_minute", "characters": "per_million_characters", "messages": "per_message"}


def _used(counts: Counts, prices: Prices) -> dict[str, int | Decimal]:
    """The parts that were used and are billed."""
    used = {part: amount for part, amount in _parts(counts).items() if amount}
    if not prices.by_token and (counts.seconds or counts.messages):
        # Providers that bill by time may count tokens all the same, for information.
        return {part: amount for part, amount in used.items() if part in UNITS}
    return used


def _parts(counts: Counts) -> dict[str, int | Decimal]:
    """The rate for a part, or the one in its place."""
    return {
        "text_in": counts.text_in - counts.text_cached,
        "text_cached": counts.text_cached,
        "text_out": counts.text_out,
        "audio_in": counts.audio_in - counts.audio_cached,
        "audio_cached": counts.audio_cached,
        "audio_out": counts.audio_out,
        "image_in": counts.image_in - counts.image_cached,
        "image_cached": counts.image_cached,
        "other_in": counts.other_in - counts.other_cached,
        "other_cached": counts.other_cached,
        "other_out": counts.other_out,
        "seconds": counts.seconds,
        "characters": counts.characters,
        "messages": counts.messages,
    }


def _rate(part: str, prices: Prices) -> Decimal | None:
    if part in UNITS:
        rate: Decimal | None = getattr(prices, UNITS[part])
        return rate
    kind, _, way = part.partition("_")
    if kind == "other":
        # Tokens of an unknown kind: priced as the dearest that they can be.
        rates = [_rate(f"{each}_{way}", prices) for each in ("text", "audio")]
        return max((rate for rate in rates if rate is not None), default=None)
    if way == "out":
        own = getattr(prices, f"{kind}_out", None)
        return prices.text_out if own is None else own
    whole = getattr(prices, f"{kind}_in")
    kind = kind if whole is not None else "text"
    whole = getattr(prices, f"{kind}_in")
    cached: Decimal | None = getattr(prices, f"{kind}_cached") if way == "cached" else None
    return whole if cached is None else cached


def in_words(amounts: Mapping[str, Decimal]) -> str:
    """Amounts by currency, for people: "1.23 USD + 4.00 CNY"."""
    return " + ".join(f"{plain(amount)} {currency}" for currency, amount in amounts.items())


def plain(amount: Decimal) -> str:
    """All digits of an amount, without an exponent or needless zeros, at least two decimals."""
    whole, _, rest = f"{amount:f}".partition(".")
    return f"{whole}.{rest.rstrip('0'):0<2}"
