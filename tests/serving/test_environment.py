"""What settings make of the environment, and how it is told what is wrong there."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from nextvoice import environment as env
from nextvoice.secrets import made_once
from realtime.db import BEHIND
from tests.site import DATABASE, INHERITED, ROOT, migrated

READERS: dict[str, Callable[[], Any]] = {
    "days": lambda: env.number("X", 7),
    "seconds": lambda: env.number("X", 300, least=1),
    "switch": lambda: env.yes_no("X"),
    "level": lambda: env.one_of("X", ["DEBUG", "INFO"], "INFO"),
    "currency": lambda: env.currency("X", "USD"),
    "zone": lambda: env.time_zone("X", "UTC"),
    "words": lambda: env.words("X", ["localhost"]),
    "hosts": lambda: env.hosts("X", ["localhost"]),
    "origins": lambda: env.origins("X"),
    "redis": lambda: env.address("X", ["redis", "rediss"]),
    "mail": lambda: env.mail("X", "consolemail://")["EMAIL_BACKEND"].split(".")[-2],
    "database": lambda: env.database("X", Path("/base"), "sqlite:////tmp/x")["NAME"],
    "keys": lambda: env.fernet_keys("X", env.words("X")),
}
KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    ("reader", "given", "expected"),
    [
        ("days", None, 7),
        ("days", "", 7),
        ("days", " 0 ", 0),
        ("seconds", "1", 1),
        ("switch", None, False),
        ("switch", "On", True),
        ("switch", "0", False),
        ("level", "debug", "DEBUG"),
        ("currency", "eur", "EUR"),
        ("currency", "", "USD"),
        ("zone", "Europe/Berlin", "Europe/Berlin"),
        ("words", "", ["localhost"]),
        ("words", "a.example, b.example,", ["a.example", "b.example"]),
        ("hosts", "", ["localhost"]),
        ("hosts", "a.example,.b.example,a_b", ["a.example", ".b.example", "a_b"]),
        ("hosts", "a.example,localhost, a.example", ["a.example", "localhost"]),
        ("hosts", "10.0.0.7, [fd12::1], *", ["10.0.0.7", "[fd12::1]", "*"]),
        ("origins", "https://a.example:8443", ["https://a.example:8443"]),
        ("redis", None, ""),
        ("redis", "rediss://user:$word@host:6379/0", "rediss://user:$word@host:6379/0"),
        ("mail", "", "console"),
        ("mail", "smtp+tls://user:word@host:587", "smtp"),
        ("database", "", "/tmp/x"),
        ("database", "postgres://user:word@host/name", "name"),
        ("database", "sqlite:////data/site.db", "/data/site.db"),
        ("database", "sqlite:///site.db", "/base/site.db"),
        ("database", "sqlite://:memory:", ":memory:"),
        ("keys", f"{KEY}, {KEY}", [KEY, KEY]),
    ],
)
def test_what_is_given_is_read_and_empty_is_absent(
    monkeypatch: pytest.MonkeyPatch, reader: str, given: str | None, expected: Any
) -> None:
    monkeypatch.delenv("X", raising=False)
    if given is not None:
        monkeypatch.setenv("X", given)
    assert READERS[reader]() == expected


@pytest.mark.parametrize(
    ("reader", "given"),
    [
        ("days", "x"),
        ("days", "-1"),
        ("days", "1.5"),
        ("seconds", "0"),
        ("seconds", "5m"),
        ("switch", "maybe"),
        ("switch", "oui"),
        ("level", "loud"),
        ("currency", "dollars"),
        ("zone", "Mars/Phobos"),
        ("zone", "../UTC"),
        ("hosts", "https://a.example"),
        ("hosts", "a.example:8000"),
        ("hosts", "a.example/"),
        ("hosts", "a b"),
        ("hosts", "fd12::1"),
        ("origins", "a.example"),
        ("origins", "https://a.example/"),
    ],
)
def test_what_cannot_be_is_told_with_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, reader: str, given: str
) -> None:
    monkeypatch.setenv("X", given)
    with pytest.raises(ImproperlyConfigured, match=f"^X must be [^\n]*; it is '{given}'.$"):
        READERS[reader]()


@pytest.mark.parametrize(
    ("reader", "given"),
    [
        ("redis", "hush"),
        ("redis", "http://u:hush@host"),
        ("redis", "redis://u:hush@host:port"),
        ("mail", "hush"),
        ("mail", "smtp://u:hush@host:port"),
        ("database", "hush"),
        ("database", "postgres://u:hush@host"),
        ("database", "postgres://u:hush@host:port/name"),
        ("database", "mysql://u:hush@host/name"),
        ("database", "sqlite://hush/name"),
        ("keys", "hush"),
        ("keys", f"{KEY},hush"),
        ("keys", ""),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_may_be_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, reader: str, given: str
) -> None:
    monkeypatch.setenv("X", given)
    with pytest.raises(ImproperlyConfigured, match=r"^X must be ") as raised:
        READERS[reader]()
    assert "hush" not in "".join(traceback.format_exception(raised.value))


def test_a_folder_is_made_for_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X", str(tmp_path / "new" / "data"))
    made = env.folder("X", tmp_path, "var")
    assert made.stat().st_mode & 0o777 == 0o700
    (made / "file").write_text("")
    monkeypatch.setenv("X", str(made / "file"))
    with pytest.raises(ImproperlyConfigured, match=r"^X must be a folder"):
        env.folder("X", tmp_path, "var")


def test_what_a_file_adds_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OURS", "1")
    monkeypatch.setenv("THEIRS", "")
    monkeypatch.delenv("THEIRS")
    (tmp_path / ".env").write_text("OURS=2\nTHEIRS=3\n")
    assert env.read_file("FILE", tmp_path, ".env") == {"THEIRS"}
    assert (os.environ["OURS"], os.environ["THEIRS"]) == ("1", "3")
    assert env.read_file("FILE", tmp_path, "none") == set()
    monkeypatch.setenv("FILE", "none")
    with pytest.raises(ImproperlyConfigured, match="none cannot be read"):
        env.read_file("FILE", tmp_path, ".env")
    monkeypatch.setenv("FILE", os.devnull)
    assert env.read_file("FILE", tmp_path, ".env") == set()


def test_no_test_has_the_settings_of_a_site_that_is_served_from_here() -> None:
    assert (os.environ["ENV_FILE"], INHERITED["ENV_FILE"]) == (os.devnull, os.devnull)
    assert not settings.FROM_FILE


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("X=a#b", "a#b"),
        ("X = a b ", "a b"),
        ("  export X=a # not this", "a"),
        ("X= # none", ""),
        ("\ufeffX=a", "a"),
        ('X="a # b" # c', "a # b"),
        ("X='a' #c", "a"),
        ('X="a', '"a'),
        ("X=a=b==", "a=b=="),
        ("  # X=a\n \nX=b\r\n", "b"),
    ],
)
def test_a_line_of_a_file_is_read_as_compose_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, expected: str
) -> None:
    monkeypatch.setenv("X", "")
    monkeypatch.delenv("X")
    (tmp_path / ".env").write_text(line, "utf-8", newline="")
    assert env.read_file("FILE", tmp_path, ".env") == {"X"}
    assert os.environ["X"] == expected


def test_what_is_no_line_of_a_file_is_told_by_its_number_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A_B=1\nSECRET KEY=hush\n")
    with pytest.raises(ImproperlyConfigured) as told:
        env.read_file("FILE", tmp_path, ".env")
    assert str(told.value) == f"{file}, line 2: write it as NAME=value."
    assert "A_B" not in os.environ


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"X=\xff")
    with pytest.raises(ImproperlyConfigured, match="it is no text in UTF-8"):
        env.read_file("FILE", tmp_path, ".env")
    file.unlink()
    file.mkdir()
    with pytest.raises(ImproperlyConfigured, match="Is a directory"):
        env.read_file("FILE", tmp_path, ".env")


def test_a_relative_folder_is_the_same_wherever_a_program_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("X", "my/data")
    for start in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(start)
        assert env.folder("X", tmp_path / "site", "var") == tmp_path / "site" / "my" / "data"


def test_a_secret_that_cannot_be_kept_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match=r"^DATA_DIR: "):
        made_once(tmp_path / "file" / "secret_key", lambda: "x")


def test_what_an_address_of_postgresql_asks_for_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgres://user:word@host/name?sslmode=require")
    found = runpy.run_path(str(ROOT / "nextvoice" / "settings.py"))["DATABASES"]["default"]
    assert (found["OPTIONS"]["sslmode"], found["OPTIONS"]["pool"]["max_size"]) == ("require", 10)


def test_a_mail_server_that_is_silent_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://user:word@host:587")
    found = runpy.run_path(str(ROOT / "nextvoice" / "settings.py"))
    assert (found["EMAIL_BACKEND"], found["EMAIL_USE_TLS"]) == ("nextvoice.mail.Mail", True)
    assert found["EMAIL_TIMEOUT"] == 10
    monkeypatch.delenv("EMAIL_URL")
    found = runpy.run_path(str(ROOT / "nextvoice" / "settings.py"))
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"


@pytest.mark.parametrize(
    ("url", "sends"),
    [
        ("", False),
        ("consolemail://", False),
        ("dummymail://", False),
        ("smtp://host", True),
        ("filemail:///tmp/mails", True),
    ],
)
def test_what_is_only_printed_counts_as_no_mail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, sends: bool
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EMAIL_URL", url)
    assert runpy.run_path(str(ROOT / "nextvoice" / "settings.py"))["SENDS_MAIL"] is sends


def test_the_readme_has_every_variable() -> None:
    code = (ROOT / "nextvoice" / "settings.py").read_text()
    read = set(re.findall(r'(?:env\.\w+|given)\(\s*"([A-Z][A-Z0-9_]+)"', code))
    told = set(re.findall(r"`([A-Z0-9_]+)`", (ROOT / "README.md").read_text()))
    # `MEDIA_S3_BUCKET`, `_ENDPOINT`, ...
    told |= {f"MEDIA_S3{name}" for name in told if name.startswith("_")}
    assert len(read) > 30 and read - told == set()


def command(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with nothing else in its environment."""
    kept = {n: os.environ[n] for n in ("PATH", "HOME", "ENV_FILE") if n in os.environ}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env={**kept, "DATA_DIR": str(folder), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_POOL", "abc", "setup"),
        ("TIME_ZONE", "Mars/Phobos", "check"),
        ("LANGUAGE_CODE", "zz", "serve"),
        ("REDIS_URL", "nonsense", "serve"),
        ("ALLOWED_HOSTS", "https://a.example", "serve"),
        ("NEXTVOICE_LLM_URL", "127.0.0.1:11434", "serve"),
    ],
)
def test_a_wrong_setting_ends_every_command_with_one_line(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    done = command(tmp_path, words, **{name: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{name} must be ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", BEHIND),
        ("sqlite:////dev/null/db", "The database cannot be reached or used: unable to open"),
        ("postgres://u:hush@127.0.0.1:1/n", "The database cannot be reached or used: "),
    ],
)
def test_a_database_that_is_away_or_empty_is_told_without_a_traceback(
    tmp_path: Path, url: str, told: str
) -> None:
    done = command(tmp_path, "usage", DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    *log, last = done.stderr.splitlines()  # PostgreSQL's pool logs why it has no connection
    assert last.startswith(told) and len(log) <= 2
    assert "hush" not in done.stderr and "Traceback" not in done.stderr


def test_a_folder_of_data_that_cannot_be_written_is_told_without_a_traceback(
    tmp_path: Path,
) -> None:
    (tmp_path / "in_use.lock").mkdir()
    done = command(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1
    told = f"CommandError: DATA_DIR: {tmp_path}/in_use.lock cannot be written: Is a directory.\n"
    assert done.stderr.endswith(told) and "Traceback" not in done.stderr


@pytest.mark.parametrize("root", ["/dev/null", "/proc/x"])
def test_a_folder_for_static_files_that_cannot_be_written_is_told_without_a_traceback(
    tmp_path: Path, root: str
) -> None:
    done = command(tmp_path, "collectstatic", "--noinput", STATIC_ROOT=root)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"CommandError: STATIC_ROOT: {root}")


@pytest.mark.parametrize(("words", "unbuffered"), [("check", ""), ("usage --csv", "1")])
@pytest.mark.parametrize(
    ("closed", "status", "told"),
    [
        (False, 1, "Standard output cannot be written: No space left on device\n"),
        (True, 128 + signal.SIGPIPE, ""),
    ],
    ids=["full", "closed"],
)
def test_output_that_nobody_takes_is_told_in_one_line_at_most(
    words: str, unbuffered: str, closed: bool, status: int, told: str, tmp_path: Path
) -> None:
    shutil.copy(migrated(), tmp_path / DATABASE)
    kept = {n: os.environ[n] for n in ("PATH", "HOME", "ENV_FILE") if n in os.environ}
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing if closed else "/dev/full", "wb") as out:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words.split()],
            env=kept | {"DATA_DIR": str(tmp_path), "PYTHONUNBUFFERED": unbuffered},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.stderr, done.returncode) == (told, status)


def test_who_interrupts_a_command_while_it_is_loaded_sees_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "django").mkdir()
    (tmp_path / "django" / "__init__.py").write_text("raise KeyboardInterrupt")
    done = command(tmp_path, "check", PYTHONPATH=str(tmp_path))
    assert (done.stderr, done.returncode) == ("", 128 + signal.SIGINT)


def test_a_site_is_not_ended_by_a_deploy_while_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "django").mkdir()
    hang_up = "import signal\nsignal.raise_signal(signal.SIGHUP)\nraise KeyboardInterrupt"
    (tmp_path / "django" / "__init__.py").write_text(hang_up)
    done = command(tmp_path, "serve", "--workers", "2", PYTHONPATH=str(tmp_path))
    assert done.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("has", ["nothing", "django"])
def test_a_python_that_lacks_something_goes_on_with_the_one_that_has_it(
    tmp_path: Path, has: str
) -> None:
    copy, own = tmp_path / "manage.py", tmp_path / ".venv" / "bin" / "python"
    shutil.copy(ROOT / "manage.py", copy)
    # Another project's Python may have a Django.
    (tmp_path / "other" / has).mkdir(parents=True)
    bare = [sys.executable, "-S", str(copy), "usage", "--by", "model"]
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "other")}
    done = subprocess.run(bare, capture_output=True, text=True, env=path)
    assert done.returncode == 1
    assert done.stderr == "What NextVoice needs is not installed: “make run” does that, in .venv.\n"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "$0 $@"\n')
    own.chmod(0o755)
    done = subprocess.run(bare, capture_output=True, text=True, env=path)
    assert done.stdout == f"{own} {copy} usage --by model\n"


def test_what_setup_and_the_storage_make_is_for_nobody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # an admin made it
    assert command(tmp_path, "setup").returncode == 0
    save = "default_storage.save('recordings/ab/one.mp3', ContentFile(b'sound'))"
    load = "from django.core.files.storage import default_storage\n"
    load += "from django.core.files.base import ContentFile\n"
    assert command(tmp_path, "shell", "-c", load + save).returncode == 0
    made = {str(each.relative_to(tmp_path)): each for each in tmp_path.rglob("*")}
    assert {"nextvoice.sqlite3", "key_ring", "media/recordings/ab/one.mp3"} <= {*made}
    assert [name for name, each in made.items() if each.stat().st_mode & 0o077] == []
    checked = command(tmp_path, "check", "--database", "default")
    assert (checked.returncode, checked.stderr) == (0, "")
