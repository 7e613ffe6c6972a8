"""The ledger: counted once, whatever happens, and never changed."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from realtime.models import ExchangeRate, Price, Usage, UsageDay
from realtime.money.ledger import Entry, Payer, entry_of, record, rows_of
from realtime.money.spending import Scope, spent
from realtime.money.usage import MEASURES, Counts
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
PAYER = Payer(7, "Team", 3, "ann", uuid.UUID(int=5), "OpenAI", "openai_ga")
RAW = {
    "total_tokens": 350,
    "input_tokens": 300,
    "output_tokens": 50,
    "input_token_details": {
        "text_tokens": 100,
        "audio_tokens": 200,
        "cached_tokens": 128,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 64},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
}
# 36 x 4 + 64 x 0.4 + 136 x 32 + 64 x 0.4 + 10 x 16 + 40 x 64, in millionths
COST = Decimal("0.0072672")


def entry(key: str = "resp_1", **fields: Any) -> Entry:
    given: dict[str, Any] = {"payer": PAYER, "model": "gpt-realtime", "raw": RAW, "created": NOON}
    return Entry(**({"upstream_session": "call/1", "key": key} | given | fields))


@pytest.fixture(autouse=True)
def price() -> Price:
    return Price.objects.create(
        model="gpt-realtime",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        text_in=Decimal("4"),
        text_cached=Decimal("0.4"),
        text_out=Decimal("16"),
        audio_in=Decimal("32"),
        audio_cached=Decimal("0.4"),
        audio_out=Decimal("64"),
    )


def sums(model: Any) -> dict[str, Any]:
    return model.objects.aggregate(**{name: Sum(name, default=0) for name in (*MEASURES, "cost")})


def balanced() -> Decimal:
    """The ledger's sum, which the daily sums equal in everything."""
    assert sums(Usage) == sums(UsageDay)
    assert UsageDay.objects.aggregate(n=Sum("rows", default=0))["n"] == Usage.objects.count()
    return Decimal(sums(Usage)["cost"])


def test_a_row_says_what_was_used_and_what_it_cost(price: Price) -> None:
    (row,) = record(entry(call_id=uuid.UUID(int=9)))
    row.refresh_from_db()
    assert (row.cost, row.currency, row.source, row.doubts) == (COST, "USD", "reported", "")
    assert row.raw == RAW
    assert row.counts() == Counts(
        text_in=100, text_cached=64, text_out=10, audio_in=200, audio_cached=64, audio_out=40
    )
    assert (row.price_id, row.rates["audio_out"]) == (price.pk, "64.000000")
    assert (row.account_name, row.user_name, row.provider_name) == ("Team", "ann", "OpenAI")
    assert balanced() == COST


def test_the_same_response_counts_once() -> None:
    assert [len(record(entry())) for _ in range(3)] == [1, 0, 0]
    assert (balanced(), Usage.objects.count()) == (COST, 1)


def test_a_response_and_a_transcription_of_one_name_are_two_things() -> None:
    record(entry())
    record(entry(upstream_session="call/2"))
    assert Usage.objects.count() == 2
    Price.objects.update(kind="transcription")
    record(entry(kind="transcription"))
    assert (balanced(), Usage.objects.count()) == (3 * COST, 3)


def test_answers_whose_long_names_begin_alike_are_both_paid_for() -> None:
    names = ["r" * 200, "r" * 201, "r" * 200 + "1"]
    for name in [*names, *names]:
        record(entry(name))
    assert (balanced(), Usage.objects.count()) == (3 * COST, 3)
    assert {len(row.key) for row in Usage.objects.all()} == {200}


def test_nul_in_a_provider_s_names_costs_no_row() -> None:
    for name in ("ab", "a\0b"):
        record(entry(name, upstream_session=f"call/1/{name}", model="gpt-realtime\0"))
    assert (balanced(), Usage.objects.count()) == (2 * COST, 2)
    kept = entry_of(entry("a\0b").fields()).key
    assert kept == entry("a\0b").key
    assert "\0" not in "".join(f"{row.upstream_session}{row.key}" for row in Usage.objects.all())


def test_what_is_reported_takes_the_place_of_an_estimate() -> None:
    estimate = Counts(audio_in=100, audio_out=100)
    record(entry(raw=None, counts=estimate))
    assert balanced() == Decimal("0.0096")
    assert Usage.objects.get().source == "estimated"
    (correction,) = record(entry())
    assert (correction.kind, correction.corrects, correction.source) == (
        "correction",
        "response",
        "reported",
    )
    assert correction.cost == COST - Decimal("0.0096")
    assert balanced() == COST
    assert correction.counts() + Usage.objects.get(kind="response").counts() == Counts(
        text_in=100, text_cached=64, text_out=10, audio_in=200, audio_cached=64, audio_out=40
    )
    assert record(entry()) == []
    assert balanced() == COST


def test_a_correction_has_the_price_of_what_it_corrects() -> None:
    (known,) = record(entry(raw=None, counts=Counts(audio_in=100)))
    since = NOON + timedelta(minutes=30)
    Price.objects.create(model="gpt-realtime", text_in=1, currency="CNY", since=since)
    (correction,) = record(entry(created=NOON + timedelta(hours=1)))
    for name in ("price_id", "rates", "currency"):
        assert getattr(correction, name) == getattr(known, name)
    assert correction.cost == COST - known.cost


def test_what_is_reported_of_an_answer_and_a_turn_of_one_name_corrects_both() -> None:
    kinds = [Usage.Kind.RESPONSE, Usage.Kind.TRANSCRIPTION]
    for kind in kinds:
        record(entry(kind=kind, raw=None, counts=Counts(audio_in=100)))
    for kind in kinds:
        told = entry(kind=kind)
        assert [row.corrects for row in record(told)] == [kind]
        assert record(told) == []
        assert {row.corrects for row in rows_of(told)} == {"", kind}
        assert {row.kind for row in rows_of(told)} == {kind, Usage.Kind.CORRECTION}
    assert balanced() == COST


@pytest.mark.parametrize("before", [None, "0.06"], ids=["without", "with"])
def test_time_is_taken_back_at_the_price_that_it_was_estimated_at(before: str | None) -> None:
    """Whatever price is set meanwhile, for a while ago."""
    model, start = "by-time", datetime(2026, 11, 22, tzinfo=UTC)
    if before is not None:
        Price.objects.create(model=model, since=start, per_minute=Decimal(before))
    slice_ = {"raw": None, "model": model, "counts": Counts(seconds=Decimal(15))}
    (guess,) = record(entry("time 1", kind=Usage.Kind.TIME, **slice_))
    Price.objects.create(model=model, since=start.replace(hour=1), per_minute=Decimal(6))
    slice_["counts"] = Counts() - slice_["counts"]
    (back,) = record(entry("time 1", kind=Usage.Kind.CORRECTION, **slice_))
    assert (back.kind, back.corrects, back.source) == ("correction", "time", guess.source)
    assert (back.cost, back.currency) == (-guess.cost if before else None, guess.currency)
    assert back.counts() == Counts() - guess.counts()
    assert balanced() == 0


def test_an_estimate_that_comes_late_changes_nothing() -> None:
    record(entry())
    assert record(entry(raw=None, counts=Counts(audio_in=999))) == []
    assert balanced() == COST


def test_a_model_without_a_price_is_unpriced_and_not_free() -> None:
    (row,) = record(entry(model="gpt-unheard-of"))
    row.refresh_from_db()
    assert (row.cost, row.currency, row.source, row.text_in) == (None, "", "unpriced", 100)
    assert balanced() == 0
    assert spent(Scope(), TODAY).unpriced == 1


def test_missing_usage_without_an_estimate_is_doubted() -> None:
    (row,) = record(entry(raw=None))
    assert (row.source, row.doubts) == ("estimated", "estimated,missing")


def test_the_database_refuses_to_change_or_delete_a_row() -> None:
    record(entry())
    for forbidden in (
        lambda: Usage.objects.update(cost=Decimal(0)),
        lambda: Usage.objects.all().delete(),
        lambda: Usage.objects.get().delete(),
        lambda: Usage.objects.get().save(),
        lambda: raw_sql("DELETE FROM realtime_usage"),
        lambda: raw_sql("UPDATE realtime_usage SET cost = 0"),
        lambda: raw_sql("TRUNCATE realtime_usage"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            forbidden()
    assert balanced() == COST


def raw_sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_new_price_leaves_the_past_alone(price: Price) -> None:
    record(entry())
    Price.objects.update(text_in=Decimal(8))
    record(entry("resp_2"))
    assert [row.cost for row in Usage.objects.order_by("key")] == [
        COST,
        COST + Decimal("0.000144"),
    ]


def test_one_token_at_the_smallest_price_fits_and_adds_up() -> None:
    Price.objects.create(model="tiny", text_in=Decimal("0.000001"), since=NOON)
    for number in range(3):
        record(entry(f"r{number}", model="tiny", raw={"input_tokens": 1}))
    assert balanced() == Decimal("0.000000000003")


def test_sums_do_not_drift() -> None:
    # As floats 0.1 + 0.2 + ... of these is off in the 16th digit.
    Price.objects.create(model="odd", text_in=Decimal("0.1"), since=NOON)
    for number in range(30):
        record(entry(f"r{number}", model="odd", raw={"input_tokens": 10**6 + 1}))
    assert balanced() == Decimal("3.000003")


def test_writers_at_once_count_once() -> None:
    def write(number: int) -> None:
        for each in range(10):
            record(entry(f"resp_{each}"))
            record(entry(f"own_{number}_{each}"))

    assert at_once(4, write) == []
    assert (Usage.objects.count(), balanced()) == (50, 50 * COST)


def test_an_entry_survives_a_journal() -> None:
    import orjson

    made = entry(call_id=uuid.uuid4(), counts=Counts(seconds=Decimal("1.5"), doubts=("x",)))
    assert entry_of(orjson.loads(orjson.dumps(made.fields()))) == made


def test_spending_is_of_a_scope_and_since_a_day() -> None:
    record(entry("a"))
    record(entry("b", created=datetime(2026, 11, 21, 23, 59, tzinfo=UTC)))
    record(entry("c", payer=Payer(account_id=8, user_id=3)))
    assert spent(Scope(account_id=7), TODAY).amount == COST
    assert spent(Scope(account_id=7), date(2026, 11, 1)).amount == 2 * COST
    assert spent(Scope(account_id=7), date(2026, 11, 1), date(2026, 11, 21)).amount == COST
    assert spent(Scope(user_id=3), TODAY).amount == 2 * COST
    assert spent(Scope(), date(2026, 11, 1)).amount == 3 * COST


def test_other_currencies_are_converted_at_the_day_s_rate() -> None:
    Price.objects.create(model="qwen", text_in=Decimal(10), currency="CNY", since=NOON)
    record(entry(model="qwen", raw={"input_tokens": 1000}))
    assert spent(Scope(), TODAY).unconverted == {"CNY": Decimal("0.01")}
    ExchangeRate.objects.create(
        currency="CNY", into="USD", since=date(2026, 11, 1), rate=Decimal("0.14")
    )
    ExchangeRate.objects.create(
        currency="CNY", into="USD", since=date(2026, 11, 23), rate=Decimal("0.9")
    )
    found = spent(Scope(), TODAY)
    assert (found.amount, found.unconverted) == (Decimal("0.0014"), {})
