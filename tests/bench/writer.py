"""What the rows of calls cost the one writer: `python -m tests.bench.writer [answers]`.

Hands over what 24 calls at once do around one answer: the captions of them all, what some owe, the
conversation, and two entries of the ledger. Prints the processor time of the writer's thread per
answer, on an SQLite file and on a PostgreSQL of its own: it is time in which it holds the
interpreter against the audio of every call.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.provider import HEARD, USAGE
from tests.servers import Postgres

ANSWERS = 400
CALLS = 24
CAPTIONS = 15
OWING = 3


def main(answers: int = ANSWERS) -> None:
    """Measure both databases, each in a process of its own."""
    with Postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/bench.sqlite3", postgres.url):
            env = {**os.environ, "DATABASE_URL": url, "DATA_DIR": folder}
            env["DJANGO_SETTINGS_MODULE"] = "nextvoice.settings"
            command = [sys.executable, "-m", "tests.bench.writer", str(answers), "here"]
            subprocess.run(command, env=env, check=True)


def measure(answers: int) -> None:
    """Print the figures of the database of the settings."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection, connections

    from realtime.money import seeds
    from realtime.money.rollups import differences

    call_command("migrate", verbosity=0)
    seeds.seed(seeds.load())
    for what, beside in (("the ledger alone", 0), ("and what comes with it", 1)):
        _feed(20, beside)
        spent = _feed(answers, beside) / answers
        print(f"{connection.vendor:12}{what:26}{spent * 1000:8.2f} ms of processor an answer")
    assert list(differences()) == []
    connections.close_all()
    for each in connections.all():
        getattr(each, "close_pool", lambda: None)()


def _feed(answers: int, beside: int) -> float:
    """Seconds of processor that the writer needs for so many answers; `beside`: 1 or 0."""
    from django.conf import settings
    from django.utils import timezone

    from realtime.keeping.store import Store

    talks, calls, payer = _people()
    messages = [str(uuid.uuid4()) for _ in range(CALLS)]
    store = Store(Path(settings.DATA_DIR) / "bench")
    times: list[float] = []
    for number in range(answers):
        entries = _entries(payer, number)
        for at in range(CAPTIONS * beside):
            place = (number + at) % CALLS
            columns = _message(talks[place], calls[place], number)
            store.put("chats.Message", messages[place], columns)
        for at in range(OWING * beside):
            place = (number + at) % CALLS
            store.put("realtime.CallRecord", calls[place], {"owing": [entries[0].fields()]})
            store.put("chats.Conversation", talks[place], {"updated": timezone.now()})
        for entry in entries:
            written = threading.Event()
            told = partial(_told, times, written)
            store.append("realtime.Usage", entry.key, entry.fields(), told)
        assert written.wait(60)
    return times[-1] - times[0]


def _people() -> tuple[list[str], list[str], Any]:
    """Conversations and calls of somebody new, by their ids, and who pays for them."""
    from django.utils import timezone

    from chats.models import Conversation, User
    from realtime.models import CallRecord
    from realtime.money.ledger import Payer

    user, now = User.objects.create(username=uuid.uuid4().hex), timezone.now()
    whose = {"user": user, "account": user.own_account}
    talks = [
        Conversation.objects.create(owner=user, account=user.own_account) for _ in range(CALLS)
    ]
    calls = [CallRecord.objects.create(**whose, started=now, heartbeat=now) for _ in range(CALLS)]
    payer = Payer(user.own_account.pk, "Team", user.pk, "ann", uuid.uuid4(), "OpenAI", "openai_ga")
    return [str(each.pk) for each in talks], [str(each.pk) for each in calls], payer


def _message(talk: str, call: str, number: int) -> dict[str, Any]:
    """An answer that grows, as the recorder keeps it."""
    return {
        "conversation_id": talk,
        "call_id": call,
        "item_id": "item_1",
        "position": 1.0,
        "role": "assistant",
        "kind": "spoken",
        "status": "in_progress",
        "text": "so many words " * (number % 40),
        "unheard": "",
        "heard_ms": None,
    }


def _entries(payer: Any, number: int) -> list[Any]:
    """The person's words and the answer to them."""
    from realtime.money.ledger import Entry

    return [
        Entry(payer, model, f"{payer.user_id}/1", f"{kind}_{number}", kind=kind, raw=raw)
        for kind, model, raw in (
            ("transcription", "gpt-4o-transcribe", HEARD),
            ("response", "gpt-realtime", USAGE),
        )
    ]


def _told(times: list[float], written: threading.Event, rows: object) -> None:
    """In the writer's thread."""
    times.append(time.thread_time())
    assert rows
    written.set()


if __name__ == "__main__":
    if sys.argv[2:] == ["here"]:
        measure(int(sys.argv[1]))
    else:
        main(*(int(each) for each in sys.argv[1:2]))
