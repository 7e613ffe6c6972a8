"""`docker-compose.yml`, as far as it can be told without an engine: names, commands, checks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from nextvoice.secrets import new_secret_key
from tests.site import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
WEB = COMPOSE["services"]["web"]
SOURCES = [
    (ROOT / "nextvoice" / "settings.py").read_text(),
    # Uvicorn reads this one.
    '"FORWARDED_ALLOW_IPS"',
]


def filled(text: str, **values: str) -> str:
    """The text with its variables, `${NAME:-default}` and `${NAME:?trouble}`, filled in."""
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda found: values.get(found[1]) or (found[3] if found[2] == "-" else f"<{found[1]}>"),
        text,
    )


def test_every_variable_is_one_the_site_reads() -> None:
    unread = [n for n in WEB["environment"] if not any(f'"{n}"' in text for text in SOURCES)]
    assert unread == []


def test_everything_in_the_example_reaches_the_site_or_is_for_compose() -> None:
    assert WEB["env_file"] == ".env"
    text = (ROOT / "docker-compose.yml").read_text()
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    known = [text, *SOURCES]
    assert [n for n in example if not any(re.search(rf"\b{n}\b", each) for each in known)] == []


def test_every_variable_that_must_be_given_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    example = (ROOT / ".env.example").read_text()
    given = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert used - given == set()


def test_volumes_services_and_files_that_are_named_exist() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            known = (ROOT / source).exists() if source[0] == "." else source in COMPOSE["volumes"]
            assert known, (name, volume)
        assert set(service.get("depends_on", [])) <= set(COMPOSE["services"])
        assert {each["source"] for each in service.get("configs", [])} <= set(COMPOSE["configs"])


def test_two_workers_serve_and_have_time_to_end() -> None:
    words = shlex.split(WEB["command"][-1].partition("&& exec ")[2])
    assert words[:3] == ["python", "manage.py", "serve"]
    assert words[words.index("--workers") + 1] == "2"
    assert int(WEB["stop_grace_period"].rstrip("s")) > 30


def test_the_proxy_shows_the_world_no_figures_and_limits_no_socket() -> None:
    proxy = COMPOSE["configs"]["caddy"]["content"]
    assert re.search(r"^\s*respond /metrics 404$", proxy, re.MULTILINE)
    assert re.search(r"^\s*flush_interval -1$", proxy, re.MULTILINE)
    assert "timeout" not in proxy


def test_the_database_is_waited_for_where_the_site_will_reach_it() -> None:
    """The image's own first start answers `pg_isready` on its Unix socket, and goes again."""
    check = COMPOSE["services"]["postgres"]["healthcheck"]["test"]
    assert check[:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]


def test_visitors_wait_for_longer_than_the_site_takes_to_be_replaced() -> None:
    waits = re.search(r"lb_try_duration (\d+)s", COMPOSE["configs"]["caddy"]["content"])
    # A container is made, tables are looked at, workers load: 10 s on a small machine.
    assert waits is not None and int(waits[1]) >= 30


def test_no_advice_sends_a_signal_by_the_engine() -> None:
    """It would take a container that is signalled for one that is stopped, and start it no more
    after a crash; and no code in it is newer."""
    for name in ("docker-compose.yml", "README.md"):
        assert "kill --signal" not in (ROOT / name).read_text()


@pytest.mark.parametrize("address", ["localhost", "talk.example.org"])
def test_its_settings_pass_the_deploy_check_without_a_warning(tmp_path: Path, address: str) -> None:
    values = {
        "SITE_ADDRESS": address,
        "SECRET_KEY": f"${new_secret_key()}",  # which is no variable's name
        "KEY_RING": Fernet.generate_key().decode(),
        "POSTGRES_PASSWORD": "a-password",
        "MINIO_PASSWORD": "another1",
    }
    theirs = {name: filled(str(value), **values) for name, value in WEB["environment"].items()}
    kept = {n: os.environ[n] for n in ("PATH", "HOME", "ENV_FILE") if n in os.environ}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"],
        env={**kept, **theirs, "DATA_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert (done.returncode, done.stderr) == (0, "")
