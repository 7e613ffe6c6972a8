"""A backup made while people talk is restored on an empty machine, and onto another database.

SQLite to PostgreSQL, which is how a site grows, and back again.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.grown.test_grown import WITHIN, ask, hang_up
from tests.servers import Postgres
from tests.site import Caller, Person, Site

pytestmark = pytest.mark.postgres

# Every row of a conversation, of its calls and what they cost, and the hash of each file.
FINISHED = """
import hashlib, json
from django.core.files.storage import default_storage
from chats.models import Conversation, Message, Recording
from realtime.backup import tables
from realtime.models import CallRecord, Usage
def lines(model, found):
    rows = found.order_by("pk").values_list(*tables.columns(model))
    return [line.decode() for line in tables.lines(model, rows)]
def digest(name):
    with default_storage.open(name) as file:
        return hashlib.sha256(file.read()).hexdigest()
calls = CallRecord.objects.filter(conversation=THREAD, state="ended")
recordings = Recording.objects.filter(message__conversation=THREAD, state="ready")
tell({
    "conversation": lines(Conversation, Conversation.objects.filter(pk=THREAD)),
    "messages": lines(Message, Message.objects.filter(conversation=THREAD)),
    "recordings": lines(Recording, recordings),
    "calls": lines(CallRecord, calls),
    "ledger": lines(Usage, Usage.objects.filter(call_id__in=calls.values("pk"))),
    "files": [digest(each.file.name) for each in recordings.order_by("pk")],
})
"""


def finished(site: Site, thread: str) -> dict[str, list[str]]:
    """What is kept of a conversation whose calls are over."""
    found: dict[str, list[str]] = site.run(f"THREAD = {thread!r}\n{FINISHED}")
    return found


async def backed_up_during_a_call(site: Site, ann: Person, path: Path) -> tuple[str, str]:
    """Two conversations: one whose call is over, and one that is backed up while people talk."""
    over = ann.new_conversation()
    async with Caller.dial(site.url, over, ann.cookie) as call:
        await call.start()
        await ask(call)
        await hang_up(call)
    running = ann.new_conversation()
    async with Caller.dial(site.url, running, ann.cookie) as call:
        await call.start()
        await ask(call)
        speaking = asyncio.create_task(call.speak("story_then_interrupt.wav"))
        await call.until(lambda: len(call.of("input_audio_buffer.speech_started")) == 2, WITHIN)
        done = await asyncio.to_thread(site.manage, "backup", str(path))
        assert done.returncode == 0, done.stderr
        # The call did not notice.
        await speaking
        answers = len(call.of("response.done"))
        await call.speak("sum.wav", pace=1.5)
        await call.until(lambda: len(call.of("response.done")) > answers, WITHIN)
        await hang_up(call)
    return over, running


def restored(site: Site, path: Path) -> None:
    done = site.manage("restore", str(path))
    assert done.returncode == 0, done.stderr
    assert "Every row and every file is as it was backed up.\n" in done.stdout
    assert "The books agree.\n" in done.stdout


def served(site: Site, before: Site, thread: str) -> None:
    """The restored site lets Ann in, shows the conversation, and plays the same audio."""
    ann = Person(site.url)
    ann.sign_in("ann", "ann-password")
    assert ann.get(f"/c/{thread}/").status == 200
    found = finished(site, thread)
    assert found == finished(before, thread)
    assert [len(found[name]) for name in ("conversation", "messages", "recordings", "calls")] == [
        1,
        2,
        2,
        1,
    ]
    assert len(found["ledger"]) >= 1
    urls: list[str] = site.run(
        "from chats.models import Recording\n"
        f"mine = Recording.objects.filter(message__conversation={thread!r}).order_by('pk')\n"
        "tell([each.url for each in mine])"
    )
    heard = [hashlib.sha256(ann.get(url).body).hexdigest() for url in urls]
    assert heard == found["files"]


async def test_a_site_moves_to_postgresql_and_back_while_people_talk(
    postgres: Postgres, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {"DATABASE_URL": postgres.url}
    small, grown, again = (tmp_path / name for name in ("small", "grown", "again"))
    for folder in (small, grown, again):
        folder.mkdir()
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    with Site(small, voice=True) as sqlite:
        ann = await asyncio.to_thread(sqlite.person, "ann")
        over, running = await backed_up_during_a_call(sqlite, ann, first)
    moved, back = Site(grown, voice=True, **environment), Site(again, voice=True)
    restored(moved, first)
    with moved:
        served(moved, sqlite, over)
        # What was running is there as far as it was complete.
        assert len(finished(moved, running)["messages"]) >= 2
        ann = Person(moved.url)
        ann.sign_in("ann", "ann-password")
        late, _running = await backed_up_during_a_call(moved, ann, second)
    restored(back, second)
    with back:
        served(back, moved, late)
        served(back, sqlite, over)
