"""Fifty calls that start at once over one last place or cent: exactly one is let in. And machines
that set up one database at once.

Here are few rounds; `python -m tests.races 200` runs as many as one likes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.races import race
from tests.servers import Postgres
from tests.site import COMMAND_SECONDS, INHERITED, ROOT


def test_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    env = {**os.environ, "DATABASE_URL": postgres.url, "DATA_DIR": str(tmp_path)}
    assert race(10, env) == [1] * 10


def test_on_sqlite(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    assert race(2, {**env, "DATA_DIR": str(tmp_path)}) == [1] * 2


def test_machines_set_up_one_database_one_after_the_other(
    postgres: Postgres, tmp_path: Path
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as server:
        server.execute("CREATE DATABASE fresh")
    env = {**INHERITED, "DATABASE_URL": postgres.url.rpartition("/")[0] + "/fresh"}
    begun = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "setup"],
            env={**env, "DATA_DIR": str(tmp_path / name)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "two")
    ]
    said = [each.communicate(timeout=COMMAND_SECONDS)[0] for each in begun]
    assert [each.returncode for each in begun] == [0, 0], said
    assert sorted("First sign-in" in each for each in said) == [False, True]
