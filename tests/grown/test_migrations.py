"""What any earlier version kept is the same after migrating to this one, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from tests.grown.migrating import OURS
from tests.servers import Postgres
from tests.site import ROOT

# What migrations are meant to change: sums that are made anew from the ledger.
MEANT = ["realtime.usageday: a row is gone"]


def migrated(**environment: str) -> dict[str, Any]:
    plain = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.grown.migrating"],
        cwd=ROOT,
        env={**plain, "DJANGO_SETTINGS_MODULE": "nextvoice.settings", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(told: dict[str, Any]) -> None:
    loader = MigrationLoader(None)
    names = sorted(".".join(node) for node in loader.disk_migrations if node[0] in OURS)
    assert sorted(name for name, _filled in told["filled"]) == names
    assert told["differences"] == MEANT
    assert told["rows"] > 300
    leaves = [".".join(loader.graph.leaf_nodes(app)[0]) for app in OURS]
    # One version back and forth again where that is possible, and nothing else has changed.
    assert [name for name in told["undone"] if name not in leaves] == []
    assert "realtime.usage" in told["tables"] and "chats.message" in told["tables"]


def test_on_sqlite(tmp_path: Path) -> None:
    check(migrated(DATA_DIR=str(tmp_path)))


def test_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    check(migrated(DATA_DIR=str(tmp_path), DATABASE_URL=postgres.url))


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run")
