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

from tests.servers import Postgres

ANSWERS = 400
CALLS = 24
CAPTIONS = 15
OWING = 3
USAGE = {
    "total_tokens": 360,
    "input_tokens": 200,
    "output_tokens": 160,
    "input_token_details": {"text_tokens": 40, "audio_tokens": 160, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 30, "audio_tokens": 130},
}
HEARD = {"type": "duration", "seconds": 8}


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
    """Seconds of processor that the writer needs for so many answers."""
    from django.conf import settings
    from django.utils import timezone

    from chats.models import Conversation, User
    from realtime.models import CallRecord
    from realtime.money.ledger import Entry, Payer
    from realtime.store import Store

    name = uuid.uuid4().hex
    user = User.objects.create(username=name)
    account = user.own_account
    talks = [Conversation.objects.create(owner=user, account=account) for _ in range(CALLS)]
    now = timezone.now()
    calls = [
        CallRecord.objects.create(account=account, user=user, started=now, heartbeat=now)
        for _ in range(CALLS)
    ]
    messages = [str(uuid.uuid4()) for _ in range(CALLS)]
    payer = Payer(account.pk, "Team", user.pk, name, uuid.uuid4(), "OpenAI", "openai_ga")
    store = Store(Path(settings.DATA_DIR) / "bench")
    times: list[float] = []
    for number in range(answers):
        for at in range(CAPTIONS * beside):
            place = (number + at) % CALLS
            columns = {
                "conversation_id": str(talks[place].pk),
                "call_id": str(calls[place].pk),
                "item_id": "item_1",
                "position": 1.0,
                "role": "assistant",
                "kind": "spoken",
                "status": "in_progress",
                "text": "so many words " * (number % 40),
                "unheard": "",
                "heard_ms": None,
            }
            store.put("chats.Message", messages[place], columns)
        entries = [
            Entry(payer, model, f"{name}/1", f"{kind}_{number}", kind=kind, raw=raw)
            for kind, model, raw in (
                ("response", "gpt-realtime", USAGE),
                ("transcription", "whisper-1", HEARD),
            )
        ]
        for at in range(OWING * beside):
            owing = [entries[0].fields()]
            store.put("realtime.CallRecord", str(calls[(number + at) % CALLS].pk), {"owing": owing})
        for at in range(2 * beside):
            talk = str(talks[(number + at) % CALLS].pk)
            store.put("chats.Conversation", talk, {"updated": timezone.now()})
        for entry in reversed(entries):
            written = threading.Event()
            store.append(
                "realtime.Usage", entry.key, entry.fields(), partial(_told, times, written)
            )
        assert written.wait(60)
    return times[-1] - times[0]


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
