"""The log, as lines and as JSON: what a line is about, and that no secret gets into it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from chats.asking import about
from chats.models import Conversation, User
from realtime import logs
from tests.site import ROOT, Person

CANARY = "canary0123456789abcdef"
SECRETS = [
    f"nv_{CANARY}",
    f"ek_{CANARY}",
    f"sk-{CANARY}",
    f"sk-proj-{CANARY}",
    f"AIza{CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: Basic {CANARY}",
    f"{{'Authorization': 'Bearer {CANARY}'}}",
    f"[(b'authorization', b'Bearer {CANARY}'), (b'api-key', b'{CANARY}')]",
    f'{{"api-key": "{CANARY}"}}',
    f"x-goog-api-key: {CANARY}",
    f"Cookie: sessionid={CANARY}",
    f"wss://example.org/v1/realtime?model=m&key={CANARY}&x=1",
    f"https://example.org/?api_key={CANARY}",
    f"https://s3.example.org/a.mp3?X-Amz-Signature={CANARY}",
    f"postgres://nextvoice:{CANARY}@postgres/nextvoice",
]
FORMATS = [logs.Line, logs.Json]


def written(formatter: logging.Formatter, message: str, *args: object, **fields: object) -> str:
    record = logging.LogRecord("realtime", logging.ERROR, __file__, 1, message, args, None)
    vars(record).update(fields)
    return formatter.format(record)


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_written(made: type[logs.Line | logs.Json], secret: str) -> None:
    formatter = made()
    try:
        raise ValueError(f"no such header: {secret}")
    except ValueError:
        trouble = sys.exc_info()
    texts = [
        written(formatter, secret),
        written(formatter, "it failed: %s", secret),
        written(formatter, "it failed: %r", {"told": secret}),
        written(formatter, "it failed", exc_info=trouble),
        written(formatter, "it failed", told=secret),
    ]
    assert [text for text in texts if "canary" in text] == []
    assert "[key]" in texts[3] or made is logs.Line


@pytest.mark.parametrize("made", FORMATS)
def test_what_is_no_secret_stays(made: type[logs.Line | logs.Json]) -> None:
    words = "call 3f2a: GET https://example.org/c/1/?page=2 answered 401; the key was refused"
    assert words in written(made(), words)


def test_json_says_what_when_and_who() -> None:
    told = json.loads(written(logs.Json(), "two\nlines %d", 7))
    assert (told["level"], told["logger"], told["message"]) == ("ERROR", "realtime", "two\nlines 7")
    assert told["time"][10] == "T"
    coloured = written(logs.Json(), "started [%d]", 7, color_message="started [\x1b[36m%d\x1b[0m]")
    assert sorted(json.loads(coloured)) == sorted(told)


async def test_each_task_s_lines_name_its_own_call() -> None:
    formatter = logs.Json()

    async def call(number: int) -> dict[str, object]:
        about(call=f"call-{number}", conversation=None, account=number, user=1)
        await asyncio.sleep(0)
        told: dict[str, object] = await asyncio.create_task(asyncio.to_thread(line))
        return {name: told[name] for name in told if name.endswith("_id")}

    def line() -> dict[str, object]:
        found: dict[str, object] = json.loads(written(formatter, "hello"))
        return found

    assert await asyncio.gather(call(1), call(2)) == [
        {"call_id": "call-1", "account_id": 1, "user_id": 1},
        {"call_id": "call-2", "account_id": 2, "user_id": 1},
    ]
    assert "call_id" not in line()


class Kept(logging.Handler):
    """The JSON lines of a logger, as `settings.LOGGING` has them written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.Json())
        self.addFilter(logs.Brief())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    log = logging.getLogger("django.request")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


async def test_a_request_s_lines_name_its_person_and_what_it_is_about(
    here: str, conversation: Conversation, kept: Kept
) -> None:
    person, visitor = Person(here), Person(here)
    threads = [conversation.pk, uuid.uuid4()]
    await asyncio.to_thread(person.sign_in, "ann", "ann-password")
    for thread in threads:
        for who in (person, visitor):
            await asyncio.to_thread(who.post, f"/c/{thread}/attachments/")
    told = [{name: line[name] for name in line if name.endswith("_id")} for line in kept.lines]
    owner, account = conversation.owner_id, conversation.account_id
    assert told == [
        {"user_id": owner, "conversation_id": str(conversation.pk), "account_id": account},
        {},
        {"user_id": owner},
        {},
    ]


async def test_who_may_not_is_one_line_in_the_log(here: str, ann: User, kept: Kept) -> None:
    ann.is_staff = True
    await ann.asave()
    person = Person(here)
    await asyncio.to_thread(person.sign_in, "ann", "ann-password")
    await asyncio.to_thread(person.get, "/admin/chats/user/")
    [line] = kept.lines
    assert line["message"] == "Forbidden (Permission denied): /admin/chats/user/"
    assert (line["user_id"], "exc_info" in line) == (ann.pk, False)


def test_what_a_program_beside_the_site_writes_is_lines_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = logging.getLogger("realtime.embedded")
    before = set(threading.enumerate())
    with logs.told_to(there) as told:
        assert told is not None
        [reader] = set(threading.enumerate()) - before
        os.write(told, b"one\ntwo \xff\nhalf a line")
    reader.join(5)
    lines = [(each.name, each.levelname, each.getMessage()) for each in caplog.records]
    assert lines == [
        ("realtime.embedded", "WARNING", text) for text in ("one", "two \ufffd", "half a line")
    ]


@pytest.mark.parametrize("made", ["line", "json"])
@pytest.mark.parametrize("where", ["the main thread", "another thread"])
def test_a_crash_says_no_secret(where: str, made: str) -> None:
    fail = f"raise ValueError('Bearer {CANARY}')"
    code = fail
    if where == "another thread":
        code = f"import threading\ndef run(): {fail}\nthreading.Thread(target=run).start()"
    hide = "from realtime.logs import hide_in_crashes\nhide_in_crashes()\n"
    done = ended("-c", hide + code, LOG_FORMAT=made)
    told = done.stderr if made == "line" else json.loads(done.stderr)["exc_info"]
    assert told.splitlines()[-1] == "ValueError: Bearer [key]"
    assert CANARY not in done.stdout + done.stderr


def ended(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that came to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"HTTPS": "maybe"}, "HTTPS must be true or false; it is 'maybe'."),
        ({}, "--workers must be 1 or more"),
    ],
)
def test_why_a_site_does_not_start_is_a_line_of_its_log(wrong: dict[str, str], told: str) -> None:
    arguments = ["manage.py", "serve", "--workers", "0"]
    done = ended(*arguments, **wrong, LOG_FORMAT="json", DJANGO_SETTINGS_MODULE="tests.settings")
    line = json.loads(done.stderr)
    assert (line["level"], line["message"], done.returncode) == ("CRITICAL", told, 1)
    done = ended(*arguments, **wrong, DJANGO_SETTINGS_MODULE="tests.settings")
    assert done.stderr.splitlines() in ([told], [f"CommandError: {told}"])
