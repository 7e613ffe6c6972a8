"""A million ledger rows: how long each report takes. `python -m tests.bench.money [rows]`.

Fills a PostgreSQL of its own, in the database, with a year of 200 people in 20 accounts talking
with 4 models: 20 ledger rows a call, some interrupted, failed, estimated or without a price. Then
times every report, beside two floors of the same run: counting the ledger, and adding up its costs.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.servers import Postgres

ROWS = 1_000_000
ROUNDS = 3
BUDGET_MS = 1000

LEDGER = """
INSERT INTO realtime_usage (
  id, account_id, account_name, user_id, user_name, provider_id, provider_name, own, model,
  text_in, text_cached, text_out, audio_in, audio_cached, audio_out, image_in, image_cached,
  other_in, other_cached, other_out, seconds, characters, messages,
  call_id, dialect, upstream_session, key, kind, corrects, status, source, doubts, raw,
  price_id, rates, cost, currency, created)
SELECT
  gen_random_uuid(), 1 + person %% 20, 'Account ' || person %% 20, 1 + person, 'person' || person,
  ('00000000-0000-0000-0000-00000000000' || model)::uuid, 'Provider ' || model, false,
  'model-' || model,
  100 + n %% 50, 64, 10, 200 + n %% 300, 64, 40 + n %% 90, 0, 0, 0, 0, 0, 0, 0, 0,
  md5(call::text)::uuid, 'openai_ga', 'call' || call || '/1', 'resp_' || n,
  CASE WHEN n %% 3 = 0 THEN 'transcription' ELSE 'response' END, '',
  CASE WHEN n %% 41 = 0 THEN 'failed' WHEN n %% 7 = 0 THEN 'cancelled' ELSE 'completed' END,
  CASE WHEN unpriced THEN 'unpriced' WHEN n %% 97 = 0 THEN 'estimated' ELSE 'reported' END,
  '', '{"total_tokens": 350}', 1, '{"text_in": "4.000000"}',
  CASE WHEN unpriced THEN NULL ELSE 0.007267200001 + (n %% 977) * 0.000001 END,
  CASE WHEN unpriced THEN '' WHEN model = 3 THEN 'CNY' ELSE 'USD' END,
  timestamptz '2026-01-01 00:00Z' + call * (interval '365 days' / %(calls)s)
    + n %% 20 * interval '7 s'
FROM (
  SELECT n, n / 20 AS call, (n / 20) * 7919 %% 200 AS person, (n / 20) * 31 %% 4 AS model,
         (n / 20) * 31 %% 4 = 2 AND n %% 5 = 0 AS unpriced
  FROM generate_series(0, %(rows)s - 1) AS n) AS made
"""
CALLS = """
INSERT INTO realtime_callrecord (
  id, account_id, user_id, provider_name, model_name, state, end_reason, end_detail, started,
  ended, duration_ms, spoken_ms, answered_ms, heartbeat)
SELECT md5(call::text)::uuid, 1 + call * 7919 %% 200 %% 20, 1 + call * 7919 %% 200,
  'Provider ' || call * 31 %% 4, 'model-' || call * 31 %% 4, 'ended', 'hung_up', '', began,
  began + interval '3 min', 180000, 60000, 70000, began + interval '3 min'
FROM (SELECT call,
             timestamptz '2026-01-01 00:00Z' + call * (interval '365 days' / %(calls)s) AS began
      FROM generate_series(0, %(calls)s - 1) AS call) AS made
"""
PEOPLE = """
INSERT INTO chats_user (id, password, is_superuser, username, first_name, last_name, email,
  is_staff, is_active, date_joined, call_settings)
SELECT n, '', false, 'person' || n - 1, '', '', '', false, true, now(), '{}'
FROM generate_series(1, 200) AS n
"""
ACCOUNTS = """
INSERT INTO chats_account (id, name, slug, created)
SELECT n, 'Account ' || n - 1, 'account-' || n, now() FROM generate_series(1, 20) AS n
"""


def main(rows: int = ROWS) -> int:
    """Fill, time, print; 1 when a report takes longer than a second."""
    with Postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": postgres.url,
            "DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "nextvoice.settings",
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        _fill(rows)
        slow = _time_all()
        connections.close_all()
        # The pool's own threads outlive the connection otherwise.
        for each in connections.all():
            getattr(each, "close_pool", lambda: None)()
    return 1 if slow else 0


def _fill(rows: int) -> None:
    from django.db import connection

    from realtime.models import ExchangeRate
    from realtime.money import rollups

    calls = max(1, rows // 20)
    with connection.cursor() as cursor:
        for statement in (PEOPLE, ACCOUNTS, CALLS, LEDGER):
            began = time.perf_counter()
            given = {"rows": rows, "calls": calls}
            cursor.execute(statement, given if "%(" in statement else None)
            print(f"{cursor.rowcount:>10,} rows in {time.perf_counter() - began:.1f} s")
        ExchangeRate.objects.create(currency="CNY", into="USD", since="2026-01-01", rate="0.1395")
        ExchangeRate.objects.create(currency="CNY", into="USD", since="2026-07-01", rate="0.14")
        began = time.perf_counter()
        print(f"{rollups.rebuild():>10,} daily sums in {time.perf_counter() - began:.1f} s")
        cursor.execute("ANALYZE")


def _time_all() -> int:
    from datetime import date

    from django.db import connection

    from realtime.money import reconciling
    from realtime.money.report_filters import Filters
    from realtime.money.reports import BY, call_ids, call_lines, lines, totals
    from realtime.money.spending import Scope, spent

    def ask(statement: str) -> Callable[[], Any]:
        def run() -> None:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                cursor.fetchall()

        return run

    def first_calls(filters: Filters) -> list[Any]:
        # As the admin's page of calls: how many there are, and the latest fifty.
        call_ids(filters).count()
        return list(call_lines(filters, list(call_ids(filters)[:50])))

    year = Filters(since=date(2026, 1, 1), until=date(2026, 12, 31))
    month = Filters(since=date(2026, 11, 1), until=date(2026, 11, 30))
    jobs: list[tuple[str, Callable[[], Any]]] = [
        ("floor: count the ledger", ask("SELECT count(*) FROM realtime_usage")),
        ("floor: add up its costs", ask("SELECT sum(cost) FROM realtime_usage")),
    ]
    floors = len(jobs)
    for name, span in (("month", month), ("year", year)):
        for by in BY[:-1]:
            jobs.append((f"{name} by {by}", lambda by=by, span=span: lines(by, span)))
        jobs.append((f"{name} by call, a page", lambda span=span: first_calls(span)))
        jobs.append((f"{name}, totals", lambda span=span: totals(span)))
    person = Filters(since=month.since, until=month.until, user=7)
    jobs += [
        ("year, interrupted only, by model", lambda: lines("model", Filters(status="cancelled"))),
        ("year, transcription, by person", lambda: lines("user", Filters(kind="transcription"))),
        ("a person's month by day", lambda: lines("day", person)),
        ("a person's month by call", lambda: list(call_lines(person))),
        ("an account's year by person", lambda: lines("user", Filters(account=3))),
        ("a person's calls of a year, a page", lambda: first_calls(Filters(user=7))),
        ("spent of a month (quotas)", lambda: spent(Scope(user_id=7), date(2026, 11, 1))),
    ]
    slow = 0
    print(f"\n{'':40}{'ms':>9}{'x count':>9}")
    floor = 0.0
    for at, (name, job) in enumerate(jobs):
        took = _median(job)
        floor = floor or took
        late = took > BUDGET_MS and at >= floors
        slow += late
        print(f"{name:40}{took:9.1f}{took / floor:9.2f}{'   SLOW' if late else ''}")
    began = time.perf_counter()
    wrong = sum(each.wrong for each in reconciling.findings())
    print(f"\nreconcile: {wrong} differences in {time.perf_counter() - began:.1f} s")
    began, count = time.perf_counter(), sum(1 for _ in call_lines(year))
    print(f"every call of the year, one by one: {count:,} in {time.perf_counter() - began:.1f} s")
    return slow


def _median(job: Callable[[], Any]) -> float:
    job()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        job()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:2])))
