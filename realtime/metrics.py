"""What `/metrics` tells Prometheus. No label has unlimited or personal values.

With several workers, each keeps its figures in files of `PROMETHEUS_MULTIPROC_DIR`, a folder of
their supervisor's (`realtime.serving.figures`); whichever worker is asked adds all of them up.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from redis import Redis
from redis.exceptions import RedisError

from chats.spool import spool
from realtime.calls import live
from realtime.calls.pace import pace, worked_and_waited
from realtime.keeping import tracks
from realtime.keeping.store import store

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# While calls run, a timer measures this often how late it is, and how long the queues are.
SAMPLE_SECONDS = 0.25
PROXIES_SAY = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP")

started = Counter("nextvoice_calls_started", "Calls that began.")
ended = Counter("nextvoice_calls_ended", "Calls that ended, by reason.", ["reason"])
refused = Counter("nextvoice_calls_refused", "Calls that could not begin, by reason.", ["reason"])
upstream_failed = Counter(
    "nextvoice_upstream_errors", "Sessions that a provider did not open, by reason.", ["reason"]
)
_cost = Counter("nextvoice_cost", "What the ledger's rows cost.", ["currency"])
_live = Gauge("nextvoice_calls_live", "Calls that run.", multiprocess_mode="livesum")
_rows = Gauge(
    "nextvoice_store_rows_waiting", "Rows not yet in the database.", multiprocess_mode="livesum"
)
_encoding = Gauge(
    "nextvoice_recordings_encoding", "Recordings to be encoded.", multiprocess_mode="livesum"
)
_delay = Histogram(
    "nextvoice_audio_delay_seconds",
    "How long a frame waits for its process before it is handed on, which takes it no queue and no"
    " task: the lateness of a timer, sampled 4 times a second while calls run.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)


def costs(amount: Decimal | None, currency: str) -> None:
    """A row of the ledger was written. Corrections downwards are left out: a counter only grows."""
    if amount is not None and amount > 0:
        _cost.labels(currency).inc(float(amount))


class Sampler:
    """Watches an event loop and the process's queues while calls run. One per loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """A call has begun on the running loop."""
        _live.set(live.count())
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while live.count():
                due = loop.time() + SAMPLE_SECONDS
                await asyncio.sleep(SAMPLE_SECONDS)
                late = max(0.0, loop.time() - due)
                _delay.observe(late)
                pace.note(loop.time(), late, *worked_and_waited())
                _note_queues()
        finally:
            pace.rest()
        _note_queues()


def _note_queues() -> None:
    _live.set(live.count())
    _rows.set(store().waiting)
    _encoding.set(tracks.waiting())


sampler = Sampler()


def forget(folder: Path, pid: int) -> None:
    """A worker has ended: its counters stay, its gauges go."""
    multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The figures, for those who may have them; a 404 for others."""
    if not _allowed(request):
        raise Http404
    told = generate_latest(_collected()) + generate_latest(_seen_now())
    return HttpResponse(told, content_type=CONTENT_TYPE_LATEST)


def _allowed(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), settings.METRICS_TOKEN.encode()
        )
    # Requests through a proxy come from the world, whatever the proxy's address. Some proxies only
    # say that they were asked by https, not by whom.
    if any(name in request.headers for name in PROXIES_SAY):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        return False


def _collected() -> CollectorRegistry:
    if not os.environ.get(FOLDER):
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _seen_now() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_SeenNow())
    return registry


class _SeenNow:
    """Figures that are looked up when asked for. Not `Gauge`s: with several workers these are
    stored, and would be reported for dead ones for ever."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, words, value in (
            ("nextvoice_database_up", "Whether the database answers.", _database_answers()),
            ("nextvoice_redis_up", "Whether Redis answers, or is not used.", _redis_answers()),
            ("nextvoice_journal_bytes", "Rows on disk that wait for the database.", _journal()),
            ("nextvoice_spooled_files", "Files that wait for the object store.", _spooled()),
        ):
            yield GaugeMetricFamily(name, words, value)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return False
    return True


def _redis_answers() -> bool:
    if not settings.REDIS_URL:
        return True
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
        ) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def _spooled() -> int:
    return len(spool().names())


def _journal() -> int:
    total = 0
    for path in (Path(settings.DATA_DIR) / "journal").glob("*.jsonl"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
