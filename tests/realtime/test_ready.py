"""What probes are told, and who may ask."""

from __future__ import annotations

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


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "web:8000", "not_a name"])
def test_probes_and_prometheus_may_use_any_name_and_nobody_else(client: Client, host: str) -> None:
    paths = ["/livez", "/readyz", "/metrics", "/", "/accounts/login/"]
    told = [client.get(path, headers={"host": host}).status_code for path in paths]
    assert told == [200, 200, 200, 400, 400]
    proxied = {"host": host, "x-forwarded-for": "192.0.2.1"}
    assert client.get("/metrics", headers=proxied).status_code == 404
