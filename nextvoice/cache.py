"""The cache in Redis, and in this process's memory while Redis is away.

It only holds hints and counts of attempts, so a process can go on alone; limits then hold for each
process by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from realtime.logs import why

outage = logging.getLogger("nextvoice.outage")

AGAIN_SECONDS = 5.0
"""How long Redis is left alone after a failure: a hanging one costs each attempt its timeout."""

# By address, for all threads: Django makes one cache object per thread.
_away_until: dict[str, float] = {}


class SteadyCache(BaseCache):
    """Django's Redis cache, with the same arguments."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._server = server
        self._redis = RedisCache(server, dict(params))
        self._local = LocMemCache(f"instead of {server}", {**params, "OPTIONS": {}})

    def _ask(self, what: Callable[[BaseCache], Any]) -> Any:
        if time.monotonic() >= _away_until.get(self._server, 0.0):
            try:
                return what(self._redis)
            except (RedisError, OSError) as problem:
                _away_until[self._server] = time.monotonic() + AGAIN_SECONDS
                outage.warning("the cache is away: %s", why(problem))
        return what(self._local)

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.add(key, value, *args, **kwargs))

    def get(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.get(key, *args, **kwargs))

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.set(key, value, *args, **kwargs))

    def touch(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.touch(key, *args, **kwargs))

    def delete(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.delete(key, *args, **kwargs))

    def incr(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.incr(key, *args, **kwargs))

    def has_key(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask(lambda cache: cache.has_key(key, *args, **kwargs))

    def clear(self) -> Any:
        return self._ask(lambda cache: cache.clear())
