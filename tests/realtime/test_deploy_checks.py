"""What `check --deploy` says of dangerous settings, and what keeps `serve` from starting."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command

from realtime import deploy_checks
from realtime.db import BEHIND
from realtime.management.commands import localvoice, serve
from tests.site import ROOT, static_files

pytestmark = pytest.mark.django_db

SAFE = {
    "ALLOWED_HOSTS": ["talk.example.org", "localhost"],
    "DEBUG": False,
    "HTTPS": True,
    "ALLAUTH_TRUSTED_PROXY_COUNT": 1,
    "SECRETS_MADE": [],
}


def said(settings: Any, **changes: Any) -> list[str]:
    """The ids of our own warnings and errors."""
    for name, value in {**SAFE, **changes}.items():
        setattr(settings, name, value)
    found = run_checks(tags=[Tags.security], include_deployment_checks=True)
    return [str(each.id) for each in found if str(each.id).startswith("realtime.")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"ALLOWED_HOSTS": ["*"]}, ["realtime.E010"]),
        ({"DEBUG": True}, ["realtime.E011"]),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["localhost"]}, []),
        ({"HTTPS": False}, ["realtime.W012"]),
        ({"HTTPS": False, "ALLOWED_HOSTS": ["127.0.0.1"]}, []),
        ({"ALLAUTH_TRUSTED_PROXY_COUNT": 0}, ["realtime.W013"]),
    ],
)
def test_each_dangerous_setting_is_said(
    settings: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    assert said(settings, **changes) == expected


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("/srv/data", ["realtime.E019"]),
        ("/srv/data/../data/", ["realtime.E019"]),
        ("/srv", ["realtime.E019"]),
        ("/srv/data/media", ["realtime.E019"]),
        (str(ROOT), ["realtime.E019"]),
        ("/srv/data/static", []),
        ("/srv/static", []),
    ],
)
def test_what_is_private_is_not_where_static_files_are(
    settings: Any, root: str, expected: list[str]
) -> None:
    assert said(settings, DATA_DIR=Path("/srv/data"), STATIC_ROOT=Path(root)) == expected


@pytest.mark.parametrize(("vendor", "expected"), [("sqlite", []), ("postgresql", ["W014"])])
def test_secrets_made_up_here_are_said_where_the_database_may_be_shared(
    settings: Any, monkeypatch: pytest.MonkeyPatch, vendor: str, expected: list[str]
) -> None:
    monkeypatch.setattr(deploy_checks.connection, "vendor", vendor)
    found = said(settings, SECRETS_MADE=["KEY_RING"])
    assert found == [f"realtime.{each}" for each in expected]


@pytest.mark.parametrize(
    ("folder", "file", "expected"),
    [(0o755, 0o644, ["W019"]), (0o750, 0o644, []), (0o755, 0o640, [])],
)
def test_data_that_others_of_the_machine_may_read_is_said(
    settings: Any, folder: int, file: int, expected: list[str]
) -> None:
    # Not in pytest's own folder, which others cannot enter.
    with TemporaryDirectory(dir="/tmp") as data:
        media = Path(data) / "media"
        media.mkdir()
        media.chmod(file | 0o111)
        Path(data).chmod(folder)
        settings.DATA_DIR = data
        assert said(settings) == [f"realtime.{each}" for each in expected]


def test_daphne_is_said_to_be_no_server_for_people(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/daphne", "nextvoice.asgi:application"])
    assert said(settings) == ["realtime.W015"]


def test_several_workers_need_a_layer_that_they_share(settings: Any) -> None:
    shared = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
    assert [each.id for each in deploy_checks.of_workers(2)] == ["realtime.E016"]
    assert deploy_checks.of_workers(1) == []
    settings.CHANNEL_LAYERS = shared
    assert deploy_checks.of_workers(2) == []


def test_pools_beyond_what_the_database_allows_are_said(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_checks, "_most_connections", lambda: 100)
    settings.DATABASE_POOL = 40
    assert [each.id for each in deploy_checks.of_workers(1)] == ["realtime.W017"]
    settings.DATABASE_POOL = 39  # of a worker and the supervisor; and two beside it, and twenty
    assert [each.id for each in deploy_checks.of_workers(1)] == []
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "shared"}}
    assert [each.id for each in deploy_checks.of_workers(2)] == ["realtime.W017"]


@pytest.mark.parametrize(
    ("words", "changes"),
    [(["--workers", "2"], {}), (["--workers", "0"], {}), ([], {"ALLOWED_HOSTS": ["*"]})],
)
def test_serve_does_not_start_with_what_cannot_go_well(
    settings: Any, words: list[str], changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    with pytest.raises(CommandError):
        call_command("serve", "--port", "0", *words)


def test_serve_says_that_tables_are_missing_and_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "is_behind", lambda: True)
    serve._check(1)
    assert [each.message for each in caplog.records].count(BEHIND) == 1


@pytest.mark.parametrize(("key", "times"), [("changeme", 1), ("0123456789" * 5, 0)])
def test_serve_says_that_the_secret_key_can_be_guessed(
    settings: Any, caplog: pytest.LogCaptureFixture, key: str, times: int
) -> None:
    settings.SECRET_KEY = key
    serve._check(1)
    assert caplog.text.count("Your SECRET_KEY has less than 50 characters") == times


def test_serve_says_that_static_files_are_not_collected_or_old_and_starts(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told(collected: Path, *more: Path) -> int:
        caplog.clear()
        settings.STATIC_ROOT, settings.STATICFILES_DIRS = collected, [ROOT / "static", *more]
        manifest = {"BACKEND": "nextvoice.static.ModuleManifestStorage"}
        settings.STORAGES = settings.STORAGES | {"staticfiles": manifest}
        serve._check(1)
        return sum("collectstatic --noinput" in each.message for each in caplog.records)

    (tmp_path / "new.js").write_text("")
    assert [told(tmp_path / "none"), told(static_files()), told(static_files(), tmp_path)] == [
        1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("host", "allowed", "told"),
    [
        ("0.0.0.0", ["localhost"], True),
        ("0.0.0.0", ["localhost", "192.0.2.5"], False),
        ("127.0.0.1", ["localhost"], False),
    ],
)
def test_serve_says_where_others_come_but_are_not_answered(
    settings: Any, monkeypatch: pytest.MonkeyPatch, host: str, allowed: list[str], told: bool
) -> None:
    monkeypatch.setattr(serve, "chores", nullcontext)
    monkeypatch.setattr(serve, "_serve_alone", lambda sock: None)
    settings.ALLOWED_HOSTS = allowed
    said = io.StringIO()
    call_command("serve", "--host", host, "--port", "0", stdout=said)
    assert ("It answers to localhost only" in said.getvalue()) == told


def test_a_log_of_json_alone_says_where_the_site_is(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(serve, "_serve_alone", lambda sock: None)
    settings.ALLOWED_HOSTS, settings.LOG_FORMAT = ["localhost"], "json"
    said = io.StringIO()
    call_command("serve", "--host", "0.0.0.0", "--port", "0", stdout=said)
    assert said.getvalue() == ""
    told = {
        each.levelname: each.getMessage() for each in caplog.records if each.name == serve.__name__
    }
    assert told["INFO"].startswith("NextVoice is on http://0.0.0.0:")
    assert told["WARNING"].startswith("It answers to localhost only: add ")


def test_serve_says_that_another_serves_here_that_does_not_hear_of_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATA_DIR = tmp_path
    told: list[int] = []

    def serving(meanwhile: Callable[[], None] = lambda: None) -> None:
        def serves(sock: object) -> None:
            told.append(caplog.text.count("Set REDIS_URL"))
            caplog.clear()
            meanwhile()

        monkeypatch.setattr(serve, "_serve_alone", serves)
        call_command("serve", "--port", "0")

    serving(meanwhile=serving)
    serving()
    assert told == [0, 1, 0]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "shared"}}
    serving(meanwhile=serving)
    assert told[3:] == [0, 0]


@pytest.mark.parametrize("name", ["serve", "localvoice"])
@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_number_that_is_no_port_is_refused(name: str, port: str) -> None:
    with pytest.raises(CommandError, match=f"'{port}' is no port"):
        call_command(name, f"--port={port}")


def test_the_embedded_provider_alone_says_where_it_cannot_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def taken(options: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(localvoice, "run", taken)
    with pytest.raises(CommandError, match=r"^Cannot listen on 127.0.0.1:8911: .*already in use"):
        call_command("localvoice")
