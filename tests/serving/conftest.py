from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Redis, require


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    require("redis")
    with Redis() as server:
        yield server
