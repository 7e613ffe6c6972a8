"""What probes are told, and who may ask."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from realtime import views

pytestmark = pytest.mark.django_db


def test_a_site_is_ready_once_its_tables_are_there_which_is_looked_at_until_then(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [True, True, False]
    monkeypatch.setattr(views, "is_behind", lambda: looks.pop(0))
    monkeypatch.setattr(views, "_tables_seen", False)
    told = [client.get("/readyz") for _ in range(5)]
    assert [each.status_code for each in told] == [503, 503, 200, 200, 200]
    assert told[0].json() == {"status": "migrations missing"}


@pytest.mark.parametrize(
    ("full", "bucket", "expected"),
    [
        (".", "", 503),
        ("live", "", 503),
        ("journal", "", 503),
        ("media", "", 503),
        ("media", "recordings", 200),
        ("spool", "recordings", 503),
        ("static", "", 200),
    ],
)
def test_a_disk_that_data_goes_to_and_is_nearly_full_is_told(
    client: Client,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full: str,
    bucket: str,
    expected: int,
) -> None:
    settings.DATA_DIR, settings.MEDIA_S3_BUCKET = tmp_path, bucket
    settings.DISK_FREE_MB = 1
    (tmp_path / full).mkdir(exist_ok=True)
    usage = namedtuple("usage", "free")
    rooms = {tmp_path / full: 1024**2 - 1}
    monkeypatch.setattr(
        views.shutil, "disk_usage", lambda folder: usage(rooms.get(folder, 1024**2))
    )
    assert client.get("/readyz").status_code == expected


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "web:8000", "not_a name"])
def test_probes_and_prometheus_may_use_any_name_and_nobody_else(client: Client, host: str) -> None:
    paths = ["/livez", "/readyz", "/metrics", "/", "/accounts/login/"]
    told = [client.get(path, headers={"host": host}).status_code for path in paths]
    assert told == [200, 200, 200, 400, 400]
    proxied = {"host": host, "x-forwarded-for": "192.0.2.1"}
    assert client.get("/metrics", headers=proxied).status_code == 404
