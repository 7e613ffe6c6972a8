"""Processes that die and processes that are told to stop, while everybody talks."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.faults.rig import WORKERS, Rig, eventually
from tests.site import Shell, Site

pytestmark = pytest.mark.postgres

EXIT_SECONDS = 30.0
KILLS = 2  # how many times; soak.py goes on for as long as one wants


async def test_killed_workers_cost_nothing_that_was_told(site: Site, shell: Shell) -> None:
    async with Rig.around(site, shell, people=4) as rig:
        async with rig.talking():
            for _ in range(KILLS):
                await rig.turns(1)
                worker = site.worker_of(rig.people[0].calls[-1])
                os.kill(worker, signal.SIGKILL)
                await rig.turns(1)
                await eventually(lambda: len(site.workers()) == WORKERS)
                assert worker not in site.workers()
        await rig.bury()
        kept = await rig.truth()
    reasons = [reason for _pk, _state, reason, _owing in kept["calls"]]
    assert reasons.count("process_died") >= KILLS
    assert set(reasons) <= {"process_died", "hang_up"}


async def test_a_power_cut_costs_nothing_that_was_told(site: Site, shell: Shell) -> None:
    async with Rig.around(site, shell, people=4) as rig:
        async with rig.talking():
            await rig.turns(1)
            await asyncio.to_thread(site.kill)
            await asyncio.to_thread(site.start)
            await rig.turns(1)
        await rig.bury()
        kept = await rig.truth()
    reasons = [reason for _pk, _state, reason, _owing in kept["calls"]]
    assert sorted(reasons) == ["hang_up"] * 4 + ["process_died"] * 4


async def test_a_deploy_tells_everybody_and_leaves_every_call_finished(
    site: Site, shell: Shell
) -> None:
    async with Rig.around(site, shell, people=6) as rig:
        async with rig.talking():
            await rig.turns(1)
            stopping = asyncio.create_task(asyncio.to_thread(site.stop))
            for each in rig.people:
                assert await each.calls[0].ended(EXIT_SECONDS) == ("server_stopping", 1012)
            assert await stopping == 0
            # Every call was finished before the last process left: nobody has to look for them.
            kept = await asyncio.to_thread(rig.kept)
            assert [each[1:] for each in kept["calls"]] == [["ended", "server_stopping", None]] * 6
            assert rig.left() == []
            await asyncio.to_thread(site.start)
            await rig.turns(1)
        await rig.truth()
