"""The long versions of the fault tests, and a run that looks for leaks.

    SOAK_MINUTES=60 SOAK_PEOPLE=20 make soak

Kills, deploys and outages of Redis and PostgreSQL each get a fifth of the time, and calls that come
and go the last one. After each, nothing that people were told may be missing, and the janitor is
given its own time to find dead calls. Prints a line of JSON for each part; exits with 1 when a
bar of `BARS` was missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from redis.asyncio import Redis as RedisClient

from tests.faults.rig import (
    BESIDE,
    CONNECTIONS,
    WORKERS,
    Rig,
    Somebody,
    eventually,
    open_watchers,
    percentile,
    settings,
)
from tests.processes import children
from tests.servers import Postgres, Redis
from tests.site import Shell, Site

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
PEOPLE = int(os.environ.get("SOAK_PEOPLE", "20"))
ROUNDS = 200
"""Kills are enough after so many."""
FINAL_SECONDS = 120.0
"""A dead call is closed within 60 s; the rest is for the machine this runs on."""
PATIENT = 120.0
WATCHERS = 15
"""Tabs of each person that only watch."""
BARS = {
    "back_p95_s": 5.0,  # a killed worker's place is taken
    "resumed_p95_s": 5.0,  # a person whose worker was killed talks again
    "exit_s": 30.0,
    "recovery_s": 10.0,
    "rss_slope_mb_per_h": 1.0,
    "most_postgres": CONNECTIONS + BESIDE,
    "left_files": 2,  # of one process
    "left_postgres": 2 * WORKERS,
    "left_redis": 2 * WORKERS,
}


@dataclass
class Soak:
    """Everything that runs, and what was found."""

    site: Site
    shell: Shell
    postgres: Postgres
    redis: Redis
    seconds: float
    missed: list[str] = field(default_factory=list)

    def tell(self, part: str, **found: Any) -> None:
        """Print what a part found, and note each bar that it missed."""
        print(json.dumps({"part": part, **found}), flush=True)
        for name, bar in BARS.items():
            if (value := found.get(name)) is not None and value > bar:
                self.missed.append(f"{part}: {name} is {value}, the bar is {bar}")

    @asynccontextmanager
    async def people(self) -> AsyncIterator[Rig]:
        """So many people, who are asked at the end whether all they were told is there."""
        async with Rig.around(self.site, self.shell, PEOPLE) as rig:
            yield rig
            await rig.truth(FINAL_SECONDS)


async def kills(soak: Soak) -> None:
    """kill -9 of one worker after another."""
    back: list[float] = []
    async with soak.people() as rig:
        async with rig.talking():
            until = time.monotonic() + soak.seconds
            while time.monotonic() < until and len(back) < ROUNDS:
                await rig.turns(1, PATIENT)
                await eventually(lambda: is_whole(soak.site), PATIENT)
                # The one that is longest there: who dies early is not replaced so soon.
                killed, began = soak.site.workers()[0], time.monotonic()
                os.kill(killed, signal.SIGKILL)
                await eventually(partial(is_served, soak.site, killed), PATIENT)
                back.append(time.monotonic() - began)
            await rig.turns(1, PATIENT)
    soak.tell("kills", rounds=len(back), back_p95_s=_p95(back), **_of(rig.people))


def is_served(site: Site, killed: int = 0) -> bool:
    """Whether there are as many workers as there should be, without the one that was killed."""
    workers = site.workers()
    return len(workers) == WORKERS and killed not in workers


def is_whole(site: Site) -> bool:
    """Whether another worker is loaded and waits, as it does some seconds after the last death."""
    assert site.process is not None
    if not is_served(site):
        return False
    waiting = set(children(site.process.pid)) - set(site.workers())
    told = site.log.read_text()
    return any(f"worker {pid} is loaded" in told for pid in waiting)


async def deploys(soak: Soak) -> None:
    """SIGTERM to the whole site, and a start of the next one."""
    exits: list[float] = []
    async with soak.people() as rig:
        async with rig.talking():
            until = time.monotonic() + soak.seconds
            while time.monotonic() < until:
                await rig.turns(1, PATIENT)
                began = time.monotonic()
                assert await asyncio.to_thread(soak.site.stop) == 0
                exits.append(time.monotonic() - began)
                kept = await asyncio.to_thread(rig.kept)
                assert {state for _pk, state, _reason, _owing in kept["calls"]} == {"ended"}
                await asyncio.to_thread(soak.site.start)
            await rig.turns(1, PATIENT)
    # What took longest is the bar; how long people were away depends on the restart.
    codes = sorted({call.code for each in rig.people for call in each.calls if call.code != 1000})
    soak.tell("deploys", rounds=len(exits), exit_s=round(max(exits), 2), codes=codes)


async def outage(
    soak: Soak, part: str, fail: Callable[[], None], mend: Callable[[], None], away: float
) -> None:
    """A server is away for a while; the calls that run go on."""
    async with soak.people() as rig:
        async with rig.talking():
            await rig.turns(1, PATIENT)
            async with rig.away(fail, mend):
                until = time.monotonic() + away
                while time.monotonic() < until:
                    await rig.turns(1, PATIENT)
            began = time.monotonic()
            await eventually(lambda: soak.site.ready() == 200, PATIENT)
            recovery = round(time.monotonic() - began, 2)
            await rig.turns(1, PATIENT)
        calls = sum(len(each.calls) for each in rig.people)
        assert calls == PEOPLE, f"{calls - PEOPLE} calls were dropped"
    soak.tell(part, away_s=round(away), recovery_s=recovery, dropped=calls - PEOPLE)


@dataclass(frozen=True)
class Measure:
    """What the workers hold at one moment; RSS of the largest, in MB."""

    at: float
    rss: float
    files: int
    postgres: int
    redis: int


async def measure(soak: Soak) -> Measure:
    """What the workers hold now."""
    workers = [Path(f"/proc/{pid}") for pid in soak.site.workers()]
    pages = [int((worker / "statm").read_text().split()[1]) for worker in workers]
    with psycopg.connect(soak.postgres.url) as connection:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        row = connection.execute(asked).fetchone()
    client: Any = RedisClient.from_url(soak.redis.url)
    clients = len(await client.client_list())
    await client.aclose()
    return Measure(
        at=time.monotonic(),
        rss=max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6,
        files=max(len(list((worker / "fd").iterdir())) for worker in workers),
        postgres=row[0] if row else 0,
        redis=clients,
    )


async def churn(soak: Soak) -> None:
    """Calls and tabs come and go; afterwards nothing of them may be left."""
    async with soak.people() as rig:
        # Once before the base is taken: what a process makes at the first call, it keeps.
        await _come_and_go(rig, 2)
        base = await _at_rest(soak)
        taken: list[Measure] = []
        calls, most = 0, 0
        until = time.monotonic() + soak.seconds
        while time.monotonic() < until:
            async with open_watchers(rig.people, each=WATCHERS):
                most = max(most, (await measure(soak)).postgres)
            await _come_and_go(rig, 1)
            calls += PEOPLE
            taken.append(await measure(soak))
        rest = await _at_rest(soak)
    half = taken[len(taken) // 2 :]
    soak.tell(
        "churn",
        minutes=round(soak.seconds / 60, 1),
        calls=calls,
        base=vars(base),
        rest=vars(rest),
        most_postgres=most,
        left_files=rest.files - base.files,
        left_postgres=rest.postgres - base.postgres,
        left_redis=rest.redis - base.redis,
        # Too short a run has no slope to speak of: allocators grow in steps.
        rss_slope_mb_per_h=round(_slope(half), 1) if soak.seconds >= 3600 else None,
        rss_mb=[round(each.rss, 1) for each in taken[:: max(1, len(taken) // 12)]],
    )


async def _come_and_go(rig: Rig, times: int) -> None:
    for _ in range(times):
        async with rig.talking():
            await rig.turns(1, PATIENT)


async def _at_rest(soak: Soak) -> Measure:
    """What is held once nothing has changed for a while: connections close late."""
    before = await measure(soak)
    for _ in range(20):
        await asyncio.sleep(3)
        now = await measure(soak)
        if (now.files, now.postgres, now.redis) == (before.files, before.postgres, before.redis):
            return now
        before = now
    return before


def _slope(taken: list[Measure]) -> float:
    """MB an hour, by least squares."""
    if len(taken) < 2:
        return 0.0
    at = sum(each.at for each in taken) / len(taken)
    rss = sum(each.rss for each in taken) / len(taken)
    spread = sum((each.at - at) ** 2 for each in taken)
    return 3600 * sum((each.at - at) * (each.rss - rss) for each in taken) / spread


def _p95(values: list[float]) -> float:
    return round(percentile(values, 0.95), 2)


def _of(people: list[Somebody]) -> dict[str, Any]:
    gaps = [gap for each in people for gap in each.gaps]
    return {
        "calls": sum(len(each.calls) for each in people),
        "answers": sum(each.answers for each in people),
        "resumed_p95_s": _p95(gaps) if gaps else None,
    }


async def main() -> int:
    """Run every part that was asked for, all without."""
    with Postgres() as postgres, Redis() as redis, tempfile.TemporaryDirectory() as folder:
        with Site(Path(folder), **settings(postgres, redis)) as site, Shell(site) as shell:
            share = MINUTES * 60 / 5
            soak = Soak(site, shell, postgres, redis, share)
            half = min(60.0, share / 2)
            parts: dict[str, Callable[[], Awaitable[None]]] = {
                "kills": lambda: kills(soak),
                "deploys": lambda: deploys(soak),
                "redis": lambda: outage(soak, "redis dead", redis.kill, redis.start, half),
                "redis-hangs": lambda: outage(soak, "redis hangs", redis.hang, redis.go_on, half),
                "postgres": lambda: outage(
                    soak, "postgres away", postgres.stop, postgres.start, min(30.0, share)
                ),
                "churn": lambda: churn(soak),
            }
            for name in sys.argv[1:] or list(parts):
                await parts[name]()
    print("\n".join(soak.missed) or "Every bar was held.")
    return 1 if soak.missed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
