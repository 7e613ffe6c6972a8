"""An object store that hangs, refuses and is gone, while everybody talks: files wait for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.rig import WITHIN, Rig, Somebody, eventually, gone
from tests.site import Shell, Site
from tests.store import ObjectStore, hangs, refuses


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with ObjectStore() as running:
        yield running


@pytest.fixture
def stored(store: ObjectStore, tmp_path: Path) -> Iterator[Site]:
    """A site of its own that keeps its files in the store."""
    with Site(tmp_path, **store.settings) as running:
        yield running


async def test_recordings_wait_for_a_store_that_is_away(stored: Site, store: ObjectStore) -> None:
    spool = stored.folder / "data" / "spool"

    def waiting() -> list[Path]:
        return list(spool.glob("[!.]*"))

    def waits(url: str) -> bool:
        return any(Path(url).parent.name in each.name for each in waiting())

    def fail() -> None:
        store.fails = hangs

    def mend() -> None:
        store.fails = None
        store.start()

    with Shell(stored) as shell:
        async with Rig.around(stored, shell, people=3) as rig:
            listener, page = rig.people[0], rig.people[0].browser()
            async with rig.talking():
                await rig.turns(1)
                old = await a_recording(listener, lambda url: True)
                await gone(waiting)
                async with rig.away(fail, mend):
                    await rig.turns(1)
                    store.fails = refuses
                    await rig.turns(1)
                    # Who is told late may be told of one that the store still took.
                    new = await a_recording(listener, waits)
                    await eventually(lambda: len(waiting()) >= 3)
                    # What waits can be heard, what is in the store later; calls can begin.
                    heard = await asyncio.to_thread(page.get, new)
                    assert (heard.status, heard.headers["content-type"]) == (200, "audio/mpeg")
                    not_now = await asyncio.to_thread(page.get, old)
                    assert (not_now.status, not_now.headers["retry-after"]) == (503, "5")
                    ready = await asyncio.to_thread(page.get, "/readyz")
                    assert ready.status == 200 and json.loads(ready.body)["files_waiting"] >= 3
                    await asyncio.to_thread(store.stop)
                    await rig.turns(1)
                await rig.turns(1)
            assert [len(each.calls) for each in rig.people] == [1, 1, 1]
            await gone(waiting)
            kept = await rig.truth()
            assert {each["state"] for each in kept["recordings"].values()} == {"ready"}
            names = {
                f"recordings/{each['pk'][:2]}/{each['pk']}.mp3"
                for each in kept["recordings"].values()
            }
            assert store.keys() == names


async def a_recording(person: Somebody, wanted: Callable[[str], bool]) -> str:
    """Where the newest is of those they are told of and that are wanted."""

    def found() -> list[str]:
        saved = person.calls[0].of("nextvoice.saved")
        told = [event["recording"]["url"] for event in saved if event["recording"]]
        return [url for url in told if wanted(url)]

    await person.calls[0].until(lambda: bool(found()), WITHIN)
    return found()[-1]
