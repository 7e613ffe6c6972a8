"""Fifty calls that start at once over one last place or cent: exactly one is let in.

Here are few rounds; `python -m tests.races 200` runs as many as one likes.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.races import race
from tests.servers import Postgres


def test_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    env = {**os.environ, "DATABASE_URL": postgres.url, "DATA_DIR": str(tmp_path)}
    assert race(10, env) == [1] * 10


def test_on_sqlite(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    assert race(2, {**env, "DATA_DIR": str(tmp_path)}) == [1] * 2
