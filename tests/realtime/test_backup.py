"""Backups of the site on SQLite: what they hold, and what they refuse. See also grown/."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realtime.backup import archive
from realtime.backup.aside import aside
from tests.faults.test_disk import small_disk
from tests.site import COMMAND_SECONDS, ROOT, Shell, Site

FILL = r"""
from datetime import timedelta
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from chats.models import Attachment, Conversation, Message, Recording, User
from realtime.models import ApiToken, Provider, Usage
from realtime.money.ledger import Entry, Payer, record
ann = User.objects.create_user("ann", password="ann-password")
for n in range(3):
    Conversation.objects.create(owner=ann, account=ann.own_account, title=f"{n} \u00e9\U0001f600")
old = timezone.now() - timedelta(days=99)
Conversation.objects.update(created=old)
first = Conversation.objects.order_by("title")[0]
said = [Message(conversation=first, position=n / 3, role="user", text="w\0ord " * n,
                tool={"a": 1e20, "b": [1.5, "\0"]} if n % 2 else None) for n in range(700)]
Message.objects.bulk_create(said)
name = default_storage.save("recordings/ab/one.mp3", ContentFile(b"\0sound" * 1000))
Recording.objects.create(message=said[0], state="ready", file=name, size=6000, duration_ms=9)
Recording.objects.create(message=said[1], state="ready", file="recordings/ab/lost.mp3")
provider = Provider.objects.create(name="Sealed", url="wss://api.openai.com/v1/realtime")
provider.set_key("sk-canary-0123456789"); provider.save()
payer = Payer(account_id=ann.own_account.pk, user_id=ann.pk, user_name="ann", dialect="openai_ga",
              provider_id=provider.pk)
for n in range(3):
    record(Entry(payer=payer, model="gpt-realtime-2.1", upstream_session="s", key=str(n),
        kind="response", raw={"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}))
"""
STATE = """
from realtime.backup import tables
from chats.models import Message
Message.objects.count()
tell({tables.label(m): tables.digest(m) for m in tables.models_kept()})
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A filled site that does not run, and its backup as `whole.tar`."""
    site = Site(tmp_path_factory.mktemp("kept"))
    site.set_up()
    site.run(FILL)
    return site


@pytest.fixture(scope="module")
def made(site: Site) -> tuple[Path, Any]:
    """A backup, and what the site was then: each one after it is on the audit trail."""
    path = site.folder / "whole.tar"
    done = site.manage("backup", str(path))
    assert done.returncode == 0, done.stderr
    assert "1 files were gone from the storage" in done.stderr
    assert "Keep KEY_RING" in done.stderr
    return path, site.run(STATE)


@pytest.fixture(scope="module")
def whole(made: tuple[Path, Any]) -> Path:
    """The file of a whole backup."""
    return made[0]


@pytest.fixture(scope="module")
def state(made: tuple[Path, Any]) -> Any:
    """What the site was when `whole` was made."""
    return made[1]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[tuple[Site, Shell]]:
    site = Site(tmp_path)
    with Shell(site) as shell:
        yield site, shell


def test_a_backup_restores_every_row_and_file(
    state: Any, whole: Path, empty: tuple[Site, Shell]
) -> None:
    there, shell = empty
    data = there.folder / "data"
    data.mkdir(exist_ok=True)
    data.chmod(0o755)  # an admin made it
    said = shell.manage("restore", str(whole))
    assert "Every row and every file is as it was backed up.\n" in said, said
    assert "The books agree.\n" in said
    assert "1 secrets open with no key of KEY_RING" in said
    after = shell.run(STATE)
    assert after == state
    assert after["chats.message"][0] == 700
    assert [each for each in data.rglob("*") if each.stat().st_mode & 0o077] == []
    kept = data / "media" / "recordings" / "ab"
    assert [path.name for path in kept.iterdir()] == ["one.mp3"]
    assert (kept / "one.mp3").read_bytes() == b"\0sound" * 1000
    assert whole.stat().st_mode & 0o777 == 0o600
    made = [path for path in (there.folder / "data").rglob("*") if path.is_file()]
    assert [path.name for path in made if path.stat().st_mode & 0o077] == []
    # The ledger is append-only again, and new rows find a free key.
    refused = shell.run(
        "from realtime.models import Usage\n"
        "from chats.models import User\n"
        "from django.db import IntegrityError\n"
        "try:\n    Usage.objects.all().delete(); tell('deleted')\n"
        "except IntegrityError as problem:\n    tell(str(problem))\n"
    )
    assert refused == "the ledger is append-only"
    assert shell.run(
        "from chats.models import User\n"
        "tell(User.objects.create_user('bob').pk > User.objects.get(username='ann').pk)"
    )


def test_keys_are_inside_only_when_asked_for(
    site: Site, whole: Path, empty: tuple[Site, Shell]
) -> None:
    key = (site.folder / "data" / "key_ring").read_text()
    names = [part.name for part in archive.parts(whole)]
    assert (archive.KEYS in names, key.encode() in whole.read_bytes()) == (False, False)
    path = site.folder / "keys.tar"
    assert "keep this file as safe" in site.manage("backup", str(path), "--with-keys").stderr
    there, shell = empty
    said = shell.manage("restore", str(path))
    assert "1 keys were added to key_ring" in said, said
    assert "secrets open with no key" not in said
    ring = (there.folder / "data" / "key_ring").read_text().split(",")
    assert (ring[0], len(ring)) == (key, 2)
    opened = "from realtime.models import Provider\ntell(Provider.objects.get(name='Sealed').key())"
    assert there.run(opened) == "sk-canary-0123456789"


def test_standard_output_takes_a_backup(site: Site, whole: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "backup", "-"],
        env=site.environment,
        capture_output=True,
        timeout=COMMAND_SECONDS,
    )
    path = site.folder / "piped.tar"
    path.write_bytes(done.stdout)
    later, before = archive.verified(path).tables, archive.verified(whole).tables
    trail = "chats.auditevent"
    assert later.pop(trail).rows > before.pop(trail).rows
    assert later == before


def test_standard_input_gives_a_backup(state: Any, whole: Path, empty: tuple[Site, Shell]) -> None:
    there, shell = empty

    def restored(given: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "restore", "-"],
            env=there.environment,
            input=given,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )

    content = whole.read_bytes()
    half = restored(content[: len(content) // 2])
    assert (half.returncode, half.stderr[:14]) == (1, b"CommandError: ")
    done = restored(content)
    assert done.returncode == 0, done.stderr
    assert shell.run(STATE) == state
    assert [*(there.folder / "data").glob("standard-input-*")] == []


def sleeps(pid: int) -> bool:
    return "\nState:\tS" in Path(f"/proc/{pid}/status").read_text()


@contextmanager
def half_read(there: Site, whole: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A restore from standard input that waits for more of it."""
    command = [sys.executable, str(ROOT / "manage.py"), "restore", "-"]
    data, pipe = there.folder / "data", subprocess.PIPE
    # Who runs tests in the background of a shell has it ignored, and so would the command.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, env=there.environment, stdin=pipe, stderr=pipe)
    signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdin is not None
        process.stdin.write(whole.read_bytes()[:100_000])
        process.stdin.flush()
        while not ([*data.glob("standard-input-*")] and sleeps(process.pid)):
            assert process.poll() is None
            time.sleep(0.02)
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_ended_leaves_nothing_half_done(
    whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with half_read(Site(tmp_path), whole) as process:
        process.send_signal(number)
        assert (process.wait(30), process.stderr and process.stderr.read()) == (130, b"")
    data = tmp_path / "data"
    assert {each.name for each in data.iterdir()} <= {"key_ring", "secret_key"}


def test_what_a_killed_command_leaves_goes_with_the_next_one(whole: Path, tmp_path: Path) -> None:
    there = Site(tmp_path)
    with half_read(there, whole) as process:
        process.kill()
    (left,) = (tmp_path / "data").glob("standard-input-*")
    with aside(tmp_path / "data", ".site.tar") as one, aside(tmp_path / "data", "other") as two:
        assert not left.exists()
        assert Path(one.name).exists() and Path(two.name).exists()  # they still run


def test_a_full_disk_is_told_in_a_line(site: Site) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "backup", "-"],
            env=site.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
        )
    told = done.stderr.decode()
    assert told == "CommandError: Standard output cannot be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("file", "words"),
    [("", ". is a folder"), ("none/x.tar", "none/x.tar cannot be written: No such file")],
)
def test_a_file_that_cannot_be_written_is_said_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=f"^{re.escape(words)}"):
        call_command("backup", file)
    assert not [*tmp_path.iterdir()]


def test_where_standard_input_cannot_be_kept_it_is_said(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path / "none"
    with pytest.raises(CommandError, match="none has no room for it: No such file"):
        call_command("restore", "-")


def test_people_are_replaced_only_when_asked_for(
    state: Any, whole: Path, empty: tuple[Site, Shell]
) -> None:
    there, shell = empty
    there.set_up()
    before = shell.run(STATE)
    said = shell.manage("restore", str(whole))
    assert "This site has people already: 1. --replace puts the backup in their place." in said
    assert shell.run(STATE) == before
    journal = there.folder / "data" / "journal" / "1.jsonl"
    journal.parent.mkdir()
    journal.write_text('["chats.User", "1", {"first_name": "Old"}]\n')
    said = shell.manage("restore", str(whole), "--replace")
    assert "Every row and every file" in said, said
    assert shell.run(STATE) == state
    assert not journal.exists()
    (aside,) = (there.folder / "data").glob("journal-replaced-*")
    assert f"{aside} has what the site before had still to write" in said


def test_a_running_call_keeps_its_site(whole: Path, empty: tuple[Site, Shell]) -> None:
    there, shell = empty
    there.set_up()
    shell.run(
        "from django.utils import timezone\n"
        "from realtime.models import CallRecord\n"
        "CallRecord.objects.create(state='live', started=timezone.now(), heartbeat=timezone.now())"
    )
    before = shell.run(STATE)
    assert "Calls are running here" in shell.manage("restore", str(whole), "--replace")
    assert shell.run(STATE) == before


def test_a_site_that_is_served_is_not_replaced_nor_one_served_that_is_being_replaced(
    whole: Path, tmp_path: Path
) -> None:
    with Site(tmp_path) as there:
        before = there.run(STATE)
        done = there.manage("restore", str(whole), "--replace")
        assert done.stderr == "CommandError: The site is running here: stop it first.\n"
        assert there.run(STATE) == before
        there.kill()
        with (tmp_path / "data" / "in_use.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            served = there.manage("serve", "--port", "0")
        assert (served.returncode, "is being restored here" in served.stderr) == (1, True)
        done = there.manage("restore", str(whole), "--replace")
        assert "Every row and every file" in done.stdout, done.stderr


def changed(whole: Path, path: Path, change: str) -> Path:
    """The backup with one thing wrong; its hashes are right unless they are what is wrong."""
    if change == "cut":
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
        return path
    if change == "flipped":
        content = bytearray(whole.read_bytes())
        content[content.index(b"\0sound") + 3] ^= 1
        path.write_bytes(content)
        return path
    if change == "no tar":
        path.write_bytes(b"hello" * 1000)
        return path
    if change == "absent":
        return path
    with path.open("wb") as out:
        writer = archive.Writer(out)
        manifest = archive.verified(whole)
        if change == "file lost":
            for part in archive.parts(whole):
                if not part.name.startswith("media/"):
                    writer.add(part.name, BytesIO(part.content.read()))
            writer._tar.close()
            return path
        for part in archive.parts(whole):
            if part.name == archive.MANIFEST or (change == "part lost" and "price" in part.name):
                continue
            content = part.content.read()
            if change == "rows lost" and part.name.startswith("rows/chats.user/"):
                content = b"\x1f\x8bnonsense"
            writer.add(part.name, BytesIO(content))
        if change == "slip":
            writer.add("media/recordings/../../../../tmp/slipped", BytesIO(b"x"))
        if change == "absolute":
            writer.add("media//tmp/slipped", BytesIO(b"x"))
        if change == "newer":
            manifest.migrations.append(("chats", "9999_far_ahead"))
        if change == "newer format":
            manifest.format = 2
        if change == "endless":
            writer._tar.close()
            return path
        writer.finish(manifest)
    if change == "link":
        with tarfile.open(path, "a") as tar:
            entry = tarfile.TarInfo("media/recordings/link")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(entry)
    return path


REFUSALS = {
    "cut": "damaged|not whole",
    "flipped": "is damaged: 'media/recordings/ab/one.mp3' is not what was written",
    "no tar": "is no backup of NextVoice",
    "absent": "cannot be read: No such file",
    "slip": "a name that no backup has",
    "absolute": "a name that no backup has",
    "newer": "was made by a newer NextVoice (chats.9999_far_ahead)",
    "newer format": "was made by a newer NextVoice",
    "endless": "is not whole: its end is missing",
    "link": "a part that is no file|goes on after its manifest",
    "rows lost": "rows/chats.user/000001.jsonl.gz cannot be read",
    "file lost": "its parts are not those of its manifest",
    "part lost": "realtime.price is not what was backed up (0 of",
}


def test_what_is_wrong_is_said_and_changes_nothing(
    whole: Path, empty: tuple[Site, Shell], tmp_path: Path
) -> None:
    there, shell = empty
    there.set_up()
    before = shell.run(STATE)
    for change, words in REFUSALS.items():
        said = shell.manage("restore", "--replace", str(changed(whole, tmp_path / change, change)))
        assert any(word in said for word in words.split("|")), (change, said)
        assert "CommandError" in said and shell.run(STATE) == before, change
        media = there.folder / "data" / "media"
        assert [path for path in media.rglob("*") if path.is_file()] == [], change
        assert list((there.folder / "data").glob("*.restoring*")) == [], change


def test_without_room_for_the_files_nothing_changes(whole: Path, empty: tuple[Site, Shell]) -> None:
    there, shell = empty
    media = there.folder / "data" / "media"
    with small_disk(media, ",size=4k"):
        said = shell.manage("restore", str(whole))
        assert "The files cannot be stored: No space left on device. Nothing changed." in said
        assert [path for path in media.rglob("*") if path.is_file()] == []
    names = "from django.db import connection\ntell(connection.introspection.table_names())"
    assert shell.run(names) == []


def test_the_manifest_tells_what_is_inside(whole: Path) -> None:
    parts = [(part.name, part.content.read()) for part in archive.parts(whole)]
    assert parts[-1][0] == "manifest.json"
    told = json.loads(parts[-1][1])
    assert (told["database"], told["files"], told["missing"]) == ("sqlite", 1, 1)
    assert told["tables"]["chats.message"]["rows"] == 700
    assert "sessions.session" not in told["tables"]
