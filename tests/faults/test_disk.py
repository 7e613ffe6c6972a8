"""A disk that is full or refuses to be written, while everybody talks."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.rig import Rig, eventually
from tests.site import Caller, Shell, Site

pytestmark = pytest.mark.postgres

TOLD_SECONDS = 5.0
HAS_ROW = "from chats.models import Recording\ntell(Recording.objects.filter(pk={pk!r}).exists())"
ROOM_KB = 64  # less than one answer


@contextmanager
def small_disk(folder: Path, options: str = "") -> Iterator[None]:
    """A disk of `ROOM_KB` in place of the folder. Only root may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={ROOM_KB}k{options}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=False)
    if os.geteuid() != 0 or made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("options", ["", ",ro"], ids=["full", "read-only"])
async def test_a_disk_that_takes_nothing_costs_sound_and_nothing_else(
    site: Site, shell: Shell, options: str
) -> None:
    live = site.folder / "data" / "live"
    async with Rig.around(site, shell, people=3, pieces=10) as rig:
        with small_disk(live, options):
            await eventually(lambda: site.ready() == 503)
            async with rig.talking():
                await rig.turns(1)
                calls = [each.calls[0] for each in rig.people]
                await asyncio.gather(*(_was_told(call) for call in calls))
                await rig.turns(1)
        await eventually(lambda: site.ready() == 200)
        # What lay on that disk is gone with it, as far as it was not a recording yet; the words
        # and the money are whole.
        kept = await rig.truth(sound=False)
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        assert any(each["partial"] for each in kept["recordings"].values())


async def _was_told(call: Caller) -> None:
    notice = await call.event("nextvoice.notice", TOLD_SECONDS, code="recording_partial")
    assert notice["remedy"] == "You can go on: the words are kept. Please tell your administrator."


async def test_a_cut_off_file_is_a_recording_up_to_there(site: Site, shell: Shell) -> None:
    """A power cut: the process is gone, and so is the end of what it wrote."""
    async with Rig.around(site, shell, people=1, pieces=40) as rig:
        live = site.folder / "data" / "live"

        def growing() -> list[Path]:
            """Files of some length whose rows are written, which is done now and then."""
            found = [path for path in live.glob("*/*.pcm") if path.stat().st_size > 50_000]
            return [path for path in found if shell.run(HAS_ROW.format(pk=path.stem))]

        async with rig.talking():
            (cut,) = await eventually(growing)
            await asyncio.to_thread(site.kill)
            os.truncate(cut, 48_001)  # one second, and half a sample
            await asyncio.to_thread(site.start)
            await rig.turns(1)
        await rig.bury()
        kept = await rig.truth(sound=False)
        found = [each for each in kept["recordings"].values() if each["pk"] == cut.stem]
        assert [(each["state"], each["ms"], each["length"]) for each in found] == [
            ("ready", 1000, 1000)
        ], (cut, kept)
