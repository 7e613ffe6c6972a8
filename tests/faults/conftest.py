from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.rig import settings
from tests.servers import Postgres, Redis, fixture
from tests.site import Shell, Site

postgres = fixture(Postgres, "postgres", "package")
redis = fixture(Redis, "redis", "package")


@pytest.fixture(scope="package")
def site(
    postgres: Postgres, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Two workers on PostgreSQL and Redis, for all of these tests."""
    with Site(tmp_path_factory.mktemp("site"), **settings(postgres, redis)) as running:
        yield running


@pytest.fixture(scope="package")
def shell(site: Site) -> Iterator[Shell]:
    """Django beside the site."""
    with Shell(site) as beside:
        yield beside
