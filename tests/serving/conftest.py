from __future__ import annotations

from tests.servers import Redis, fixture

redis = fixture(Redis, "redis", "module")
