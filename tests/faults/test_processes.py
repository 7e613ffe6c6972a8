"""Processes that die and processes that are told to stop, while everybody talks."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.rig import Rig
from tests.site import Shell, Site

pytestmark = pytest.mark.postgres


async def test_kill_9_costs_nothing_that_was_told(site: Site, shell: Shell) -> None:
    async with Rig.around(site, shell, people=4) as rig:
        async with rig.talking():
            for _ in range(3):
                await rig.turns(1)
                await asyncio.to_thread(site.kill)
                await asyncio.to_thread(site.start)
                await rig.turns(1)
        await rig.bury()
        kept = await rig.truth()
    reasons = [reason for _pk, _state, reason, _owing in kept["calls"]]
    assert reasons.count("process_died") == 12, reasons
