"""The site on PostgreSQL and Redis: a whole spoken call, and what an outage costs.

The tests share one site and run in order; each has a conversation of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.realtime.keeping.test_tracks import length_ms
from tests.servers import Postgres
from tests.site import ROOT, Caller, Person, Site

pytestmark = pytest.mark.postgres

WITHIN = 30
# Tests that pass on SQLite, and that another database might let fail.
ALIKE = [
    "realtime/keeping/test_store",
    "realtime/test_recorder",
    "realtime/calls/test_janitor",
    "realtime/test_rotation",
    "realtime/money/test_ledger",
    "realtime/money/test_meter",
    "realtime/money/test_quotas",
    "realtime/money/test_anonymous",
    "chats/test_conversations",
    "chats/test_long_lists",
    "chats/test_retention",
    "chats/test_admin_lists",
]


@pytest.fixture(scope="module")
def ann(site: Site) -> Person:
    return site.person("ann")


def kept(site: Site, conversation: str) -> dict[str, Any]:
    """What the database holds of a conversation, asked beside the site."""
    found: dict[str, Any] = site.run(
        "from chats.models import Message\n"
        "from realtime.models import CallRecord\n"
        f"mine = dict(conversation={conversation!r})\n"
        "tell({'messages': [[m.item_id, m.role, m.status, m.text,"
        " getattr(getattr(m, 'recording', None), 'state', None)]"
        " for m in Message.objects.filter(**mine).select_related('recording')],"
        " 'calls': list(CallRecord.objects.filter(**mine).values_list('state', 'end_reason'))})"
    )
    return found


def is_recorded(postgres: Postgres, conversation: str) -> bool:
    """Whether the turn that somebody speaks just now has the row of its recording."""
    with psycopg.connect(postgres.url) as database:
        rows = database.execute(
            "SELECT 1 FROM chats_recording r JOIN chats_message m ON m.id = r.message_id"
            " WHERE r.state = 'live' AND m.role = 'user' AND m.conversation_id = %s",
            [conversation],
        )
        return rows.fetchone() is not None


def told(call: Caller) -> dict[str, tuple[str, str]]:
    """Status and text of each message, as the page was last told that they are saved."""
    return {e["item_id"]: (e["status"], e["text"]) for e in call.of("nextvoice.saved")}


def recording_of(call: Caller, role: str) -> dict[str, Any]:
    """The recording of the last message of this role that was saved with one."""
    found = [e for e in call.of("nextvoice.saved") if e["role"] == role and e["recording"]]
    recording: dict[str, Any] = found[-1]["recording"]
    return recording


async def ask(call: Caller, sound: str = "sum.wav") -> None:
    """Say something and wait until the answer is saved with its recording."""
    answers = len(call.of("response.done"))
    await call.speak(sound, pace=1.5)
    await call.until(lambda: len(call.of("response.done")) > answers, WITHIN)


async def hang_up(call: Caller) -> None:
    await call.send({"type": "nextvoice.hang_up"})
    assert await call.ended(WITHIN) == ("hang_up", 1000)


async def eventually(found: Callable[[], bool], seconds: float = WITHIN) -> None:
    """Poll something that may block until it is true."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(found):  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.05)


MUCH = """
import base64, os
from chats.models import Conversation, Message, Recording, User
from django.core.files.base import ContentFile
zoe = User.objects.get(username="zoe")
thread = Conversation.objects.create(owner=zoe, account=zoe.own_account)
Message.objects.bulk_create(
    Message(conversation=thread, position=n, role="user",
            text=base64.b64encode(os.urandom(50_000)).decode())
    for n in range(200)
)
spoken = Message.objects.create(conversation=thread, position=999, role="user")
heard = Recording(message=spoken, state="ready", content_type="audio/mpeg", duration_ms=1)
heard.file.save("long.mp3", ContentFile(os.urandom(16_000_000)))
tell(str(heard.pk))
"""


def test_whoever_takes_a_file_slowly_keeps_no_page_from_others(site: Site) -> None:
    zoe = site.person("zoe")
    recording = site.run(MUCH)
    host, port = site.url.removeprefix("http://").split(":")
    for path in ("/my-data/", f"/c/recordings/{recording}/audio"):
        asked = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {zoe.cookie}\r\n\r\n"
        with ExitStack() as open_ones:
            # More than there are connections to the database.
            for _ in range(11):
                slow = open_ones.enter_context(socket.create_connection((host, int(port))))
                slow.sendall(asked.encode())
                assert slow.recv(12) == b"HTTP/1.1 200"
            assert zoe.get("/").status == 200


async def test_a_spoken_call_is_kept_and_served(site: Site, ann: Person) -> None:
    thread = ann.new_conversation()
    async with Caller.dial(site.url, thread, ann.cookie) as call:
        assert (await call.start())["provider"] == {"name": "NextVoice demo"}
        await ask(call)
        await hang_up(call)
    found = kept(site, thread)
    assert [(m[1], m[2], m[4]) for m in found["messages"]] == [
        ("user", "completed", "ready"),
        ("assistant", "completed", "ready"),
    ]
    assert "two plus three" in found["messages"][0][3]
    assert "5" in found["messages"][1][3]
    assert found["calls"] == [["ended", "hang_up"]]

    recording = recording_of(call, "assistant")
    whole = ann.get(recording["url"])
    part = ann.get(recording["url"], Range="bytes=100-299")
    assert (whole.status, whole.headers["content-type"]) == (200, "audio/mpeg")
    assert int(length_ms(whole.body)) == recording["duration_ms"]
    assert (part.status, part.body) == (206, whole.body[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole.body)}"

    eve, nobody = site.person("eve"), Person(site.url)
    assert [eve.get(url).status for url in (recording["url"], f"/c/{thread}/")] == [404, 404]
    assert nobody.get(recording["url"]).status in (302, 404)
    async with Caller.dial(site.url, thread, eve.cookie) as call:
        await call.until(lambda: call.over)
        assert (call.events, call.code) == ([], 4404)


async def test_a_call_goes_on_while_the_database_is_away(
    site: Site, ann: Person, postgres: Postgres
) -> None:
    thread = ann.new_conversation()
    journals = site.folder / "data" / "journal"
    async with Caller.dial(site.url, thread, ann.cookie) as call:
        await call.start()
        await ask(call)
        postgres.stop("immediate")
        try:
            await eventually(lambda: site.ready() == 503)
            await ask(call, "hello_what_time.wav")
            await eventually(lambda: any(journals.glob("*.jsonl")))
            before = told(call)
        finally:
            postgres.start()
        assert [status for status, _text in before.values()] == ["completed", "completed"]
        await eventually(lambda: site.ready() == 200)
        await call.until(lambda: len(told(call)) == 4, WITHIN)
        await hang_up(call)
    found = kept(site, thread)
    assert [(m[1], m[2], m[4]) for m in found["messages"]] == [
        ("user", "completed", "ready"),
        ("assistant", "completed", "ready"),
    ] * 2
    assert {m[0]: (m[2], m[3]) for m in found["messages"]} == told(call)
    assert found["calls"] == [["ended", "hang_up"]]
    assert list(journals.iterdir()) == []


async def test_a_killed_site_s_call_is_interrupted_and_can_be_heard(
    site: Site, ann: Person, postgres: Postgres
) -> None:
    thread = ann.new_conversation()
    async with Caller.dial(site.url, thread, ann.cookie) as call:
        await call.start()
        await ask(call)
        speaking = asyncio.create_task(call.speak("story_then_interrupt.wav"))
        await call.until(lambda: len(call.of("input_audio_buffer.speech_started")) == 2, WITHIN)
        live = site.folder / "data" / "live"
        await eventually(lambda: sum(path.stat().st_size for path in live.glob("*/*.pcm")) > 24_000)
        await eventually(lambda: is_recorded(postgres, thread))
        site.kill()
        speaking.cancel()
        await call.until(lambda: call.over, WITHIN)
    site.start()
    # Time passes: nobody hears of the call any more.
    closed = site.run(
        "from datetime import timedelta\n"
        "from django.db.models import F\n"
        "from realtime.calls.janitor import sweep\n"
        "from realtime.models import CallRecord\n"
        "CallRecord.objects.update(heartbeat=F('heartbeat') - timedelta(minutes=2))\n"
        "tell([sweep(patience=0), sweep(patience=0)])"
    )
    assert closed == [1, 0]
    found = kept(site, thread)
    assert [(m[1], m[2], m[4]) for m in found["messages"]] == [
        ("user", "completed", "ready"),
        ("assistant", "completed", "ready"),
        ("user", "interrupted", "ready"),
    ]
    assert {m[0]: (m[2], m[3]) for m in found["messages"][:2]} == told(call)
    assert found["calls"] == [["ended", "process_died"]]
    url = site.run(
        "from chats.models import Recording\n"
        f"last = Recording.objects.filter(message__conversation={thread!r})"
        ".order_by('message__position').last()\n"
        "tell([last.url, last.duration_ms])"
    )
    audio = ann.get(url[0])
    assert (audio.status, int(length_ms(audio.body))) == (200, url[1])
    assert url[1] >= 500
    assert list((site.folder / "data" / "live").iterdir()) == []


async def test_a_deploy_tells_the_browser_and_loses_nothing(site: Site, ann: Person) -> None:
    thread = ann.new_conversation()
    async with Caller.dial(site.url, thread, ann.cookie) as call:
        await call.start()
        await call.speak("sum.wav", pace=1.5)
        await call.event("nextvoice.audio", WITHIN)
        stopping = asyncio.create_task(asyncio.to_thread(site.stop))
        assert await call.ended(WITHIN) == ("server_stopping", 1012)
        assert await stopping == 0
    found = kept(site, thread)
    assert [(m[1], m[4]) for m in found["messages"]] == [("user", "ready"), ("assistant", "ready")]
    assert "in_progress" not in [m[2] for m in found["messages"]]
    assert {m[0]: (m[2], m[3]) for m in found["messages"]} == told(call)
    assert found["calls"] == [["ended", "server_stopping"]]


def test_rows_and_recordings_are_kept_alike_on_postgresql(
    postgres: Postgres, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url,
        "NEXTVOICE_TEST_DATA": str(tmp_path),
    }
    tests = [f"tests/{name}.py" for name in ALIKE]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--create-db", *tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:]
