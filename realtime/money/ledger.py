"""The ledger: what each answer and transcription used and cost, written exactly once.

`record` is the only way in. It may be called for the same thing any number of times, by several
processes at once and in any order: a response is counted once, and reported usage replaces an
estimate by a further row with the difference. The daily sums change in the same transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Q

from realtime.keeping.rows import ADDED
from realtime.keeping.statements import add_up, insert_new
from realtime.models.money import Price, Source, Usage, UsageDay
from realtime.money.prices import price_for
from realtime.money.pricing import Unpriced, cost, priced_part, read_prices
from realtime.money.rollups import NAMES, PLACE
from realtime.money.usage import MEASURES, NOTHING, Counts, counts_of, tame

ONCE = ("upstream_session", "key", "kind")
"""The unique key of a row."""
DAY_PLACE = ("day", "provider_key", *(name for name in PLACE if name != "provider_id"))
"""The unique key of a daily sum; all but the first two are columns of the ledger row."""
DAY_NAMES = (*NAMES, "provider_id")
DAY_SUMS = (*MEASURES, "cost", "rows")
LONGEST = 200
"""Characters in the name of a session or a response."""
IMAGES = "images"
"""The dialect, in the ledger, of services that make pictures."""


@dataclass(frozen=True)
class Payer:
    """Whose usage it is. Names are copied, because a ledger row outlives what it names. `own`: the
    provider is the account's own, and its key is charged."""

    account_id: int = 0
    account_name: str = ""
    user_id: int = 0
    user_name: str = ""
    provider_id: uuid.UUID | None = None
    provider_name: str = ""
    dialect: str = ""
    own: bool = False


@dataclass(frozen=True)
class Entry:
    """One thing that was used.

    `key`: the response's or item's id, unique within `upstream_session` for the kind; both are made
    to `fit`. `raw`: the provider's own usage object. `counts`: an estimate, for when there is no
    usable `raw`. An entry of kind correction takes back connected time that was estimated.
    """

    payer: Payer
    model: str
    upstream_session: str
    key: str
    kind: str = Usage.Kind.RESPONSE
    status: str = Usage.Status.COMPLETED
    call_id: uuid.UUID | None = None
    raw: Mapping[str, Any] | None = None
    counts: Counts | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        # Providers choose these.
        object.__setattr__(self, "model", tame(self.model)[:120])
        object.__setattr__(self, "upstream_session", fit(self.upstream_session))
        object.__setattr__(self, "key", fit(self.key))

    def fields(self) -> dict[str, Any]:
        """The entry as plain values, for a journal."""
        return vars(self) | {
            "payer": vars(self.payer) | {"provider_id": _text(self.payer.provider_id)},
            "call_id": _text(self.call_id),
            "raw": tame(self.raw),
            "counts": None if self.counts is None else self.counts.plain(),
            "created": self.created.isoformat(),
        }


def fit(name: str) -> str:
    """The name as a column takes it: without NUL, and at most `LONGEST` characters. A name that has
    to be changed ends in a hash of the original, so that no two become the same."""
    plain = str(tame(name))
    if plain == name:
        return name
    told = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{plain[: LONGEST - len(told) - 1]}~{told}"


def entry_of(fields: Mapping[str, Any]) -> Entry:
    """The entry that `Entry.fields` made plain."""
    payer, counts = dict(fields["payer"]), fields["counts"]
    payer["provider_id"] = _uuid(payer["provider_id"])
    if counts is not None:
        seconds, doubts = Decimal(counts["seconds"]), tuple(counts["doubts"])
        counts = Counts(**{**counts, "seconds": seconds, "doubts": doubts})
    changed = {
        "payer": Payer(**payer),
        "counts": counts,
        "call_id": _uuid(fields["call_id"]),
        "created": datetime.fromisoformat(fields["created"]),
    }
    return Entry(**{**fields, **changed})


def _text(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


def _uuid(value: str | None) -> uuid.UUID | None:
    return None if value is None else uuid.UUID(value)


def record(entry: Entry) -> list[Usage]:
    """Write what was used, once. Returns the new rows: one; a correction, when what was estimated
    before is now reported; none, when all of it was known.

    Raises DatabaseError like any query. Runs in a transaction of its own, or in the caller's.
    """
    with transaction.atomic():
        new = _new_row(entry)
        _add_up(new)
    return new


def append(entries: list[dict[str, Any]]) -> list[list[Usage]]:
    """Record entries that `Entry.fields` made plain, for `realtime.keeping.store`. Returns the rows
    that say what each cost, whether they are new or not."""
    read = [entry_of(fields) for fields in entries]
    new = [_new_row(entry) for entry in read]
    _add_up([row for rows in new for row in rows])
    return [rows or rows_of(entry) for entry, rows in zip(read, new, strict=True)]


ADDED["realtime.Usage"] = append


def rows_of(entry: Entry) -> list[Usage]:
    """The existing rows of an entry: itself and its correction."""
    keys = [entry.key, _second(entry.key, entry.kind)]
    itself = Q(key=entry.key, kind=entry.kind)
    correction = Q(key__in=keys, kind=Usage.Kind.CORRECTION, corrects=entry.kind)
    rows = Usage.objects.filter(itself | correction, upstream_session=entry.upstream_session)
    return list(rows.order_by("created"))


def _new_row(entry: Entry) -> list[Usage]:
    """Write the row of an entry, or a correction of its row, unless that exists. Returns new rows,
    which are not in the daily sums yet."""
    row = _row(entry)
    if row.corrects:
        _take_back(row)
    if insert_new(row, ONCE):
        return [row]
    known = Usage.objects.get(**_once(row))
    if not _was_estimated(known) or _was_estimated(row):
        return []
    correction = _correction(known, row)
    if insert_new(correction, ONCE):
        return [correction]
    if Usage.objects.filter(**_once(correction), corrects=correction.corrects).exists():
        return []
    # A provider gave an answer and a turn the same id, and the other one's correction exists.
    correction.key = _second(correction.key, correction.corrects)
    return [correction] if insert_new(correction, ONCE) else []


def _once(row: Usage) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ONCE}


def _second(key: str, kind: str) -> str:
    """The key of a correction whose own is taken by one of another kind."""
    return fit(f"{key}|{kind}")


def _row(entry: Entry) -> Usage:
    """The ledger row of an entry, priced."""
    counts, estimated = _counted(entry)
    kind = Price.Kind.TRANSCRIPTION if entry.kind == Usage.Kind.TRANSCRIPTION else None
    price = price_for(
        entry.payer.provider_id,
        entry.payer.dialect,
        entry.model,
        kind or Price.Kind.REALTIME,
        entry.created,
    )
    row = Usage(
        **vars(entry.payer),
        model=entry.model,
        call_id=entry.call_id,
        upstream_session=entry.upstream_session,
        key=entry.key,
        kind=entry.kind,
        corrects=Usage.Kind.TIME if entry.kind == Usage.Kind.CORRECTION else "",
        status=entry.status if entry.status in Usage.Status else Usage.Status.COMPLETED,
        doubts=_doubts(counts, estimated),
        raw=tame(entry.raw),
        created=entry.created,
    )
    _set_price(row, counts, price, estimated)
    return row


ESTIMATED = "estimated"


def _counted(entry: Entry) -> tuple[Counts, bool]:
    """The counts to use, and whether they are an estimate."""
    told = counts_of(entry.raw)
    if "missing" not in told.doubts:
        return told, False
    estimate = entry.counts or Counts()
    doubts = told.doubts if entry.raw is not None or entry.counts is None else ()
    return estimate._replace(doubts=(*estimate.doubts, *doubts)), True


def _doubts(counts: Counts, estimated: bool) -> str:
    said = [ESTIMATED] if estimated else []
    return ",".join([*said, *(doubt for doubt in counts.doubts if doubt not in said)])[:200]


def _was_estimated(row: Usage) -> bool:
    return ESTIMATED in row.doubts.split(",")


def _set_price(row: Usage, counts: Counts, price: Price | None, estimated: bool) -> None:
    if price is not None:
        prices = price.prices()
        if estimated:
            counts = priced_part(counts, prices)
        row.price_id, row.rates, row.currency = price.pk, prices.plain(), prices.currency
        try:
            row.cost = cost(counts, prices)
        except Unpriced:
            row.cost = None
    for name, value in counts.measures().items():
        setattr(row, name, value)
    if row.cost is None:
        row.source = Source.UNPRICED
        row.currency = ""
    else:
        row.source = Source.ESTIMATED if row.doubts else Source.REPORTED


def _correction(known: Usage, truth: Usage) -> Usage:
    """The row that corrects an estimate, at the price of the estimate."""
    row = replace_row(truth, kind=Usage.Kind.CORRECTION, corrects=known.kind)
    if known.cost is not None:
        for name in ("price_id", "rates", "currency", "source"):
            setattr(row, name, getattr(known, name))
        try:
            row.cost = cost(truth.counts(), read_prices(known.rates or {})) - known.cost
            row.source = truth.source if truth.cost is not None else Source.REPORTED
        except Unpriced:
            row.cost, row.currency, row.source = None, "", Source.UNPRICED
    difference = truth.counts() - known.counts()
    for name, value in difference.measures().items():
        setattr(row, name, value)
    return row


def _take_back(row: Usage) -> None:
    """Make a row the negative of the estimate that it corrects, at the estimate's price: by now
    another price may apply to that time."""
    named = {"upstream_session": row.upstream_session, "key": row.key, "kind": row.corrects}
    known = Usage.objects.filter(**named).first()
    if known is None:
        return
    for name in ("price_id", "rates", "currency", "source"):
        setattr(row, name, getattr(known, name))
    row.cost = None if known.cost is None else -known.cost
    for name, value in (Counts() - known.counts()).measures().items():
        setattr(row, name, value)


def replace_row(row: Usage, **changes: Any) -> Usage:
    """A new row like this one."""
    names = [column.attname for column in Usage._meta.concrete_fields if not column.primary_key]
    return Usage(**{name: getattr(row, name) for name in names} | changes)


def _add_up(rows: list[Usage]) -> None:
    """Add new rows to their days' sums."""
    # All processes in the same order, or two could deadlock over each other's sums.
    sums = sorted((_summands(row) for row in rows), key=itemgetter(slice(len(DAY_PLACE))))
    add_up(UsageDay, DAY_PLACE, DAY_NAMES, DAY_SUMS, sums)


def _summands(row: Usage) -> list[Any]:
    """What a row adds to the daily sums: the values of DAY_PLACE, DAY_NAMES and DAY_SUMS."""
    own = [getattr(row, name) for name in (*DAY_PLACE[2:], *DAY_NAMES, *MEASURES)]
    day = row.created.astimezone(UTC).date()
    return [day, _text(row.provider_id) or "", *own, row.cost or NOTHING, 1]
