"""A browser that stops reading, with the site's memory measured from outside."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

from tests.scripted import (
    Expect,
    ScriptedProvider,
    Send,
    Step,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)
from tests.site import Caller, Site

MEGABYTE = 1_000_000
POURED = 40 * MEGABYTE
PIECE = bytes(24_000)
BAR = 2 * MEGABYTE


def memory(pid: int) -> int:
    """Memory the process holds right now, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def pouring(total: int) -> list[Step]:
    """An answer of this many bytes, as fast as it is taken."""
    delta = audio_delta(PIECE)
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    return [
        Send(session_created()),
        Expect("session.update"),
        Send(response_created(), item_added("item_a", None, "assistant")),
        *[Send(delta) for _ in range(total // len(PIECE))],
        Send(response_done(output=[item])),
    ]


async def test_a_browser_that_reads_nothing_costs_no_memory_and_is_let_go(tmp_path: Path) -> None:
    # The first calls bring what every process needs once.
    warm_up = [pouring(4 * MEGABYTE)] * 3
    async with ScriptedProvider(*warm_up, pouring(POURED)) as provider:
        with Site(tmp_path) as site:
            assert site.process is not None
            pid = site.process.pid
            site.provider(provider.url)
            ann = site.person("ann")
            thread = ann.new_conversation()
            for _ in warm_up:
                async with Caller.dial(site.url, thread, ann.cookie) as call:
                    await call.start()
                    await call.event("response.done", 30)
                    await call.send({"type": "nextvoice.hang_up"})
                    assert await call.ended() == ("hang_up", 1000)
            before = most = memory(pid)
            async with Caller.dial(site.url, thread, ann.cookie, reads=False) as call:
                await call.send({"type": "nextvoice.start"})
                visit = await provider.visit(len(warm_up))
                async with asyncio.timeout(30):
                    while not (reason := _last_end(site)):
                        most = max(most, memory(pid))
                        await asyncio.sleep(0.02)
            assert reason == "slow_reader"
            async with asyncio.timeout(10):
                await visit.over.wait()
            assert most - before <= BAR


def _last_end(site: Site) -> str:
    with sqlite3.connect(site.folder / "data" / "nextvoice.sqlite3") as database:
        rows = database.execute(
            "SELECT end_reason FROM realtime_callrecord ORDER BY started DESC LIMIT 1"
        )
        return str(rows.fetchone()[0])
