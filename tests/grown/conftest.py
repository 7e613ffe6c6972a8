from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres, Redis, fixture
from tests.site import Site

postgres = fixture(Postgres, "postgres", "module")
redis = fixture(Redis, "redis", "module")


@pytest.fixture(scope="module")
def site(
    postgres: Postgres, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The site as a team runs it: PostgreSQL, Redis, the embedded provider."""
    folder: Path = tmp_path_factory.mktemp("site")
    settings = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
    with Site(folder, voice=True, **settings) as running:
        yield running
